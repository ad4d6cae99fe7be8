//! How much each address has at once: connections of a listener, slots of a route.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts by address; IPv6 by /64. Clones count together. As much memory as there is counted.
#[derive(Clone, Default)]
pub struct AddressCounts(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One that is counted, until it is dropped.
pub struct Counted {
    counts: AddressCounts,
    network: IpAddr,
}

impl AddressCounts {
    /// Counts one more for this address, unless it has as many already.
    #[must_use]
    pub fn enter(&self, address: IpAddr, most: usize) -> Option<Counted> {
        let network = network(address);
        let mut counts = self.counts();
        let count = counts.get(&network).copied().unwrap_or_default();
        if count >= most {
            return None;
        }
        counts.insert(network, count + 1);
        Some(Counted { counts: self.clone(), network })
    }

    /// Whether nothing is counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts().is_empty()
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.counts.counts();
        match counts.get_mut(&self.network) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.remove(&self.network)),
        }
    }
}

/// The address that limits go by: all of an IPv4 address, the /64 of an IPv6 one.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_no_more_than_its_share_and_leaves_others_theirs() {
        let counts = AddressCounts::default();
        let held: Vec<_> = (0..4).map_while(|_| counts.enter(address("192.0.2.1"), 2)).collect();
        assert_eq!(held.len(), 2);
        assert!(counts.enter(address("::ffff:192.0.2.1"), 2).is_none());
        assert!(counts.enter(address("192.0.2.2"), 2).is_some());
        drop(held);
        assert!(counts.enter(address("192.0.2.1"), 2).is_some());
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        let counts = AddressCounts::default();
        let held = counts.enter(address("2001:db8::1"), 1);
        assert!(held.is_some());
        assert!(counts.enter(address("2001:db8::2"), 1).is_none());
        assert!(counts.enter(address("2001:db8:0:1::1"), 1).is_some());
    }

    #[test]
    fn what_is_given_back_is_forgotten() {
        let counts = AddressCounts::default();
        let held: Vec<_> = (0..5).filter_map(|last| counts.enter([192, 0, 2, last / 2].into(), 2)).collect();
        assert_eq!(held.len(), 5);
        assert!(!counts.is_empty());
        drop(held);
        assert!(counts.enter(address("192.0.2.1"), 0).is_none());
        assert!(counts.is_empty());
    }
}
