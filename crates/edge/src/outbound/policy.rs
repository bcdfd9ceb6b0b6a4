//! Which addresses a server dials for others.
//!
//! A server stands inside networks that its users do not: its own loopback, its provider's metadata
//! service, the machines behind it. Unless its owner says otherwise, it dials public addresses only.
//!
//! IPv4 is public unless a range of the table below says that it is not. IPv6 is the other way
//! round: public addresses come from `2000::/3` (RFC 4291 §2.4), less the table's exceptions. An
//! IPv6 address that carries an IPv4 address for a gateway to unpack is held to the same rules for
//! what it carries.
//!
//! **The server's own public addresses** are public addresses, and are permitted: people run a web
//! site and a tunnel on one machine, and want to see the one through the other. But such a
//! connection reaches the machine from within, past a firewall that only looks at what comes from
//! outside. An owner who has services that listen on all addresses and rely on such a firewall names
//! the machine's addresses in [`AddressPolicy::refusing`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The rule. A value of its own, cheap to check: a few comparisons per address.
#[derive(Clone, Debug, Default)]
pub struct AddressPolicy {
    allow_private: bool,
    refused: Vec<IpAddr>,
}

impl AddressPolicy {
    /// Public addresses only; with `allow_private`, every address that means one host.
    ///
    /// Refused even then: multicast, broadcast, and the unspecified addresses `0.0.0.0` and `::`.
    /// The kernel takes the latter for loopback, but they are nobody's address (RFC 1122 §3.2.1.3)
    /// and would only be a second name for `127.0.0.1` that a list of refused addresses misses.
    pub fn new(allow_private: bool) -> Self {
        Self { allow_private, refused: Vec::new() }
    }

    /// Refuses these addresses too, whatever else holds.
    #[must_use]
    pub fn refusing(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let addresses = addresses.into_iter();
        self.refused.extend(addresses.map(|address| address.to_canonical()));
        self
    }

    /// Whether `address` may be dialled.
    pub fn permits(&self, address: IpAddr) -> bool {
        self.refusal(address).is_none()
    }

    /// Why `address` may not be dialled: what kind of address it is, for a log. `None` if it may.
    pub fn refusal(&self, address: IpAddr) -> Option<&'static str> {
        let address = address.to_canonical();
        if self.refused.contains(&address) {
            return Some("refused by the server's owner");
        }
        match address {
            IpAddr::V4(address) => self.refusal_v4(address),
            IpAddr::V6(address) => self.refusal_v6(address),
        }
    }

    fn refusal_v4(&self, address: Ipv4Addr) -> Option<&'static str> {
        let matches = |range: &&RangeV4| range.has(address);
        let never = NEVER_V4.iter().find(matches);
        let private = PRIVATE_V4.iter().filter(|_| !self.allow_private);
        never.or(private.into_iter().find(matches)).map(|range| range.what)
    }

    fn refusal_v6(&self, address: Ipv6Addr) -> Option<&'static str> {
        let never = NEVER_V6.iter().find(|range| range.has(address));
        if let Some(range) = never {
            return Some(range.what);
        }
        if let Some(carried) = carried(address) {
            // Also with `allow_private`: a carried 0.0.0.0 stays what it is.
            return carried.into_iter().find_map(|v4| self.refusal(IpAddr::V4(v4)));
        }
        if self.allow_private {
            return None;
        }
        if let Some(range) = PRIVATE_V6.iter().find(|range| range.has(address)) {
            return Some(range.what);
        }
        (!GLOBAL_V6.has(address)).then_some("not a public IPv6 address")
    }
}

/// The two IPv4 addresses that a gateway would unpack from `address`, or the one twice; `None` if
/// it carries none.
fn carried(address: Ipv6Addr) -> Option<[Ipv4Addr; 2]> {
    let bits = address.to_bits();
    // The four octets that end with this one, counted from 1.
    let up_to = |octet: u32| Ipv4Addr::from_bits((bits >> (128 - 8 * octet)) as u32);
    if NAT64.has(address) {
        Some([up_to(16); 2])
    } else if SIX_TO_FOUR.has(address) {
        Some([up_to(6); 2])
    } else if TEREDO.has(address) {
        // The Teredo server, and the client with its bits inverted (RFC 4380 §4).
        Some([up_to(8), Ipv4Addr::from_bits(!up_to(16).to_bits())])
    } else {
        None
    }
}

struct RangeV4 {
    base: Ipv4Addr,
    prefix: u32,
    what: &'static str,
}

impl RangeV4 {
    const fn new(octets: [u8; 4], prefix: u32, what: &'static str) -> Self {
        let base = Ipv4Addr::from_bits(u32::from_be_bytes(octets));
        Self { base, prefix, what }
    }

    fn has(&self, address: Ipv4Addr) -> bool {
        let differs = self.base.to_bits() ^ address.to_bits();
        differs.checked_shr(u32::BITS - self.prefix).unwrap_or(0) == 0
    }
}

struct RangeV6 {
    base: Ipv6Addr,
    prefix: u32,
    what: &'static str,
}

impl RangeV6 {
    const fn new(segments: [u16; 8], prefix: u32, what: &'static str) -> Self {
        let [a, b, c, d, e, f, g, h] = segments;
        let base = Ipv6Addr::new(a, b, c, d, e, f, g, h);
        Self { base, prefix, what }
    }

    fn has(&self, address: Ipv6Addr) -> bool {
        let differs = self.base.to_bits() ^ address.to_bits();
        differs.checked_shr(u128::BITS - self.prefix).unwrap_or(0) == 0
    }
}

/// What no setting permits.
const NEVER_V4: &[RangeV4] = &[
    RangeV4::new([0, 0, 0, 0], 32, "unspecified"),
    RangeV4::new([224, 0, 0, 0], 4, "multicast"),
    RangeV4::new([255, 255, 255, 255], 32, "broadcast"),
];

/// What is not public, from the IANA registry of special-purpose addresses (RFC 6890).
const PRIVATE_V4: &[RangeV4] = &[
    RangeV4::new([0, 0, 0, 0], 8, "this network"),
    RangeV4::new([10, 0, 0, 0], 8, "private"),
    RangeV4::new([100, 64, 0, 0], 10, "shared by a carrier's customers"),
    RangeV4::new([127, 0, 0, 0], 8, "loopback"),
    // A cloud's inner service at an otherwise public address (Azure: DNS, keys, health).
    RangeV4::new([168, 63, 129, 16], 32, "metadata service"),
    RangeV4::new([169, 254, 0, 0], 16, "link-local"),
    RangeV4::new([172, 16, 0, 0], 12, "private"),
    RangeV4::new([192, 0, 0, 0], 24, "protocol assignments"),
    RangeV4::new([192, 0, 2, 0], 24, "documentation"),
    // Whichever 6to4 relay is nearest, if any: a router, not a host (RFC 7526).
    RangeV4::new([192, 88, 99, 0], 24, "6to4 relay"),
    RangeV4::new([192, 168, 0, 0], 16, "private"),
    RangeV4::new([198, 18, 0, 0], 15, "benchmarking"),
    RangeV4::new([198, 51, 100, 0], 24, "documentation"),
    RangeV4::new([203, 0, 113, 0], 24, "documentation"),
    RangeV4::new([240, 0, 0, 0], 4, "reserved"),
];

const NEVER_V6: &[RangeV6] =
    &[RangeV6::new([0; 8], 128, "unspecified"), RangeV6::new([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, "multicast")];

/// Where public IPv6 addresses come from.
const GLOBAL_V6: RangeV6 = RangeV6::new([0x2000, 0, 0, 0, 0, 0, 0, 0], 3, "global unicast");

/// What is not public in [`GLOBAL_V6`], and names for the best-known ranges outside of it.
const PRIVATE_V6: &[RangeV6] = &[
    RangeV6::new([0, 0, 0, 0, 0, 0, 0, 1], 128, "loopback"),
    // Deprecated (RFC 4291 §2.5.5.1): no public host has one.
    RangeV6::new([0; 8], 96, "IPv4-compatible"),
    // Where the IPv4 address lies in it is each network's own affair (RFC 8215).
    RangeV6::new([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, "local NAT64"),
    RangeV6::new([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, "protocol assignments"),
    RangeV6::new([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, "documentation"),
    RangeV6::new([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, "documentation"),
    RangeV6::new([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, "private"),
    RangeV6::new([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, "link-local"),
];

/// The well-known prefix of NAT64 (RFC 6052 §2.1).
const NAT64: RangeV6 = RangeV6::new([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96, "NAT64");
const SIX_TO_FOUR: RangeV6 = RangeV6::new([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, "6to4");
const TEREDO: RangeV6 = RangeV6::new([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, "Teredo");

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
