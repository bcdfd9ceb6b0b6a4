//! What a carrier remembers of this machine's interfaces, and when it looks again.

use super::network::{self, Changes};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::IpAddr;
use std::task::Context;
use std::time::{Duration, Instant};

/// However fast things change, they are looked at no more often.
const LOOK_PAUSE: Duration = Duration::from_millis(200);

/// The MTU of an interface that nobody has seen yet.
const MTU_UNKNOWN: u32 = 1500;

pub(super) struct Surroundings {
    changes: Changes,
    mtus: BTreeMap<u32, u32>,
    names: BTreeMap<u32, String>,
    /// Our addresses, and whose they are.
    addresses: HashMap<IpAddr, u32>,
    looked: Instant,
    /// Something has changed, and will be looked at then.
    look_at: Option<Instant>,
}

impl Surroundings {
    /// Looks, and watches from then on. Must be called inside a tokio runtime.
    pub(super) fn watch(now: Instant) -> io::Result<Self> {
        let changes = Changes::watch()?;
        let mut surroundings = Self {
            changes,
            mtus: BTreeMap::new(),
            names: BTreeMap::new(),
            addresses: HashMap::new(),
            looked: now,
            look_at: None,
        };
        surroundings.look(now)?;
        Ok(surroundings)
    }

    fn look(&mut self, now: Instant) -> io::Result<()> {
        (self.looked, self.look_at) = (now, None);
        let interfaces = network::interfaces()?;
        self.mtus = interfaces.iter().map(|interface| (interface.index, interface.mtu)).collect();
        self.names = interfaces.iter().map(|interface| (interface.index, interface.name.clone())).collect();
        let addresses = |interface: &network::Interface| {
            let index = interface.index;
            interface.addresses.iter().map(move |address| (*address, index)).collect::<Vec<_>>()
        };
        self.addresses = interfaces.iter().flat_map(addresses).collect();
        Ok(())
    }

    /// Takes note of changes. `true`: it has looked again.
    pub(super) fn poll(&mut self, now: Instant, cx: &mut Context<'_>) -> bool {
        while self.changes.poll(cx).is_ready() {
            self.look_at.get_or_insert(self.looked + LOOK_PAUSE);
        }
        if self.look_at.is_none_or(|at| at > now) {
            return false;
        }
        // If it fails, what was known stands until something changes again.
        let _ = self.look(now);
        true
    }

    /// When [`poll`](Self::poll) wants to be called.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.look_at
    }

    /// The largest packet of an interface.
    pub(super) fn mtu(&self, interface: u32) -> u32 {
        self.mtus.get(&interface).copied().unwrap_or(MTU_UNKNOWN)
    }

    /// Whether this is the interface of that name.
    pub(super) fn is_named(&self, interface: u32, name: &str) -> bool {
        self.names.get(&interface).is_some_and(|known| known == name)
    }

    /// The interface that has this address; 0: none.
    pub(super) fn interface_of(&self, address: IpAddr) -> u32 {
        self.addresses.get(&address).copied().unwrap_or_default()
    }

    /// Whether an address is this machine's.
    pub(super) fn is_ours(&self, address: IpAddr) -> bool {
        self.addresses.contains_key(&address) || address.is_loopback()
    }
}
