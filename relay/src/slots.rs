//! Slots for capsules that are passed on to a gateway while they are still coming in: few in all, and fewer for one address,
//! so that nobody alone can take them all by sending slowly.

use std::net::IpAddr;
use std::sync::Arc;

use service::addresses::{AddressCounts, Counted};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Slots of one route. As much memory as there are slots.
pub(crate) struct Slots {
    free: Arc<Semaphore>,
    of_one: usize,
    addresses: AddressCounts,
}

/// One of them, given back when it is dropped.
pub(crate) struct Slot {
    _permit: OwnedSemaphorePermit,
    _counted: Counted,
}

impl Slots {
    /// So many in all, and so many of them for one address.
    pub(crate) fn new(in_all: usize, of_one: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(in_all)), of_one, addresses: AddressCounts::default() }
    }

    /// One for this address (of IPv6 its /64), if there is one.
    pub(crate) fn take(&self, address: IpAddr) -> Option<Slot> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        let counted = self.addresses.enter(address, self.of_one)?;
        Some(Slot { _permit: permit, _counted: counted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u8) -> IpAddr {
        [192, 0, 2, number].into()
    }

    #[test]
    fn one_address_leaves_slots_for_others() {
        let slots = Slots::new(5, 2);
        let first: Vec<_> = (0..4).map_while(|_| slots.take(address(1))).collect();
        assert_eq!(first.len(), 2);
        let others: Vec<_> = (2..=9).filter_map(|number| slots.take(address(number))).collect();
        assert_eq!(others.len(), 3);
        drop(first);
        assert!(slots.take(address(1)).is_some());
    }

    #[test]
    fn what_is_given_back_is_forgotten() {
        let slots = Slots::new(5, 2);
        let held: Vec<_> = (0..5).filter_map(|number| slots.take(address(number / 2))).collect();
        assert_eq!(held.len(), 5);
        drop(held);
        assert!(slots.addresses.is_empty());
        assert_eq!(slots.free.available_permits(), 5);
    }
}
