//! `althing user`: accounts, from the command line of the machine that the server runs on.
//!
//! The database belongs to one process. While no server runs that is us; while one runs, new accounts are asked of it by the
//! registration for administrators that Synapse has, if its secret is configured.

mod password;
mod running;

use std::path::{Path, PathBuf};

use events::UserId;
use handles::Handles;
use persistence::{Database, OpenError, StoreError};
use users::Users;
use users::accounts::{ErasedProfile, NewAccount, RegistrationError, Role};

use crate::config::{Config, ConfigError};
use crate::data_dir::{self, DataDir, DataDirError};
use crate::server;
pub(crate) use password::{PasswordError, PasswordSource};
use running::RunningError;

/// Accounts that are read at once.
const PAGE: i64 = 500;

/// What to do.
#[derive(Debug)]
pub(crate) enum Task {
    Create { name: String, role: Role, password: PasswordSource },
    ResetPassword { name: String, password: PasswordSource },
    Deactivate { name: String, profile: ErasedProfile },
    List,
}

/// It was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UserError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error("a server runs on {path}: stop it first", path = path.display())]
    ServerRuns { path: PathBuf },
    #[error(transparent)]
    Running(#[from] RunningError),
    #[error(transparent)]
    Open(#[from] OpenError),
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

/// Does `task` with the accounts that `file` leads to.
pub(crate) async fn run(file: &Path, task: Task) -> Result<(), UserError> {
    let config = Config::load(file)?;
    match DataDir::open(&config.data_dir) {
        Ok(held) => alone(&config, &held, task).await,
        Err(DataDirError::InUse { path }) => match task {
            Task::Create { name, role, password } => {
                let name = localpart(&config, &name)?;
                let created = running::create(&config, &name, &password.read()?, role).await?;
                println!("{created}");
                Ok(())
            }
            Task::ResetPassword { .. } | Task::Deactivate { .. } | Task::List => Err(UserError::ServerRuns { path }),
        },
        Err(error @ DataDirError::Unusable { .. }) => Err(error.into()),
    }
}

async fn alone(config: &Config, data_dir: &DataDir, task: Task) -> Result<(), UserError> {
    let database = Database::open(&data_dir::database(data_dir.path()))?;
    let users = server::users_alone(config, database.clone(), Handles::system());
    let done = match task {
        Task::Create { name, role, password } => create(config, &users, &name, role, password).await,
        Task::ResetPassword { name, password } => reset_password(config, &users, &name, password).await,
        Task::Deactivate { name, profile } => deactivate(config, &users, &name, profile).await,
        Task::List => list(&users).await,
    };
    database.close().await;
    done
}

async fn create(
    config: &Config,
    users: &Users,
    name: &str,
    role: Role,
    password: PasswordSource,
) -> Result<(), UserError> {
    let name = localpart(config, name)?;
    // Before the question for a password: whoever types one wants to hear of a taken name first.
    users.check_available(&name).await?;
    let new = NewAccount { localpart: Some(name), password: Some(password.read()?), role };
    let (user, _) = users.register(new, None, None).await?;
    println!("{user}");
    Ok(())
}

async fn reset_password(config: &Config, users: &Users, name: &str, password: PasswordSource) -> Result<(), UserError> {
    let user = active_account(config, users, name).await?;
    if users.set_password(&user, &password.read()?).await? { Ok(()) } else { Err(UserError::PasswordTooLong) }
}

async fn deactivate(config: &Config, users: &Users, name: &str, profile: ErasedProfile) -> Result<(), UserError> {
    let user = active_account(config, users, name).await?;
    Ok(users.deactivate(&user, profile).await?)
}

async fn active_account(config: &Config, users: &Users, name: &str) -> Result<UserId, UserError> {
    let name = localpart(config, name)?;
    let user = users.resolve(&name).ok_or(UserError::NotOurs(name))?;
    match users.account(&user).await? {
        Some(account) if account.deactivated_at.is_none() => Ok(user),
        Some(_) | None => Err(UserError::Unknown(user)),
    }
}

async fn list(users: &Users) -> Result<(), UserError> {
    let mut after = String::new();
    loop {
        let page = users.accounts(after.clone(), PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.user_id.as_str().to_owned();
        for account in &page {
            let admin = if account.is_admin { "  admin" } else { "" };
            let deactivated = if account.deactivated_at.is_some() { "  deactivated" } else { "" };
            println!("{}{admin}{deactivated}", account.user_id);
        }
    }
}

/// People give a name as `alice`, `@alice` or `@alice:example.org`.
fn localpart(config: &Config, name: &str) -> Result<String, UserError> {
    let not_ours = || UserError::NotOurs(name.to_owned());
    let bare = name.strip_prefix('@').unwrap_or(name);
    match bare.split_once(':') {
        None if !bare.is_empty() => Ok(bare.to_owned()),
        Some((localpart, server)) if server == config.server_name.as_str() && !localpart.is_empty() => {
            Ok(localpart.to_owned())
        }
        None | Some(_) => Err(not_ours()),
    }
}
