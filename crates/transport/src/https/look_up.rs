//! Names to addresses, by the system's rules, and SRV records, by its name servers.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use handles::{Handles, Timestamp};
use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::RData;

use crate::discovery::SrvTargets;

/// How long one name server may take. A server without SRV records should not wait long for those who have none to give.
const TIMEOUT: Duration = Duration::from_millis(1500);
/// How long all of them may take for one name.
const WHOLE_TIMEOUT: Duration = Duration::from_secs(3);
/// Records of one name that are looked at.
const TARGETS_MAX: usize = 8;
/// How long an answer counts, also that there is none. Short, as the records' own life is not looked at.
const KEEP: Duration = Duration::from_secs(300);
/// Names whose records are remembered.
const NAMES_MAX: usize = 20_000;

/// Looks up names. Cheap to clone.
#[derive(Clone)]
pub(super) struct LookUp {
    addresses: Addresses,
    resolver: Option<TokioResolver>,
    srv: Arc<Mutex<BTreeMap<String, Remembered>>>,
    handles: Handles,
}

#[derive(Clone)]
struct Remembered {
    targets: SrvTargets,
    until: Timestamp,
}

/// Who says which addresses a name has.
#[derive(Clone, Copy)]
enum Addresses {
    /// The system: `/etc/hosts` and all.
    System,
    /// The name server that also has the SRV records.
    #[cfg(test)]
    NameServer,
}

/// An SRV record. RFC 2782.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    priority: u16,
    weight: u16,
    target: String,
    port: u16,
}

impl LookUp {
    /// Reads `/etc/resolv.conf`. Without a usable one there are no SRV records.
    pub(super) fn new(handles: Handles) -> Self {
        let resolver = TokioResolver::builder_tokio().and_then(|mut builder| {
            builder.options_mut().timeout = TIMEOUT;
            builder.options_mut().attempts = 1;
            builder.build()
        });
        if let Err(error) = &resolver {
            tracing::warn!("SRV records are not looked up: the system's name service configuration: {error}");
        }
        Self { addresses: Addresses::System, resolver: resolver.ok(), srv: Arc::default(), handles }
    }

    /// Returns the addresses of a host name or an IP literal.
    pub(super) async fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Ok(literal) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(literal, port)]);
        }
        match self.addresses {
            Addresses::System => Ok(tokio::net::lookup_host((host, port)).await?.collect()),
            #[cfg(test)]
            Addresses::NameServer => {
                let resolver = self.resolver.as_ref().expect("tests have a name server");
                let found = resolver.lookup_ip(format!("{host}.")).await.map_err(io::Error::other)?;
                Ok(found.iter().map(|address| SocketAddr::new(address, port)).collect())
            }
        }
    }

    /// Returns the targets of `name`, in the order to try them; empty if there are none or nobody answers.
    pub(super) async fn srv(&self, name: &str) -> SrvTargets {
        let now = self.handles.clock.now();
        if let Some(known) = self.lock().get(name).filter(|known| known.until > now) {
            return known.targets.clone();
        }
        let targets = order(self.ask_for_srv(name).await, || self.handles.random.number());
        let keep = Timestamp::try_from(KEEP.as_millis()).unwrap_or(Timestamp::MAX);
        let mut remembered = self.lock();
        if remembered.len() >= NAMES_MAX {
            remembered.retain(|_, known| known.until > now);
        }
        if remembered.len() < NAMES_MAX {
            remembered.insert(name.to_owned(), Remembered { targets: targets.clone(), until: now + keep });
        }
        targets
    }

    /// Forgets the records of `host`, as nobody was where they led.
    pub(super) fn forget(&self, host: &str) {
        self.lock().retain(|name, _| !name.ends_with(&format!("._tcp.{host}")));
    }

    async fn ask_for_srv(&self, name: &str) -> Vec<Record> {
        let Some(resolver) = &self.resolver else { return Vec::new() };
        let answer = tokio::select! {
            biased;
            answer = resolver.srv_lookup(format!("{name}.")) => answer,
            () = self.handles.clock.sleep(WHOLE_TIMEOUT) => {
                tracing::debug!("no SRV records of {name}: no name server answered in time");
                return Vec::new();
            }
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                tracing::debug!("no SRV records of {name}: {error}");
                return Vec::new();
            }
        };
        let record = |data: &RData| {
            let RData::SRV(srv) = data else { return None };
            let target = srv.target.to_utf8().trim_end_matches('.').to_owned();
            Some(Record { priority: srv.priority, weight: srv.weight, target, port: srv.port })
        };
        answer.answers().iter().filter_map(|found| record(&found.data)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Remembered>> {
        self.srv.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// By priority; among equals at random, by weight. RFC 2782.
fn order(mut records: Vec<Record>, mut random: impl FnMut() -> u64) -> SrvTargets {
    // A target of "." says that the service is not there.
    records.retain(|record| !record.target.is_empty());
    records.sort_by(|a, b| (a.priority, &a.target, a.port).cmp(&(b.priority, &b.target, b.port)));
    let mut targets = Vec::new();
    while let Some(best) = records.first().map(|record| record.priority) {
        let equals = records.iter().take_while(|record| record.priority == best);
        // One more than the weight, so that a weight of nothing still has a chance.
        let total: u64 = equals.clone().map(|record| u64::from(record.weight) + 1).sum();
        let mut drawn = random() % total;
        let chosen = equals.clone().position(|record| {
            let weight = u64::from(record.weight) + 1;
            let here = drawn < weight;
            drawn = drawn.saturating_sub(weight);
            here
        });
        let record = records.remove(chosen.unwrap_or(0));
        targets.push((record.target, record.port));
    }
    targets.truncate(TARGETS_MAX);
    targets
}

#[cfg(test)]
impl LookUp {
    /// Asks the name server at `address` for everything.
    pub(super) fn at(address: SocketAddr, handles: Handles) -> Self {
        use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
        use hickory_resolver::net::runtime::TokioRuntimeProvider;
        let mut connection = ConnectionConfig::udp();
        connection.port = address.port();
        let server = NameServerConfig::new(address.ip(), true, vec![connection]);
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        builder.options_mut().timeout = TIMEOUT;
        builder.options_mut().attempts = 1;
        builder.options_mut().cache_size = 0;
        let resolver = builder.build().expect("the configuration is valid");
        Self { addresses: Addresses::NameServer, resolver: Some(resolver), srv: Arc::default(), handles }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(priority: u16, weight: u16, target: &str) -> Record {
        Record { priority, weight, target: target.to_owned(), port: 1 }
    }

    #[test]
    fn lower_priorities_come_first_and_weights_decide_among_equals() {
        let records = vec![record(2, 9, "c"), record(1, 0, "b"), record(1, 99, "a"), record(0, 0, "")];
        let hosts = |drawn: u64| {
            let targets = order(records.clone(), || drawn);
            targets.into_iter().map(|(host, _)| host).collect::<String>()
        };
        assert_eq!(hosts(0), "abc");
        assert_eq!(hosts(99), "abc");
        assert_eq!(hosts(100), "bac");
        assert_eq!((0..101).filter(|drawn| hosts(*drawn) == "bac").count(), 1);
    }

    #[test]
    fn so_many_targets_are_tried_and_no_more() {
        let records = (0..50).map(|n| record(n, 0, "a")).collect();
        assert_eq!(order(records, || 0).len(), TARGETS_MAX);
    }
}
