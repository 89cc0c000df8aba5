//! Counts connections, so that nobody takes them all.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::address::limited;

/// Connections from one public address, or from one /64 of IPv6, which is what one customer has.
const CONNECTIONS_PER_ADDRESS_MAX: usize = 512;
/// Connections in all.
const CONNECTIONS_MAX: usize = 20_000;

const _: () = assert!(CONNECTIONS_PER_ADDRESS_MAX < CONNECTIONS_MAX);

/// The connections of one listener. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Connections(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    all: usize,
    by_address: BTreeMap<IpAddr, usize>,
}

/// A connection that was counted, until it is dropped.
pub(super) struct Counted {
    connections: Connections,
    /// `None` for an address that has no limit of its own.
    address: Option<IpAddr>,
}

impl Connections {
    /// Counts one more, unless there are too many.
    pub(super) fn enter(&self, address: IpAddr) -> Option<Counted> {
        let address = limited(address);
        let mut counts = self.lock();
        let of_address = address.and_then(|address| counts.by_address.get(&address)).copied().unwrap_or(0);
        if counts.all >= CONNECTIONS_MAX || of_address >= CONNECTIONS_PER_ADDRESS_MAX {
            return None;
        }
        counts.all += 1;
        if let Some(address) = address {
            counts.by_address.insert(address, of_address + 1);
        }
        Some(Counted { connections: self.clone(), address })
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.connections.lock();
        counts.all -= 1;
        let Some(address) = self.address else { return };
        if let Some(count) = counts.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.by_address.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(connections: &Connections, address: &str, count: usize) -> Vec<Counted> {
        (0..count).map_while(|_| connections.enter(address.parse().unwrap())).collect()
    }

    #[test]
    fn an_address_has_its_share_and_gets_it_back() {
        let connections = Connections::default();
        let held = fill(&connections, "1.1.1.1", 1000);
        assert_eq!(held.len(), CONNECTIONS_PER_ADDRESS_MAX);
        assert!(connections.enter("::ffff:1.1.1.1".parse().unwrap()).is_none());
        assert!(connections.enter("1.1.1.2".parse().unwrap()).is_some());
        drop(held);
        assert!(connections.enter("1.1.1.1".parse().unwrap()).is_some());
        assert!(connections.lock().by_address.is_empty(), "nothing is kept of those who left");
    }

    #[test]
    fn a_network_of_ipv6_is_one_customer() {
        let connections = Connections::default();
        let mut held = fill(&connections, "2606:4700::1", 300);
        held.extend(fill(&connections, "2606:4700::ffff:2", 300));
        assert_eq!(held.len(), CONNECTIONS_PER_ADDRESS_MAX);
        assert!(connections.enter("2606:4700:0:1::1".parse().unwrap()).is_some());
    }

    #[test]
    fn a_reverse_proxy_has_all_there_is_and_no_more() {
        let connections = Connections::default();
        assert_eq!(fill(&connections, "127.0.0.1", 2 * CONNECTIONS_MAX).len(), CONNECTIONS_MAX);
    }
}
