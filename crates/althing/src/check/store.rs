//! Whether the folder of data can be used, and the database is whole.

use std::path::Path;

use events::ServerName;
use persistence::transactions::identity;
use persistence::{Database, StoreError};

use super::Report;
use super::ports::Running;
use crate::data_dir::{self, DataDir, DataDirError};
use crate::server::StartError;

/// Checks the folder, made if it was not there, and the database in it. Says whether a server runs on it.
pub(super) async fn check(data_dir: &Path, name: &ServerName, report: &mut Report) -> Running {
    let held = match DataDir::open(data_dir) {
        Ok(held) => held,
        Err(DataDirError::InUse { .. }) => {
            report.good("database", &"a server runs on it: it is checked while none does");
            return Running::Yes;
        }
        Err(error @ DataDirError::Unusable { .. }) => {
            report.problem("data_dir", &error);
            return Running::No;
        }
    };
    let path = data_dir::database(held.path());
    if !path.exists() {
        report.good("database", &format!("{} is made at the first start", path.display()));
        return Running::No;
    }
    match Database::check(&path) {
        Ok(complaints) if complaints.is_empty() => {
            report.good("database", &format!("{} is whole", path.display()));
            if let Err(error) = check_name(&path, held.path(), name).await {
                report.problem("database", &error);
            }
        }
        Ok(complaints) => {
            let first = complaints.first().map(String::as_str).unwrap_or_default();
            report.problem("database", &format!("{} is damaged ({first}): restore it from a backup", path.display()));
        }
        Err(error) => report.problem("database", &error),
    }
    Running::No
}

/// A database belongs to one server for ever.
async fn check_name(path: &Path, data_dir: &Path, name: &ServerName) -> Result<(), StartError> {
    let database = Database::open(path)?;
    let owner: Result<_, StoreError> = database.read(identity::name).await;
    database.close().await;
    match owner? {
        Some(owner) if owner != *name => {
            Err(StartError::OtherName { path: data_dir.to_owned(), owner, configured: name.clone() })
        }
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::claim_name;

    #[tokio::test]
    async fn a_database_is_opened_and_a_file_that_is_none_is_named() {
        let folder = tempfile::tempdir().unwrap();
        Database::open(&data_dir::database(folder.path())).unwrap().close().await;
        let found = look(folder.path()).await;
        assert!(found.contains("is whole") && !found.contains("MEND"), "{found}");

        let database = Database::open(&data_dir::database(folder.path())).unwrap();
        claim_name(&database, &ServerName::parse("b.test").unwrap(), folder.path()).await.unwrap();
        database.close().await;
        let found = look(folder.path()).await;
        assert!(found.contains("MEND  database") && found.contains("belongs to the server b.test"), "{found}");

        let folder = tempfile::tempdir().unwrap();
        std::fs::write(data_dir::database(folder.path()), "this is no database".repeat(1000)).unwrap();
        let found = look(folder.path()).await;
        assert!(found.contains("MEND  database"), "{found}");
    }

    #[tokio::test]
    async fn a_running_server_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let _running = DataDir::open(folder.path()).unwrap();
        assert!(look(folder.path()).await.contains("a server runs on it"));
    }

    async fn look(folder: &Path) -> String {
        let mut report = Report::default();
        check(folder, &ServerName::parse("a.test").unwrap(), &mut report).await;
        report.to_string()
    }
}
