//! Finds out where a server is, step by step. Touches nothing: [`Discovery::next`] says what to look up, the caller hands in
//! what came of it. S2S API, "Resolving server names"; the numbers in comments are those of its list.

use std::net::IpAddr;

use events::ServerName;

/// The port of servers that name none.
pub const DEFAULT_PORT: u16 = 8448;

/// Where to connect to, and as whom to expect the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Hosts and ports to try, in order. A host is a name or an IP literal without brackets.
    pub candidates: Vec<(String, u16)>,
    /// The `Host` header.
    pub authority: String,
    /// The name that the certificate must be valid for; an IP literal without brackets, or a DNS name, which is also the SNI.
    pub certificate_name: String,
}

/// A record that a look-up of SRV gave: host and port, best first.
pub type SrvTargets = Vec<(String, u16)>;

/// What to look up next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// `https://{0}/.well-known/matrix/server`
    WellKnown(String),
    /// SRV records of this name.
    Srv(String),
    /// It is found.
    Found(Destination),
}

/// The state of a discovery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery(State);

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// 3: the well-known file of this host.
    WellKnown(String),
    /// 3.3 and 4: `_matrix-fed._tcp`.
    Srv(String),
    /// 3.4 and 5, deprecated: `_matrix._tcp`.
    DeprecatedSrv(String),
    Found(Destination),
}

impl Discovery {
    /// Starts to look for `server`.
    pub fn new(server: &ServerName) -> Self {
        // 1: an IP literal; 2: an explicit port.
        Self(direct(server).map_or_else(|| State::WellKnown(server.host().to_owned()), State::Found))
    }

    /// What to look up next.
    pub fn next(&self) -> Next {
        match &self.0 {
            State::WellKnown(host) => Next::WellKnown(host.clone()),
            State::Srv(host) => Next::Srv(format!("_matrix-fed._tcp.{host}")),
            State::DeprecatedSrv(host) => Next::Srv(format!("_matrix._tcp.{host}")),
            State::Found(destination) => Next::Found(destination.clone()),
        }
    }

    /// The well-known file names `delegate`; `None` if there is none that is valid.
    pub fn handle_well_known(&mut self, delegate: Option<&ServerName>) {
        let State::WellKnown(host) = &self.0 else { return };
        self.0 = match delegate {
            // 3.1: an IP literal; 3.2: an explicit port; 3.3: a name alone.
            Some(delegate) => direct(delegate).map_or_else(|| State::Srv(delegate.host().to_owned()), State::Found),
            // 4: go on with the host itself.
            None => State::Srv(host.clone()),
        };
    }

    /// The SRV records that were asked for; empty if there are none.
    pub fn handle_srv(&mut self, targets: SrvTargets) {
        let (host, next) = match &self.0 {
            State::Srv(host) => (host.clone(), State::DeprecatedSrv(host.clone())),
            // 3.5 and 6: the host's own address.
            State::DeprecatedSrv(host) => (host.clone(), State::Found(named(host, vec![(host.clone(), DEFAULT_PORT)]))),
            State::WellKnown(_) | State::Found(_) => return,
        };
        self.0 = if targets.is_empty() { next } else { State::Found(named(&host, targets)) };
    }
}

/// The destination of a name that needs no look-up but that of its address.
fn direct(server: &ServerName) -> Option<Destination> {
    let host = server.host().trim_start_matches('[').trim_end_matches(']');
    if host.parse::<IpAddr>().is_err() && server.port().is_none() {
        return None;
    }
    Some(Destination {
        candidates: vec![(host.to_owned(), server.port().unwrap_or(DEFAULT_PORT))],
        authority: server.to_string(),
        certificate_name: host.to_owned(),
    })
}

fn named(host: &str, candidates: Vec<(String, u16)>) -> Destination {
    Destination { candidates, authority: host.to_owned(), certificate_name: host.to_owned() }
}
