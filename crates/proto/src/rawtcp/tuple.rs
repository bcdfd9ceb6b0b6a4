//! What a flow is found by.

use std::net::{IpAddr, SocketAddr};

/// An address and a port. IPv4 is written as mapped into IPv6 (RFC 4291, 2.5.5.2): both spellings are one end.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct End {
    address: u128,
    port: u16,
}

impl From<SocketAddr> for End {
    fn from(address: SocketAddr) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        Self { address: u128::from(ip), port: address.port() }
    }
}

/// Both ends of a flow.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Tuple {
    pub(super) local: End,
    pub(super) remote: End,
}

impl Tuple {
    pub(super) fn new(local: SocketAddr, remote: SocketAddr) -> Self {
        Self { local: local.into(), remote: remote.into() }
    }

    /// For hashing.
    pub(super) fn bytes(&self) -> [u8; 36] {
        let mut bytes = [0; 36];
        for (place, end) in [(0, self.local), (18, self.remote)] {
            bytes[place..place + 16].copy_from_slice(&end.address.to_be_bytes());
            bytes[place + 16..place + 18].copy_from_slice(&end.port.to_be_bytes());
        }
        bytes
    }
}
