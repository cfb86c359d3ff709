//! How many connections each client address has: so that one address cannot take them all.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};

use crate::config::Cidr;

/// Open connections by client address, and how many each may have.
#[derive(Debug)]
pub struct Addresses {
    /// Zero: as many as they like.
    most: usize,
    /// Proxies carry many clients, and are not counted.
    proxies: Vec<Cidr>,
    open: HashMap<IpAddr, usize>,
}

impl Addresses {
    /// At most so many for each (0: any number), save for these proxies.
    #[must_use]
    pub fn new(most: usize, proxies: &[Cidr]) -> Self {
        Addresses { most, proxies: proxies.to_vec(), open: HashMap::new() }
    }

    /// Counts one more, if the address may have it.
    pub fn enter(&mut self, address: IpAddr) -> bool {
        if !self.counts(address) {
            return true;
        }
        let open = self.open.entry(holder(address)).or_default();
        let may = *open < self.most;
        *open += usize::from(may);
        may
    }

    /// Counts one more that was let in elsewhere.
    pub fn arrive(&mut self, address: IpAddr) {
        if self.counts(address) {
            *self.open.entry(holder(address)).or_default() += 1;
        }
    }

    /// Counts one less.
    pub fn leave(&mut self, address: IpAddr) {
        let holder = holder(address);
        let Some(open) = self.open.get_mut(&holder) else { return };
        *open -= 1;
        if *open == 0 {
            self.open.remove(&holder);
        }
    }

    fn counts(&self, address: IpAddr) -> bool {
        self.most > 0 && !self.proxies.iter().any(|block| block.contains(address))
    }
}

/// One of the connections that an address may have, until it is dropped; for those that several threads count.
#[derive(Debug)]
pub struct Seat(Arc<Mutex<Addresses>>, IpAddr);

impl Seat {
    /// A further one, if the address may have it.
    pub fn take(addresses: &Arc<Mutex<Addresses>>, address: IpAddr) -> Option<Self> {
        let may = addresses.lock().expect("no panic under this lock").enter(address);
        may.then(|| Seat(addresses.clone(), address))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.lock().expect("no panic under this lock").leave(self.1);
    }
}

/// Who holds an address: of IPv6, whoever has the network of 64 bits, which is the least that anybody is given.
fn holder(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn one_address_cannot_take_what_is_anothers() {
        let mut addresses = Addresses::new(2, &["10.0.0.0/8".parse().expect("a block")]);
        assert!(addresses.enter(ip("192.0.2.1")) && addresses.enter(ip("::ffff:192.0.2.1")));
        assert!(!addresses.enter(ip("192.0.2.1")));
        assert!(addresses.enter(ip("192.0.2.2")));
        addresses.leave(ip("192.0.2.1"));
        assert!(addresses.enter(ip("192.0.2.1")));
        assert!((0..100).all(|_| addresses.enter(ip("10.1.2.3"))), "a proxy has many clients");
    }

    #[test]
    fn a_network_of_64_bits_is_one_holder() {
        let mut addresses = Addresses::new(1, &[]);
        assert!(addresses.enter(ip("2001:db8::1")));
        assert!(!addresses.enter(ip("2001:db8::ffff:0:0:2")));
        assert!(addresses.enter(ip("2001:db8:0:1::1")));
    }

    proptest! {
        #[test]
        fn it_counts_as_a_plain_list_does(most in 0_usize..4, steps in proptest::collection::vec((0_u8..3, 0_u8..3), 0..60)) {
            let mut addresses = Addresses::new(most, &[]);
            let mut list: Vec<u8> = Vec::new();
            for (what, who) in steps {
                let address = IpAddr::from([192, 0, 2, who]);
                let has = memchr::memchr_iter(who, &list).count();
                match what {
                    0 => {
                        let may = most == 0 || has < most;
                        prop_assert_eq!(addresses.enter(address), may);
                        if may { list.push(who) }
                    }
                    1 => {
                        addresses.arrive(address);
                        list.push(who);
                    }
                    _ => if let Some(at) = list.iter().position(|other| *other == who) {
                        addresses.leave(address);
                        list.remove(at);
                    },
                }
            }
            list.sort_unstable();
            list.dedup();
            prop_assert_eq!(addresses.open.len(), if most == 0 { 0 } else { list.len() });
        }
    }
}
