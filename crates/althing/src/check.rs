//! `althing check`: goes through everything that a start needs, and says what to mend.

mod report;

use std::path::Path;
use std::process::ExitCode;

use report::Report;

use crate::config::Config;
use crate::{data_dir, signing_key};

/// Checks what `file` configures, prints what was found, and returns 0 if the server would run.
pub(crate) fn run(file: &Path) -> ExitCode {
    let mut report = Report::default();
    match Config::load(file) {
        Ok(config) => check_all(&config, &mut report),
        Err(error) => report.problem("configuration", &error),
    }
    print!("{report}");
    if report.has_problems() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn check_all(config: &Config, report: &mut Report) {
    report.good("configuration", &format!("{} is complete", config.server_name));
    for warning in &config.warnings {
        report.warning("configuration", warning);
    }
    check_signing_key(config, report);
}

fn check_signing_key(config: &Config, report: &mut Report) {
    let path = data_dir::signing_key(&config.data_dir);
    match signing_key::load(&path) {
        Ok(Some(key)) => report.good("signing key", &format!("{} in {}", key.id(), path.display())),
        Ok(None) => report.good("signing key", &format!("{} is made at the first start", path.display())),
        Err(error) => report.problem("signing key", &error),
    }
    if let Some(exposure) = signing_key::exposure(&path) {
        report.warning("signing key", &exposure);
    }
}
