//! TCP segments below the kernel's TCP, in batches (Linux, packet(7)).

#[cfg(target_os = "linux")]
pub mod firewall;
pub mod network;

use crate::batch::{Received, SendOptions, Sent};
use ginnel_proto::rawtcp;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};

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

/// What a person has decided about the way.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Overrides {
    /// Use this interface, be it a VPN's.
    pub interface: Option<String>,
    /// Send from this address.
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

/// Moves batches as TCP segments.
pub struct RawTcpCarrier {}

impl RawTcpCarrier {
    /// Listens on ports of an address (unspecified: all of its family; the IPv6 one takes IPv4 as well). Port 0, alone:
    /// the system chooses. `key`: 32 bytes that answers to strangers follow from, the same after a restart.
    pub fn listen(
        _address: IpAddr,
        _ports: impl IntoIterator<Item = u16>,
        _key: &[u8; 32],
        _config: Config,
    ) -> Result<Self, Error> {
        unimplemented!()
    }

    /// Dials; holds ports only as long as it uses them.
    pub fn dialler(_config: Config) -> Result<Self, Error> {
        unimplemented!()
    }

    /// The address that it listens on, with the lowest of its ports; of one that dials unspecified.
    pub fn local_address(&self) -> SocketAddr {
        unimplemented!()
    }

    /// All ports that it listens on, ascending.
    pub fn ports(&self) -> Vec<u16> {
        unimplemented!()
    }

    /// Sends in another way from now on.
    pub fn set_options(&mut self, _send: SendOptions, _flows: rawtcp::Settings) {
        unimplemented!()
    }

    /// Receives what is there, one system call's worth, into `out`; does what is due, too. Pending: nothing is there.
    pub fn poll_receive(&mut self, _cx: &mut Context<'_>, _out: &mut Vec<Received>) -> Poll<std::io::Result<()>> {
        unimplemented!()
    }

    /// What became of what was received: any of its datagrams was ours, or none. Every mark is to be judged.
    pub fn judged(&mut self, _mark: &Mark, _ours: bool) {
        unimplemented!()
    }

    /// Sends datagrams of `segment` bytes (the last may be shorter), at most `BATCH_PACKETS` of them. `local`: on a
    /// server, the address and port that the peer uses.
    pub fn try_send(&mut self, _remote: SocketAddr, _local: Option<SocketAddr>, _data: &[u8], _segment: usize) -> Sent {
        unimplemented!()
    }

    /// Ready when the socket takes more. One caller at a time: only one waker is kept.
    pub fn poll_writable(&self, _cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        unimplemented!()
    }

    /// Ends all flows, as far as the socket takes it now.
    pub fn close(&mut self) {
        unimplemented!()
    }

    /// How many flows there are, and what was counted.
    pub fn counts(&self) -> (usize, rawtcp::Counts) {
        unimplemented!()
    }
}
