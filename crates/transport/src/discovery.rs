//! Finds out where a server is, step by step. Touches nothing: [`Discovery::next`] says what to look up, the caller hands in
//! what came of it. S2S API, "Resolving server names"; the numbers in comments are those of its list.

use std::net::IpAddr;

use events::{ServerName, Value};

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

/// Reads the body of `/.well-known/matrix/server`.
///
/// # Errors
///
/// Why it delegates to nobody.
pub fn delegate_in(body: &[u8]) -> Result<ServerName, String> {
    let body: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let delegate = body.get("m.server").and_then(Value::as_str).ok_or("it has no `m.server`")?;
    ServerName::parse(delegate).map_err(|error| error.to_string())
}

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

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a discovery. `delegate` is what the well-known file says, the others what the SRV records do. Returns each look-up in
    /// order, and then addresses, `Host` and certificate name.
    fn discover(server: &str, delegate: Option<&str>, fed: &[(&str, u16)], old: &[(&str, u16)]) -> String {
        let targets = |records: &[(&str, u16)]| records.iter().map(|(host, port)| (host.to_string(), *port)).collect();
        let mut discovery = Discovery::new(&ServerName::parse(server).unwrap());
        let mut steps = Vec::new();
        loop {
            match discovery.next() {
                Next::WellKnown(host) => {
                    steps.push(format!("well-known {host}"));
                    discovery.handle_well_known(delegate.map(|name| ServerName::parse(name).unwrap()).as_ref());
                }
                Next::Srv(name) => {
                    let answer = if name.starts_with("_matrix-fed.") { fed } else { old };
                    steps.push(name);
                    discovery.handle_srv(targets(answer));
                }
                Next::Found(Destination { candidates, authority, certificate_name }) => {
                    let places: Vec<_> = candidates.iter().map(|(host, port)| format!("{host} {port}")).collect();
                    steps.push(format!("{} | {authority} | {certificate_name}", places.join(", ")));
                    return steps.join("; ");
                }
            }
        }
    }

    /// S2S API, "Resolving server names": every branch, by the numbers of its list.
    #[test]
    fn every_branch_of_the_specification() {
        const NONE: &[(&str, u16)] = &[];
        const TWO: &[(&str, u16)] = &[("h.test", 1000), ("i.test", 1001)];
        for (branch, server, delegate, fed, old, expected) in [
            ("1", "1.2.3.4", None, NONE, NONE, "1.2.3.4 8448 | 1.2.3.4 | 1.2.3.4"),
            ("1, port", "1.2.3.4:5", None, NONE, NONE, "1.2.3.4 5 | 1.2.3.4:5 | 1.2.3.4"),
            ("1, IPv6", "[2001::1]", None, NONE, NONE, "2001::1 8448 | [2001::1] | 2001::1"),
            ("1, IPv6, port", "[2001::1]:5", None, NONE, NONE, "2001::1 5 | [2001::1]:5 | 2001::1"),
            ("2", "a.test:5", Some("d.test"), TWO, TWO, "a.test 5 | a.test:5 | a.test"),
            ("3.1", "a.test", Some("1.2.3.4"), TWO, TWO, "well-known a.test; 1.2.3.4 8448 | 1.2.3.4 | 1.2.3.4"),
            ("3.1, port", "a.test", Some("1.2.3.4:5"), TWO, TWO, "well-known a.test; 1.2.3.4 5 | 1.2.3.4:5 | 1.2.3.4"),
            (
                "3.1, IPv6",
                "a.test",
                Some("[2001::1]:5"),
                TWO,
                TWO,
                "well-known a.test; 2001::1 5 | [2001::1]:5 | 2001::1",
            ),
            ("3.2", "a.test", Some("d.test:5"), TWO, TWO, "well-known a.test; d.test 5 | d.test:5 | d.test"),
            (
                "3.3",
                "a.test",
                Some("d.test"),
                TWO,
                &[("old.test", 1)],
                "well-known a.test; _matrix-fed._tcp.d.test; h.test 1000, i.test 1001 | d.test | d.test",
            ),
            (
                "3.4",
                "a.test",
                Some("d.test"),
                NONE,
                TWO,
                "well-known a.test; _matrix-fed._tcp.d.test; _matrix._tcp.d.test; h.test 1000, i.test 1001 | d.test | d.test",
            ),
            (
                "3.5",
                "a.test",
                Some("d.test"),
                NONE,
                NONE,
                "well-known a.test; _matrix-fed._tcp.d.test; _matrix._tcp.d.test; d.test 8448 | d.test | d.test",
            ),
            (
                "4",
                "a.test",
                None,
                TWO,
                &[("old.test", 1)],
                "well-known a.test; _matrix-fed._tcp.a.test; h.test 1000, i.test 1001 | a.test | a.test",
            ),
            (
                "5",
                "a.test",
                None,
                NONE,
                TWO,
                "well-known a.test; _matrix-fed._tcp.a.test; _matrix._tcp.a.test; h.test 1000, i.test 1001 | a.test | a.test",
            ),
            (
                "6",
                "a.test",
                None,
                NONE,
                NONE,
                "well-known a.test; _matrix-fed._tcp.a.test; _matrix._tcp.a.test; a.test 8448 | a.test | a.test",
            ),
        ] {
            assert_eq!(discover(server, delegate, fed, old), expected, "branch {branch}");
        }
    }

    #[test]
    fn answers_that_nobody_asked_for_change_nothing() {
        let mut discovery = Discovery::new(&ServerName::parse("a.test").unwrap());
        discovery.handle_srv(vec![("h.test".to_owned(), 1)]);
        assert_eq!(discovery.next(), Next::WellKnown("a.test".to_owned()));
        discovery.handle_well_known(None);
        discovery.handle_well_known(Some(&ServerName::parse("d.test").unwrap()));
        assert_eq!(discovery.next(), Next::Srv("_matrix-fed._tcp.a.test".to_owned()));
    }
}
