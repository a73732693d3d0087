//! How many of the connections one address may have: whoever opens many and says little must not keep
//! everybody else out.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

use ipnet::IpNet;

/// Connections by address; an IPv6 network of 64 bits counts as one.
pub struct Shares {
    most: usize,
    exempt: Vec<IpNet>,
    /// Who has a share at all; everybody where nobody is named.
    only: Option<Box<dyn Fn(IpAddr) -> bool + Send + Sync>>,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One connection of an address, until it is dropped.
pub(super) struct Share {
    address: IpAddr,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Shares {
    /// At most `most` connections for each address but those of `exempt`, such as a proxy's.
    #[must_use]
    pub fn new(most: usize, exempt: Vec<IpNet>) -> Self {
        Self { most, exempt, only: None, open: Arc::default() }
    }

    /// None at all for an address that `only` does not accept.
    #[must_use]
    pub fn only_for(mut self, only: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        self.only = Some(Box::new(only));
        self
    }

    /// Counts a connection; `Some(None)` is one that is not counted, `None` one too many.
    #[expect(clippy::option_option, reason = "not counted and refused are two things")]
    pub(super) fn take(&self, address: IpAddr) -> Option<Option<Share>> {
        let address = address.to_canonical();
        if self.only.as_ref().is_some_and(|accepts| !accepts(address)) {
            tracing::debug!(%address, "a connection is refused: this listens for others");
            return None;
        }
        if self.exempt.iter().any(|net| net.contains(&address)) {
            return Some(None);
        }
        let address = network(address);
        // A count is whole whatever panics beside it.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_insert(0);
        if *count >= self.most {
            tracing::debug!(%address, "a connection is refused: the address has its share");
            return None;
        }
        *count += 1;
        Some(Some(Share { address, open: Arc::clone(&self.open) }))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

/// What counts as one address.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_have_no_share() {
        let tor: IpAddr = "192.0.2.1".parse().unwrap();
        let shares = Shares::new(9, vec!["10.0.0.0/8".parse().unwrap()]);
        let shares = shares.only_for(move |address| address == tor);
        let takes = |address: &str| shares.take(address.parse().unwrap()).is_some();
        assert!(takes("192.0.2.1") && takes("::ffff:192.0.2.1"));
        assert!(!takes("192.0.2.2") && !takes("10.1.1.1"), "a proxy is none of them either");
    }

    #[test]
    fn nobody_has_more_than_a_share() {
        let shares = Shares::new(2, vec!["10.0.0.0/8".parse().unwrap()]);
        let take = |address: &str| shares.take(address.parse().unwrap());
        let (first, second) = (take("192.0.2.1"), take("::ffff:192.0.2.1"));
        assert!(first.is_some() && second.is_some());
        assert!(take("192.0.2.1").is_none(), "the same address in another spelling");
        assert!(take("192.0.2.2").is_some());
        let of_network = [take("2001:db8::1"), take("2001:db8::2")];
        assert!(of_network.iter().all(Option::is_some));
        assert!(take("2001:db8:0:0:ffff::").is_none() && take("2001:db8:0:1::").is_some());
        let proxies: Vec<_> = (0..10).map(|_| take("10.1.2.3")).collect();
        assert!(proxies.iter().all(|share| matches!(share, Some(None))));
        drop(first);
        assert!(take("192.0.2.1").is_some());
        drop((second, of_network));
        assert!(shares.open.lock().unwrap().is_empty(), "who is gone is forgotten");
    }
}
