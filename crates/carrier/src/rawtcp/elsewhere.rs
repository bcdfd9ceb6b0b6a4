//! Systems without packet sockets of Linux's kind: there is no such carrier.

use super::{Config, Error, Mark, Trouble};
use crate::batch::{Received, SendOptions, Sent};
use ginnel_proto::rawtcp::{Counts, Settings};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};

/// Moves batches as TCP segments. Nobody has one on this system.
pub enum RawTcpCarrier {}

impl RawTcpCarrier {
    /// [`Error::System`].
    pub fn listen(_address: IpAddr, _ports: impl IntoIterator<Item = u16>, _config: Config) -> Result<Self, Error> {
        Err(Error::System)
    }

    /// [`Error::System`].
    pub fn dialler(_config: Config) -> Result<Self, Error> {
        Err(Error::System)
    }

    /// Nobody asks.
    pub fn local_address(&self) -> SocketAddr {
        match *self {}
    }

    /// Nobody asks.
    pub fn ports(&self) -> Vec<u16> {
        match *self {}
    }

    /// Nobody asks.
    pub fn set_options(&mut self, _send: SendOptions, _flows: Settings) {
        match *self {}
    }

    /// Nobody asks.
    pub fn without_offload(self) -> Self {
        self
    }

    /// Nobody asks.
    pub fn poll_receive(&mut self, _cx: &mut Context<'_>, _out: &mut Vec<Received>) -> Poll<io::Result<()>> {
        match *self {}
    }

    /// Nobody asks.
    pub fn judged(&mut self, _mark: &Mark, _ours: bool) {
        match *self {}
    }

    /// Nobody asks.
    pub fn try_send(&mut self, _remote: SocketAddr, _local: Option<SocketAddr>, _data: &[u8], _segment: usize) -> Sent {
        match *self {}
    }

    /// Nobody asks.
    pub fn poll_writable(&self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match *self {}
    }

    /// Nobody asks.
    pub fn close(&mut self) {
        match *self {}
    }

    /// Nobody asks.
    pub fn counts(&self) -> (usize, Counts) {
        match *self {}
    }

    /// Nobody asks.
    pub fn dropped(&mut self) -> u64 {
        match *self {}
    }

    /// Nobody asks.
    pub fn renewed(&mut self) -> Option<SocketAddr> {
        None
    }

    /// Nobody asks.
    pub fn flush(&mut self) {}

    /// Nobody asks.
    pub fn trouble(&mut self) -> Option<(SocketAddr, Trouble)> {
        match *self {}
    }
}
