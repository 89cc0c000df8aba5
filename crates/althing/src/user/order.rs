//! What is done with accounts, by whoever holds the database: this command alone, or the server that runs.

use events::UserId;
use persistence::StoreError;
use serde::{Deserialize, Serialize};
use users::Users;
use users::accounts::{ErasedProfile, NewAccount, RegistrationError, Role};

/// Accounts that are read at once.
const PAGE: i64 = 500;

/// One thing to do. Holds passwords: it is never printed.
#[derive(Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub(crate) enum Order {
    /// Says whether a name is free.
    Check {
        name: String,
    },
    Create {
        name: String,
        password: String,
        admin: bool,
    },
    /// Says whether there is such an account.
    Find {
        name: String,
    },
    ResetPassword {
        name: String,
        password: String,
    },
    Deactivate {
        name: String,
        erase: bool,
    },
    List,
}

/// It was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Registration(#[from] RegistrationError),
    #[error("{0:?} cannot be a user of this server: give the part before the colon, like alice")]
    NotOurs(String),
    #[error("there is no account {0}")]
    Unknown(UserId),
    #[error("the password is too long: at most {max} bytes", max = users::accounts::PASSWORD_BYTES_MAX)]
    PasswordTooLong,
}

impl Order {
    /// Does it, and returns the lines to print.
    pub(crate) async fn perform(self, users: &Users) -> Result<Vec<String>, OrderError> {
        match self {
            Self::Check { name } => {
                users.check_available(&localpart(users, &name)?).await?;
                Ok(Vec::new())
            }
            Self::Create { name, password, admin } => {
                let role = if admin { Role::Admin } else { Role::User };
                let new = NewAccount { localpart: Some(localpart(users, &name)?), password: Some(password), role };
                let (user, _) = users.register(new, None, None).await?;
                Ok(vec![user.to_string()])
            }
            Self::Find { name } => active_account(users, &name).await.map(|_| Vec::new()),
            Self::ResetPassword { name, password } => {
                let user = active_account(users, &name).await?;
                let done = users.set_password(&user, &password).await?;
                if done { Ok(Vec::new()) } else { Err(OrderError::PasswordTooLong) }
            }
            Self::Deactivate { name, erase } => {
                let user = active_account(users, &name).await?;
                let profile = if erase { ErasedProfile::Erase } else { ErasedProfile::Keep };
                users.deactivate(&user, profile).await?;
                Ok(Vec::new())
            }
            Self::List => list(users).await,
        }
    }
}

async fn active_account(users: &Users, name: &str) -> Result<UserId, OrderError> {
    let name = localpart(users, name)?;
    let user = users.resolve(&name).ok_or(OrderError::NotOurs(name))?;
    match users.account(&user).await? {
        Some(account) if account.deactivated_at.is_none() => Ok(user),
        Some(_) | None => Err(OrderError::Unknown(user)),
    }
}

async fn list(users: &Users) -> Result<Vec<String>, OrderError> {
    let (mut lines, mut after) = (Vec::new(), String::new());
    loop {
        let page = users.accounts(after.clone(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(lines) };
        after = last.user_id.as_str().to_owned();
        for account in &page {
            let admin = if account.is_admin { "  admin" } else { "" };
            let deactivated = if account.deactivated_at.is_some() { "  deactivated" } else { "" };
            lines.push(format!("{}{admin}{deactivated}", account.user_id));
        }
    }
}

/// People give a name as `alice`, `@alice` or `@alice:example.org`.
fn localpart(users: &Users, name: &str) -> Result<String, OrderError> {
    let bare = name.strip_prefix('@').unwrap_or(name);
    match bare.split_once(':') {
        None if !bare.is_empty() => Ok(bare.to_owned()),
        Some((localpart, server)) if server == users.server_name().as_str() && !localpart.is_empty() => {
            Ok(localpart.to_owned())
        }
        None | Some(_) => Err(OrderError::NotOurs(name.to_owned())),
    }
}
