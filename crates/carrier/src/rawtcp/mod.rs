//! TCP segments below the kernel's TCP, in batches (Linux, packet(7)).

#[cfg(target_os = "linux")]
mod alarm;
#[cfg(target_os = "linux")]
mod carrier;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod filter;
#[cfg(target_os = "linux")]
pub mod firewall;
#[cfg(target_os = "linux")]
mod frame;
#[cfg(target_os = "linux")]
mod hold;
pub mod network;
#[cfg(all(test, target_os = "linux"))]
mod packets;
#[cfg(target_os = "linux")]
mod socket;
#[cfg(target_os = "linux")]
mod surroundings;
#[cfg(target_os = "linux")]
mod ways;
#[cfg(target_os = "linux")]
mod wire;

use crate::batch::SendOptions;
#[cfg(target_os = "linux")]
pub use carrier::RawTcpCarrier;
#[cfg(not(target_os = "linux"))]
pub use elsewhere::RawTcpCarrier;
use ginnel_proto::rawtcp;
use std::net::IpAddr;

/// How a peer is reached: through which interface, and to which hardware address there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hop {
    /// The interface's number.
    pub interface: u32,
    /// Ours and the next hop's hardware address; none where frames have no such header. All zero on the loopback.
    pub hardware: Option<([u8; 6], [u8; 6])>,
}

/// What a segment says, until its judgement.
pub type Mark = rawtcp::Mark<Hop>;

/// What a person has decided about the way. A server takes only what comes by the interface, and answers to the gateway.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Overrides {
    /// Use this interface, be it a VPN's.
    pub interface: Option<String>,
    /// Send from this address. A server sends from the address that was asked.
    pub source: Option<IpAddr>,
    /// Send to this hardware address.
    pub gateway: Option<[u8; 6]>,
}

/// What a raw TCP carrier is made of.
pub struct Config {
    /// How it sends.
    pub send: SendOptions,
    /// How its flows behave.
    pub flows: rawtcp::Settings,
    /// What a person has decided.
    pub overrides: Overrides,
    /// 32 bytes of the system's generator.
    pub seed: [u8; 32],
}

/// Why there is no such carrier.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A right is missing.
    #[error("raw TCP needs the right to open packet sockets (CAP_NET_RAW)")]
    Rights,
    /// A port cannot be held.
    #[error("port {port}: {source}")]
    Port {
        /// Which.
        port: u16,
        /// What the system says.
        source: std::io::Error,
    },
    /// Only Linux has what it takes.
    #[error("raw TCP needs Linux")]
    System,
    /// Anything else that the system says.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Why there is no way to a server, for now.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The system knows none.
    #[error("no route: {0}")]
    Way(std::io::Error),
    /// It leads through a VPN or another tunnel, which packets of ours would leave in a way that its owner did not
    /// mean: the local firewall does not see them.
    #[error("the route leads through the tunnel {0}, which raw TCP uses only if it is named as its interface")]
    Tunnel(String),
    /// The interface's frames are of a kind that we cannot write.
    #[error("the interface {0} is of a kind that raw TCP cannot use")]
    Link(String),
    /// Nobody says who has the next hop's address.
    #[error("the next hop does not answer: its hardware address is not known")]
    Neighbour,
    /// No port can be held.
    #[error("no port to send from: {0}")]
    Port(std::io::Error),
}
