//! What the tests of several files here need.

use crate::Database;
use crate::tx::{StoreError, WriteTx};

/// Runs in the one transaction of a new database.
pub(crate) async fn in_one_transaction(run: impl FnOnce(&mut WriteTx<'_>) + Send + 'static) {
    let database = Database::open_inline(None).unwrap();
    let work = |tx: &mut WriteTx<'_>| {
        run(tx);
        Ok::<_, StoreError>(())
    };
    database.write(work).await.unwrap();
}
