//! What is written to standard error.

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Reads directives, like `info,transport=debug`. `None` if they are none.
pub(crate) fn parse_filter(text: &str) -> Option<EnvFilter> {
    EnvFilter::builder().parse(text).ok()
}

/// Starts logging to standard error. A second call changes nothing.
pub(crate) fn start(log: &Log) {
    // The configuration has checked the filter.
    let filter = parse_filter(&log.filter).unwrap_or_default();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match log.format {
        LogFormat::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if let Err(error) = started {
        tracing::debug!("logging had been started before: {error}");
    }
}
