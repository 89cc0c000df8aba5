//! What is measured: one module a row of the design's table.

mod attacked;
mod catching_up;
mod fan_out;
mod held;
mod idle;
mod inbound;
mod joining;
mod sending;
mod start;

use std::path::Path;

use clap::ValueEnum;
use handles::Handles;

use crate::report::{Failure, Table};

/// A row of the table of budgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// From the start of the process until it is ready
    Start,
    /// Messages from client to client
    Sending,
    /// Transactions of 50 PDUs from another server
    Inbound,
    /// Joining a large room over federation
    Joining,
    /// One message to many servers
    FanOut,
    /// A server that comes back after an outage
    CatchingUp,
    /// Clients that wait for something to happen
    Idle,
    /// One hostile server at full speed beside an honest one
    Attacked,
    /// As many connections as one address may have, which say nothing
    Held,
}

impl Scenario {
    /// All, in the order of the design's table.
    pub(crate) const ALL: [Self; 9] = [
        Self::Start,
        Self::Sending,
        Self::Inbound,
        Self::Joining,
        Self::FanOut,
        Self::CatchingUp,
        Self::Idle,
        Self::Attacked,
        Self::Held,
    ];

    /// The heading of its table.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Start => "Start",
            Self::Sending => "Sending a message in a local room, client to client",
            Self::Inbound => "Inbound PDUs in transactions of 50",
            Self::Joining => "Joining rooms of 1,000, 5,000 and 20,000 members over federation",
            Self::FanOut => "One message to 1,000 destinations",
            Self::CatchingUp => "Catching up after an outage",
            Self::Idle => "/sync with nothing new, 1,000 idle clients",
            Self::Attacked => "One hostile server at full speed, beside an honest one",
            Self::Held => "Connections that are held open, and say nothing",
        }
    }

    /// Measures it.
    pub(crate) async fn run(self, binary: &Path, handles: &Handles) -> Result<Table, Failure> {
        let title = self.title();
        match self {
            Self::Start => start::run(title, binary, handles).await,
            Self::Sending => sending::run(title, binary, handles).await,
            Self::Inbound => inbound::run(title, binary, handles).await,
            Self::Joining => joining::run(title, binary, handles).await,
            Self::FanOut => fan_out::run(title, binary, handles).await,
            Self::CatchingUp => catching_up::run(title, binary, handles).await,
            Self::Idle => idle::run(title, binary, handles).await,
            Self::Attacked => attacked::run(title, binary, handles).await,
            Self::Held => held::run(title, binary, handles).await,
        }
    }
}
