//! The sessions that an end can have, by their kind: what a hub needs to know of them.

use super::Session;
use super::kcp::{self, KcpSession};
use super::quic::{QuicConfig, QuicSession};
use crate::envelope::hello::SessionKind;
use crate::limits::Limits;
use crate::link::Side;
use rand::CryptoRng;
use std::time::{Duration, Instant};
use thiserror::Error;

/// The peer's session parameters do not parse.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("session parameters that do not parse")]
pub struct BadParams;

/// What a handshake knows of a link that begins.
#[derive(Clone, Copy, Debug)]
pub struct Start<'a> {
    /// Which end this is.
    pub side: Side,
    /// What the peer has said of its session.
    pub params: &'a [u8],
    /// The longest datagram to try on the path, envelope included.
    pub datagram_max: u16,
    /// By how much its first ones may be longer than [`DATAGRAM_MIN`](crate::session::DATAGRAM_MIN).
    pub datagram_more: u16,
    /// The handshake's round trip. On a server it is how long the client's first packet took to come
    /// after the handshake's answer: what is lost of the first flight is sent again soon.
    pub rtt: Duration,
}

/// The sessions of one end.
pub struct Sessions {
    limits: Limits,
    quic: QuicConfig,
    kcp: Vec<u8>,
}

impl Sessions {
    /// Takes windows, controllers and numbers from `limits`.
    pub fn new(limits: &Limits, now: Instant, rng: &mut impl CryptoRng) -> Self {
        let kcp = kcp::params(limits).encode();
        Self { limits: limits.clone(), quic: QuicConfig::new(limits, now, rng), kcp }
    }

    /// What a client's message 1 says of the session that it asks for. A client's QUIC session says
    /// it in its first packet instead.
    pub fn asks(&self, kind: SessionKind) -> &[u8] {
        match kind {
            SessionKind::Quic => &[],
            SessionKind::Kcp => &self.kcp,
        }
    }

    /// What a server's answer says.
    pub fn answers(&self, kind: SessionKind) -> &[u8] {
        match kind {
            SessionKind::Quic => self.quic.params(),
            SessionKind::Kcp => &self.kcp,
        }
    }

    /// Whether a server can have a session with a client that asks for it so.
    pub fn accepts(kind: SessionKind, params: &[u8]) -> bool {
        match kind {
            SessionKind::Quic => true,
            SessionKind::Kcp => kcp::params::Params::decode(params).is_ok(),
        }
    }

    /// The session of a link that begins.
    pub fn begin(
        &self,
        kind: SessionKind,
        start: &Start<'_>,
        now: Instant,
        rng: &mut impl CryptoRng,
    ) -> Result<Box<dyn Session>, BadParams> {
        Ok(match kind {
            SessionKind::Kcp => Box::new(KcpSession::new(start, &self.limits, now, rng).map_err(|_| BadParams)?),
            SessionKind::Quic => Box::new(QuicSession::new(&self.quic, start, now, rng)?),
        })
    }
}
