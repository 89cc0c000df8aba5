//! Whether the database is whole.

use crate::tx::{ReadTx, StoreError};

/// Returns what is broken in the database file, in the engine's words, at most 100 findings. Reads every page: a minute for
/// some gigabytes. SQLite only; PostgreSQL has tools of its own for this.
pub fn complaints(tx: &ReadTx<'_>) -> Result<Vec<String>, StoreError> {
    let findings: Vec<String> =
        tx.query_all("SELECT integrity_check FROM pragma_integrity_check", &[], |row| row.get(0))?;
    Ok(findings.into_iter().filter(|finding| finding != "ok").collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Database;

    #[tokio::test]
    async fn a_new_database_is_whole() {
        let database = Database::open_inline(None).unwrap();
        assert_eq!(database.read(complaints).await.unwrap(), [""; 0]);
    }
}
