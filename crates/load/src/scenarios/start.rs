//! From the start of the process until both ports accept connections, on an empty database.

use std::path::Path;

use handles::Handles;

use crate::althing::Althing;
use crate::report::{Failure, Table, Times, mib, ms};

/// How often it is started; the median counts.
const STARTS: usize = 9;

pub(super) async fn run(title: &'static str, binary: &Path, handles: &Handles) -> Result<Table, Failure> {
    let (mut times, mut resident) = (Times::default(), Vec::new());
    for _ in 0..STARTS {
        let althing = Althing::start(binary, handles).await?;
        times.push(althing.ready_after);
        resident.push(althing.usage()?.resident);
    }
    resident.sort_unstable();
    let mut table =
        Table::new(title, "From starting the process until both ports accept, certificate and keys made new.");
    table.row("until ready, median", ms(times.percentile(50)), "150 ms", "");
    table.row("resident then, median", mib(resident[resident.len() / 2]), "40 MiB", "");
    Ok(table)
}
