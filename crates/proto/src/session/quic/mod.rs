//! The QUIC session (RFC 9000), on the library's state machine, driven directly.
//!
//! One link holds one connection. The envelope names links, so QUIC needs no connection ids and
//! sees one constant address; the library's stateless answers are never sent.

mod congestion;
mod incoming;
mod null;
mod reassembly;
mod session;
mod windows;

pub use session::QuicSession;

use super::{DATAGRAM_MIN, Gone, StreamId};
use crate::envelope::hello::PARAMS_MAX;
use crate::limits::Limits;
use crate::session::sessions::Start;
use congestion::Factory;
use quinn_proto as quic;
use quinn_proto::{Endpoint, EndpointConfig, VarInt};
use rand::{CryptoRng, RngExt};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use windows::Bounds;

/// What the session believes its peer's address to be, for ever.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 443);

/// QUIC version 1; the library would also take drafts of it.
const VERSION: u32 = 1;

/// Streams that a peer may open at first, so that a thousand at once need not wait; the session
/// allows more when they are used up.
const STREAMS_AT_FIRST: u32 = 1024;

/// Acknowledge every so many packets: fewer cost less, more would blur the sender's clock.
const ACK_EVERY: u32 = 10;

/// Acknowledge after so long at the latest: the library's `max_ack_delay`, which is QUIC's default.
const ACK_DELAY: Duration = Duration::from_millis(25);

/// How the library is set up for the links of one end; built once.
#[derive(Clone)]
pub struct QuicConfig {
    endpoint: Arc<EndpointConfig>,
    limits: Limits,
    params: Vec<u8>,
}

impl QuicConfig {
    /// Takes windows and the number of streams from `limits`.
    pub fn new(limits: &Limits, now: Instant, rng: &mut impl CryptoRng) -> Self {
        let mut reset_key = [0; 64];
        rng.fill_bytes(&mut reset_key);
        let reset_key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &reset_key);
        let mut endpoint = EndpointConfig::new(Arc::new(null::ResetKey(reset_key)));
        endpoint.cid_generator(|| Box::new(NoConnectionIds)).grease_quic_bit(false).supported_versions(vec![VERSION]);
        let endpoint = Arc::new(endpoint);
        let mut config = Self { endpoint, limits: limits.clone(), params: Vec::new() };
        config.params = config.learn_params(now, rng);
        config
    }

    /// What a handshake message tells the peer of this session: its transport parameters, which
    /// let a client send its first stream at once, as early data.
    pub fn params(&self) -> &[u8] {
        &self.params
    }

    /// The library alone knows which parameters its configuration amounts to: ask a connection
    /// that is never used.
    fn learn_params(&self, now: Instant, rng: &mut impl CryptoRng) -> Vec<u8> {
        let learn = Arc::new(Mutex::new(Vec::new()));
        let crypto = null::Client { remote: None, learn: Some(learn.clone()), room: Arc::default() };
        let client = quic::ClientConfig::new(Arc::new(crypto));
        let mut endpoint = Endpoint::new(self.endpoint.clone(), None, true, Some(rng.random()));
        let transport = self.transport((DATAGRAM_MIN, DATAGRAM_MIN), None, None);
        let connected = endpoint.connect(now, client_with(client, transport), PEER, "ginnel");
        debug_assert!(connected.is_ok());
        let params = learn.lock().map(|params| params.clone()).unwrap_or_default();
        debug_assert!(params.len() <= PARAMS_MAX, "{} bytes of parameters", params.len());
        params
    }

    /// The bounds of a link's windows.
    fn bounds(&self, rtt: Duration) -> Bounds {
        let limits = &self.limits;
        Bounds::new(limits.stream_window, limits.link_window.into(), limits.send_window, rtt)
    }

    /// Whether lengths are drawn.
    fn is_shaped(&self) -> bool {
        self.limits.profile.segment_cut.high > 0
    }

    /// The longest datagrams at first and at last. The first one is drawn, too, so that what lies
    /// between them says nothing.
    fn lengths(&self, start: &Start<'_>, rng: &mut impl CryptoRng) -> (u16, u16) {
        let more = if self.is_shaped() { rng.random_range(0..=start.datagram_more) } else { 0 };
        (DATAGRAM_MIN + more, start.datagram_max.max(DATAGRAM_MIN + more))
    }

    /// Without a controller it is only good for learning what it amounts to.
    fn transport(
        &self,
        (datagram_first, datagram_max): (u16, u16),
        rtt: Option<Duration>,
        controller: Option<Factory>,
    ) -> Arc<quic::TransportConfig> {
        let (limits, bounds) = (&self.limits, self.bounds(rtt.unwrap_or_default()));
        // Windows are at most as large as a limit of 32 bits.
        let window = |bytes: u64| VarInt::from_u32(u32::try_from(bytes).unwrap_or(u32::MAX));
        let mut acks = quic::AckFrequencyConfig::default();
        acks.ack_eliciting_threshold(ACK_EVERY.into());
        let mut mtu = quic::MtuDiscoveryConfig::default();
        mtu.upper_bound(datagram_max);
        if self.is_shaped() {
            // Two steps, the second to the largest: a search by halves to the end would be a row of
            // lengths that follow from each other, and a mark of its own.
            mtu.minimum_change((datagram_max - datagram_first) * 3 / 8);
        }
        let mut transport = quic::TransportConfig::default();
        transport
            .stream_receive_window(window(bounds.stream))
            .receive_window(window(bounds.receive_first()))
            .send_window(bounds.send_first())
            .max_concurrent_bidi_streams(limits.streams_per_link.min(STREAMS_AT_FIRST).into())
            .max_concurrent_uni_streams(0u32.into())
            .initial_mtu(datagram_first)
            .min_mtu(DATAGRAM_MIN)
            .mtu_discovery_config(Some(mtu))
            .ack_frequency_config(Some(acks))
            .datagram_receive_buffer_size(None)
            .allow_spin(false)
            // The link watches over its own life: see `link::liveness`.
            .max_idle_timeout(None);
        if let Some(rtt) = rtt {
            transport.initial_rtt(rtt);
        }
        if let Some(controller) = controller {
            transport.congestion_controller_factory(Arc::new(controller));
        }
        Arc::new(transport)
    }
}

fn client_with(mut client: quic::ClientConfig, transport: Arc<quic::TransportConfig>) -> quic::ClientConfig {
    client.transport_config(transport);
    client
}

/// Connection ids of length zero: the envelope has found the link already.
struct NoConnectionIds;

impl quic::ConnectionIdGenerator for NoConnectionIds {
    fn generate_cid(&mut self) -> quic::ConnectionId {
        quic::ConnectionId::new(&[])
    }

    fn cid_len(&self) -> usize {
        0
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

fn ours(id: quic::StreamId) -> StreamId {
    StreamId(VarInt::from(id).into_inner())
}

fn theirs(id: StreamId) -> Result<quic::StreamId, Gone> {
    VarInt::from_u64(id.0).map(quic::StreamId::from).map_err(|_| Gone)
}

/// Codes are 32 bits wide with us; a peer's larger one is as good as any.
fn code(code: VarInt) -> u32 {
    u32::try_from(code.into_inner()).unwrap_or(u32::MAX)
}
