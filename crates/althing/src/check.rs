//! `althing check`: goes through everything that a start needs, and says what to mend.

mod certificate;
mod ports;
mod reach;
mod report;
mod store;

use std::path::Path;
use std::process::ExitCode;

use events::SigningKey;
use handles::{Clock, SystemClock};
use report::Report;

use crate::config::Config;
use crate::{data_dir, signing_key};

/// Checks what `file` configures, prints what was found, and returns 0 if the server would run.
pub(crate) async fn run(file: &Path) -> ExitCode {
    let mut report = Report::default();
    match Config::load(file) {
        Ok(config) => check_all(&config, &mut report).await,
        Err(error) => report.problem("configuration", &error),
    }
    print!("{report}");
    if report.has_problems() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

async fn check_all(config: &Config, report: &mut Report) {
    report.good("configuration", &format!("{} is complete", config.server_name));
    for warning in &config.warnings {
        report.warning("configuration", warning);
    }
    let running = store::check(&config.data_dir, &config.server_name, report).await;
    let key = check_signing_key(config, report);
    ports::check("client.listen", &config.client.listen, running, report);
    ports::check("federation.listen", &config.federation.listen, running, report);
    let found = reach::discover(config, report).await;
    // Not found: the name itself is the best guess.
    let name = found.as_ref().map_or(config.server_name.host(), |(_, destination)| &destination.certificate_name);
    certificate::check(config, name, SystemClock::default().now(), report);
    if let Some((https, destination)) = &found {
        reach::check(config, https, destination, key.as_ref(), running, report).await;
    }
}

fn check_signing_key(config: &Config, report: &mut Report) -> Option<SigningKey> {
    let path = data_dir::signing_key(&config.data_dir);
    let key = signing_key::load(&path);
    match &key {
        Ok(Some(key)) => report.good("signing key", &format!("{} in {}", key.id(), path.display())),
        Ok(None) => report.good("signing key", &format!("{} is made at the first start", path.display())),
        Err(error) => report.problem("signing key", error),
    }
    if let Some(exposure) = signing_key::exposure(&path) {
        report.warning("signing key", &exposure);
    }
    key.ok().flatten()
}
