//! The QUIC session (RFC 9000), on the library's state machine, driven directly.
//!
//! One link holds one connection. The envelope names links, so QUIC needs no connection ids and
//! sees one constant address; the library's stateless answers are never sent.

mod null;

use super::{Event, Gone, PathChange, PathStats, READ_CHUNKS_MAX, Read, Session, StreamId, WriteError};
use crate::envelope::hello::PARAMS_MAX;
use crate::limits::Limits;
use bytes::{Bytes, BytesMut};
use quinn_proto as quic;
use quinn_proto::congestion::CubicConfig;
use quinn_proto::{ConnectionHandle, DatagramEvent, Dir, Endpoint, EndpointConfig, ReadError, StreamEvent, VarInt};
use rand::{CryptoRng, RngExt};
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use thiserror::Error;

/// What the session believes its peer's address to be, for ever.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 443);

/// Every path carries datagrams of this size (1280 less the headers of IPv6 and UDP is 1232).
pub const DATAGRAM_MIN: u16 = 1200;

/// QUIC version 1; the library would also take drafts of it.
const VERSION: u32 = 1;

/// Streams that a peer may open at first, so that a thousand at once need not wait; see [`allow_more`].
const STREAMS_AT_FIRST: u32 = 1024;

/// Acknowledge every so many packets: fewer cost less, more would blur the sender's clock.
const ACK_EVERY: u32 = 10;

/// How the library is set up for the links of one end; built once.
#[derive(Clone)]
pub struct QuicConfig {
    endpoint: Arc<EndpointConfig>,
    limits: Limits,
    params: Vec<u8>,
}

/// The peer's session parameters do not parse.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("session parameters that do not parse")]
pub struct BadParams;

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
        let crypto = null::Client { remote: None, learn: Some(learn.clone()) };
        let client = quic::ClientConfig::new(Arc::new(crypto));
        let mut endpoint = Endpoint::new(self.endpoint.clone(), None, true, Some(rng.random()));
        let connected = endpoint.connect(now, client_with(client, self.transport(DATAGRAM_MIN, None)), PEER, "ginnel");
        debug_assert!(connected.is_ok());
        let params = learn.lock().map(|params| params.clone()).unwrap_or_default();
        debug_assert!(params.len() <= PARAMS_MAX, "{} bytes of parameters", params.len());
        params
    }

    fn transport(&self, datagram_max: u16, rtt: Option<Duration>) -> Arc<quic::TransportConfig> {
        let limits = &self.limits;
        let mut acks = quic::AckFrequencyConfig::default();
        acks.ack_eliciting_threshold(ACK_EVERY.into());
        let mut mtu = quic::MtuDiscoveryConfig::default();
        mtu.upper_bound(datagram_max);
        let mut transport = quic::TransportConfig::default();
        transport
            .stream_receive_window(limits.stream_window.into())
            .receive_window(limits.link_window.into())
            .send_window(limits.send_window)
            .max_concurrent_bidi_streams(limits.streams_per_link.min(STREAMS_AT_FIRST).into())
            .max_concurrent_uni_streams(0u32.into())
            .initial_mtu(DATAGRAM_MIN)
            .min_mtu(DATAGRAM_MIN)
            .mtu_discovery_config(Some(mtu))
            .ack_frequency_config(Some(acks))
            .congestion_controller_factory(Arc::new(CubicConfig::default()))
            .datagram_receive_buffer_size(None)
            .allow_spin(false)
            // The link watches over its own life: see `link::liveness`.
            .max_idle_timeout(None);
        if let Some(rtt) = rtt {
            transport.initial_rtt(rtt);
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

/// One QUIC connection as a [`Session`].
pub struct QuicSession {
    endpoint: Endpoint,
    /// On a server: `None` until the client's first packet.
    connection: Option<(ConnectionHandle, quic::Connection)>,
    events: VecDeque<Event>,
    /// The library's stateless answers land here and stay here.
    discarded: Vec<u8>,
    closed: bool,
    streams_max: u32,
}

impl QuicSession {
    /// The client's end. `server_params` and `rtt` come from the handshake that has just ended;
    /// `datagram_max` is the longest datagram to try on the path, envelope included.
    pub fn client(
        config: &QuicConfig,
        datagram_max: u16,
        server_params: &[u8],
        rtt: Duration,
        now: Instant,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, BadParams> {
        let remote = null::read_params(quic::Side::Client, server_params).map_err(|_| BadParams)?;
        let crypto = null::Client { remote: Some(remote), learn: None };
        let transport = config.transport(datagram_max, Some(rtt));
        let client = client_with(quic::ClientConfig::new(Arc::new(crypto)), transport);
        let mut endpoint = Endpoint::new(config.endpoint.clone(), None, true, Some(rng.random()));
        // Refuses only an unusable address or version, and both are constants.
        let (handle, connection) = endpoint.connect(now, client, PEER, "ginnel").map_err(|_| BadParams)?;
        let mut session = Self::new(endpoint, config);
        session.connection = Some((handle, connection));
        session.events.push_back(Event::Ready);
        Ok(session)
    }

    /// The server's end, which begins with the client's first packet. `rtt` is how long that
    /// packet took to come after the handshake's answer: what is lost of the first flight is sent
    /// again after a few times as long, instead of after the library's second.
    pub fn server(config: &QuicConfig, datagram_max: u16, rtt: Duration, rng: &mut impl CryptoRng) -> Self {
        let mut server = quic::ServerConfig::new(Arc::new(null::Server), Arc::new(null::NoTokens));
        server.transport = config.transport(datagram_max, Some(rtt));
        server.migration(false).max_incoming(1);
        let endpoint = Endpoint::new(config.endpoint.clone(), Some(Arc::new(server)), true, Some(rng.random()));
        Self::new(endpoint, config)
    }

    fn new(endpoint: Endpoint, config: &QuicConfig) -> Self {
        Self {
            endpoint,
            connection: None,
            events: VecDeque::new(),
            discarded: Vec::new(),
            closed: false,
            streams_max: config.limits.streams_per_link,
        }
    }

    /// Carries what connection and endpoint have to say to each other, and translates events.
    fn settle(&mut self) {
        let Some((handle, connection)) = &mut self.connection else { return };
        while let Some(event) = connection.poll_endpoint_events() {
            if let Some(event) = self.endpoint.handle_event(*handle, event) {
                connection.handle_event(event);
            }
        }
        while let Some(event) = connection.poll() {
            match event {
                quic::Event::Connected if connection.side().is_server() => self.events.push_back(Event::Ready),
                quic::Event::Connected | quic::Event::HandshakeDataReady => {}
                quic::Event::ConnectionLost { .. } => {
                    self.closed = true;
                    self.events.push_back(Event::Closed);
                }
                quic::Event::Stream(StreamEvent::Opened { dir: Dir::Bi }) => {
                    while let Some(id) = connection.streams().accept(Dir::Bi) {
                        self.events.push_back(Event::Opened(ours(id)));
                    }
                    allow_more(connection, self.streams_max);
                }
                quic::Event::Stream(StreamEvent::Readable { id }) => self.events.push_back(Event::Readable(ours(id))),
                quic::Event::Stream(StreamEvent::Writable { id }) => self.events.push_back(Event::Writable(ours(id))),
                quic::Event::Stream(StreamEvent::Stopped { id, error_code }) => {
                    self.events.push_back(Event::Stopped(ours(id), code(error_code)));
                }
                quic::Event::Stream(StreamEvent::Available { .. }) => self.events.push_back(Event::MayOpen),
                quic::Event::Stream(_) | quic::Event::DatagramReceived | quic::Event::DatagramsUnblocked => {}
            }
        }
    }

    fn connection(&mut self) -> Result<&mut quic::Connection, Gone> {
        match &mut self.connection {
            Some((_, connection)) if !self.closed => Ok(connection),
            _ => Err(Gone),
        }
    }
}

impl Session for QuicSession {
    fn handle(&mut self, now: Instant, packet: BytesMut) {
        self.discarded.clear();
        match self.endpoint.handle(now, PEER, None, None, packet, &mut self.discarded) {
            Some(DatagramEvent::ConnectionEvent(_, event)) => {
                if let Some((_, connection)) = &mut self.connection {
                    connection.handle_event(event);
                }
            }
            Some(DatagramEvent::NewConnection(incoming)) if self.connection.is_none() => {
                self.connection = self.endpoint.accept(incoming, now, &mut self.discarded, None).ok();
            }
            Some(DatagramEvent::NewConnection(incoming)) => self.endpoint.ignore(incoming),
            // A stateless answer would speak to somebody whom the envelope does not know.
            Some(DatagramEvent::Response(_)) | None => {}
        }
        self.settle();
    }

    fn handle_timeout(&mut self, now: Instant) {
        if let Some((_, connection)) = &mut self.connection {
            connection.handle_timeout(now);
            self.settle();
        }
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.connection.as_mut().and_then(|(_, connection)| connection.poll_timeout())
    }

    fn poll_transmit(&mut self, now: Instant, max: usize, out: &mut Vec<u8>) -> Option<usize> {
        let (_, connection) = self.connection.as_mut()?;
        let start = out.len();
        debug_assert_eq!(start, 0, "the library counts from the start of its buffer");
        let transmit = connection.poll_transmit(now, max, out)?;
        self.settle();
        Some(transmit.segment_size.unwrap_or(transmit.size))
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn open(&mut self) -> Option<StreamId> {
        self.connection().ok()?.streams().open(Dir::Bi).map(ours)
    }

    fn write(&mut self, id: StreamId, data: &mut VecDeque<Bytes>) -> Result<usize, WriteError> {
        let connection = self.connection()?;
        let mut stream = connection.send_stream(theirs(id)?);
        match stream.write_chunks(data.make_contiguous()) {
            Ok(written) => {
                while data.front().is_some_and(Bytes::is_empty) {
                    data.pop_front();
                }
                Ok(written.bytes)
            }
            Err(quic::WriteError::Blocked) => Ok(0),
            Err(quic::WriteError::Stopped(error)) => Err(WriteError::Stopped(code(error))),
            Err(quic::WriteError::ClosedStream) => Err(Gone.into()),
        }
    }

    fn read(&mut self, id: StreamId, max: usize, out: &mut Vec<Bytes>) -> Result<Read, Gone> {
        let connection = self.connection()?;
        let mut stream = connection.recv_stream(theirs(id)?);
        let mut chunks = stream.read(true).map_err(|_| Gone)?;
        let (mut bytes, mut count) = (0, 0);
        let read = loop {
            if bytes >= max || count >= READ_CHUNKS_MAX {
                break Read::Data(bytes);
            }
            match chunks.next(max - bytes) {
                Ok(Some(chunk)) => {
                    bytes += chunk.bytes.len();
                    count += 1;
                    out.push(chunk.bytes);
                }
                Ok(None) => break Read::End(bytes),
                Err(ReadError::Blocked) if bytes > 0 => break Read::Data(bytes),
                Err(ReadError::Blocked) => break Read::Blocked,
                Err(ReadError::Reset(error)) => break Read::Reset(code(error)),
            }
        };
        // The caller asks for a transmission after every call, so the hint is of no use.
        let _ = chunks.finalize();
        Ok(read)
    }

    fn finish(&mut self, id: StreamId) {
        if let (Ok(connection), Ok(id)) = (self.connection(), theirs(id)) {
            // Fails only where the stream has ended already.
            let _ = connection.send_stream(id).finish();
        }
    }

    fn reset(&mut self, id: StreamId, code: u32) {
        if let (Ok(connection), Ok(id)) = (self.connection(), theirs(id)) {
            let _ = connection.send_stream(id).reset(code.into());
        }
    }

    fn stop(&mut self, id: StreamId, code: u32) {
        if let (Ok(connection), Ok(id)) = (self.connection(), theirs(id)) {
            let _ = connection.recv_stream(id).stop(code.into());
        }
    }

    fn undelivered(&mut self) -> usize {
        self.connection().map_or(0, |connection| connection.streams().send_streams())
    }

    fn path_changed(&mut self, now: Instant, change: PathChange) {
        if let Ok(connection) = self.connection() {
            if change == PathChange::New {
                connection.path_changed(now);
            }
            // Whatever was in flight to the old address may be lost: find out now. A window full of
            // it holds even a ping back, and after a long silence the library would wait as long
            // again before it sends a probe that nothing holds back: its timer has that time already.
            connection.ping();
            if let Some(at) = connection.poll_timeout().filter(|at| *at > now) {
                connection.handle_timeout(at);
            }
        }
    }

    fn close(&mut self, now: Instant, code: u32) {
        if let Some((_, connection)) = &mut self.connection {
            connection.close(now, code.into(), Bytes::new());
            self.closed = true;
        }
    }

    fn stats(&self) -> PathStats {
        let Some((_, connection)) = &self.connection else { return PathStats::default() };
        let path = connection.stats().path;
        PathStats {
            rtt: path.rtt,
            window: path.cwnd,
            mtu: path.current_mtu,
            sent: path.sent_packets,
            lost: path.lost_packets,
        }
    }

    fn asked(&self) -> u64 {
        let Some((_, connection)) = &self.connection else { return 0 };
        // All frames but acknowledgements and the end (RFC 9002, section 2).
        let sent = connection.stats().frame_tx;
        let streams = sent.stream + sent.reset_stream + sent.stop_sending;
        let windows = sent.max_data + sent.max_stream_data + sent.max_streams_bidi + sent.max_streams_uni;
        let blocked = sent.data_blocked + sent.stream_data_blocked + sent.streams_blocked_bidi;
        let others = sent.crypto + sent.ping + sent.ack_frequency + sent.immediate_ack + sent.new_connection_id;
        streams + windows + blocked + others + u64::from(sent.handshake_done)
    }
}

/// Allows twice as many streams when half of those allowed are open: the library makes table
/// entries for every stream that it allows, and most links never have more than a few.
fn allow_more(connection: &mut quic::Connection, max: u32) {
    let allowed = connection.max_concurrent_streams(Dir::Bi);
    if allowed < u64::from(max) && connection.streams().remote_open_streams(Dir::Bi) > allowed / 2 {
        let more = u32::try_from(allowed * 2).unwrap_or(max).min(max);
        connection.set_max_concurrent_streams(Dir::Bi, more.into());
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
