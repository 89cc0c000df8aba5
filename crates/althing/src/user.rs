//! `althing user`: accounts, from the command line of the machine that the server runs on.
//!
//! The database belongs to one process. While no server runs that is us; while one runs, it is asked to do the same, through a
//! socket in the folder of data.

pub(crate) mod order;
mod password;

use std::path::{Path, PathBuf};

use handles::Handles;
use persistence::Database;

use crate::config::Config;
use crate::data_dir::{self, DataDir, DataDirError};
use crate::running::{self, AccessError, Request};
use crate::server;
use order::{Order, OrderError};
pub(crate) use password::{PasswordError, PasswordSource};

/// What to do.
#[derive(Debug)]
pub(crate) enum Task {
    Create { name: String, admin: bool, password: PasswordSource },
    ResetPassword { name: String, password: PasswordSource },
    Deactivate { name: String, erase: bool },
    List,
}

/// It was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UserError {
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error(transparent)]
    Password(#[from] PasswordError),
    #[error(transparent)]
    Order(#[from] OrderError),
}

/// Who holds the accounts.
enum Holder {
    /// We do, as long as the folder is held.
    Us { users: users::Users, _data_dir: DataDir },
    /// The server that runs on this folder.
    Server { folder: PathBuf },
}

/// Does `task` with the accounts that `file` leads to.
pub(crate) async fn run(file: &Path, task: Task) -> Result<(), UserError> {
    let config = Config::load(file).map_err(AccessError::from)?;
    match DataDir::open(&config.data_dir) {
        Ok(data_dir) => {
            let database = Database::open(&data_dir::database(data_dir.path())).map_err(AccessError::from)?;
            let done = alone(&config, &database, data_dir, task).await;
            database.close().await;
            done
        }
        Err(DataDirError::InUse { .. }) => Holder::Server { folder: config.data_dir }.run(task).await,
        Err(error @ DataDirError::Unusable { .. }) => Err(AccessError::from(error).into()),
    }
}

/// Does `task` while no server runs.
async fn alone(config: &Config, database: &Database, data_dir: DataDir, task: Task) -> Result<(), UserError> {
    server::claim_name(database, &config.server_name, data_dir.path()).await.map_err(AccessError::from)?;
    let users = server::users_alone(config, database.clone(), Handles::system());
    Holder::Us { users, _data_dir: data_dir }.run(task).await
}

impl Holder {
    async fn run(&self, task: Task) -> Result<(), UserError> {
        let order = match task {
            Task::Create { name, admin, password } => {
                // Before the question for a password: whoever types one wants to hear of a taken name first.
                self.perform(Order::Check { name: name.clone() }).await?;
                Order::Create { name, password: password.read()?, admin }
            }
            Task::ResetPassword { name, password } => {
                self.perform(Order::Find { name: name.clone() }).await?;
                Order::ResetPassword { name, password: password.read()? }
            }
            Task::Deactivate { name, erase } => Order::Deactivate { name, erase },
            Task::List => Order::List,
        };
        for line in self.perform(order).await? {
            println!("{line}");
        }
        Ok(())
    }

    async fn perform(&self, order: Order) -> Result<Vec<String>, UserError> {
        match self {
            Self::Us { users, .. } => Ok(order.perform(users).await?),
            Self::Server { folder } => {
                Ok(running::ask(folder, &Request::User(order)).await.map_err(AccessError::from)?)
            }
        }
    }
}
