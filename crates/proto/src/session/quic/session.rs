//! One QUIC connection as a [`Session`].

use super::congestion::{Allowed, Factory};
use super::incoming::Incoming;
use super::null::Room;
use super::windows::{Round, Windows, differs};
use super::{ACK_DELAY, PEER, QuicConfig, client_with, code, null, ours, theirs};
use crate::congestion::pacer::Pacer;
use crate::envelope::OVERHEAD;
use crate::link::Side;
use crate::session::sessions::{BadParams, Start};
use crate::session::{Batch, DATAGRAM_MIN, Event, Gone, PathChange, PathStats, Read, Session, StreamId, WriteError};
use bytes::{Bytes, BytesMut};
use quinn_proto as quic;
use quinn_proto::{ConnectionHandle, DatagramEvent, Dir, Endpoint, StreamEvent, VarInt};
use rand::{CryptoRng, RngExt};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Shorter packets are acknowledgements and little else: whoever only receives is not to be paced
/// by an estimate of what he sends.
const PACED_LEAST: usize = 300;

/// Pings on a new path: one of them arrives.
const URGENT_PINGS: u32 = 3;

/// Of the streams that nobody reads such a part is given up at once when there are too many.
const CROWD_PART: usize = 4;

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
    incoming: Incoming,
    windows: Windows,
    /// Windows as the library has them.
    receive_window: u64,
    send_window: u64,
    /// What the library may still owe of windows that were made smaller, at most: it goes on
    /// granting what it had granted until so much more has been read.
    shrunk: u64,
    link_max: u64,
    allowed: Arc<Allowed>,
    pacer: Pacer,
    /// The pacer has stopped us: when to go on.
    paced_until: Option<Instant>,
    unanswered: Unanswered,
    /// So many packets ask for an answer whatever window and pacer say: the path is new.
    urgent: u32,
    /// What packets leave free behind them.
    room: Arc<Room>,
    /// The library's handshake is over: it will not send another packet of it.
    settled: bool,
}

/// Since when something waits to be acknowledged that has come since we last sent anything.
///
/// While data waits for the congestion window or the pacer, the library holds back acknowledgements
/// with it. If both ends do that, each waits for the other, and the ever rarer probes are all that
/// is left. So an acknowledgement that is overdue leaves, whatever they say (RFC 9002, section 7:
/// what only acknowledges is not controlled). The library puts data into its packet: 40 of them a
/// second are no flood.
#[derive(Default)]
struct Unanswered(Option<Instant>);

impl Unanswered {
    fn received(&mut self, now: Instant, length: usize) {
        if length > PACED_LEAST {
            self.0.get_or_insert(now);
        }
    }

    fn is_overdue(&self, now: Instant) -> bool {
        self.0.is_some_and(|since| now.saturating_duration_since(since) >= ACK_DELAY)
    }

    fn clear(&mut self) {
        self.0 = None;
    }
}

impl QuicSession {
    /// One end of a connection whose handshake has just ended.
    pub fn new(
        config: &QuicConfig,
        start: &Start<'_>,
        now: Instant,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, BadParams> {
        match start.side {
            Side::Client => Self::client(config, start, now, rng),
            Side::Server => Ok(Self::server(config, start, now, rng)),
        }
    }

    fn client(
        config: &QuicConfig,
        start: &Start<'_>,
        now: Instant,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, BadParams> {
        let remote = null::read_params(quic::Side::Client, start.params).map_err(|_| BadParams)?;
        let room = Arc::new(Room::default());
        let crypto = null::Client { remote: Some(remote), learn: None, room: room.clone() };
        let allowed = Arc::new(Allowed::default());
        let controller = Factory::new(config, &allowed, rng);
        let transport = config.transport(config.lengths(start, rng), Some(start.rtt), Some(controller));
        let client = client_with(quic::ClientConfig::new(Arc::new(crypto)), transport);
        let mut endpoint = Endpoint::new(config.endpoint.clone(), None, true, Some(rng.random()));
        // Refuses only an unusable address or version, and both are constants.
        let (handle, connection) = endpoint.connect(now, client, PEER, "ginnel").map_err(|_| BadParams)?;
        let mut session = Self::with(endpoint, config, allowed, room, start.rtt, now);
        session.connection = Some((handle, connection));
        session.events.push_back(Event::Ready);
        Ok(session)
    }

    /// The server's end begins with the client's first packet.
    fn server(config: &QuicConfig, start: &Start<'_>, now: Instant, rng: &mut impl CryptoRng) -> Self {
        let allowed = Arc::new(Allowed::default());
        let controller = Factory::new(config, &allowed, rng);
        let room = Arc::new(Room::default());
        let mut server =
            quic::ServerConfig::new(Arc::new(null::Server { room: room.clone() }), Arc::new(null::NoTokens));
        server.transport = config.transport(config.lengths(start, rng), Some(start.rtt), Some(controller));
        server.migration(false).max_incoming(1);
        let endpoint = Endpoint::new(config.endpoint.clone(), Some(Arc::new(server)), true, Some(rng.random()));
        Self::with(endpoint, config, allowed, room, start.rtt, now)
    }

    fn with(
        endpoint: Endpoint,
        config: &QuicConfig,
        allowed: Arc<Allowed>,
        room: Arc<Room>,
        rtt: Duration,
        now: Instant,
    ) -> Self {
        let bounds = config.bounds(rtt);
        Self {
            endpoint,
            connection: None,
            events: VecDeque::new(),
            discarded: Vec::new(),
            closed: false,
            streams_max: config.limits.streams_per_link,
            incoming: Incoming::new(bounds.stream, bounds.link),
            windows: Windows::new(bounds, rtt, now),
            receive_window: bounds.receive_first(),
            send_window: bounds.send_first(),
            shrunk: 0,
            link_max: bounds.link,
            allowed,
            pacer: Pacer::new(now, DATAGRAM_MIN),
            paced_until: None,
            unanswered: Unanswered::default(),
            urgent: 0,
            room,
            settled: false,
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
                quic::Event::Stream(StreamEvent::Readable { id }) => {
                    self.incoming.arrived(connection, ours(id));
                    self.events.push_back(Event::Readable(ours(id)));
                }
                quic::Event::Stream(StreamEvent::Writable { id }) => self.events.push_back(Event::Writable(ours(id))),
                quic::Event::Stream(StreamEvent::Stopped { id, error_code }) => {
                    self.events.push_back(Event::Stopped(ours(id), code(error_code)));
                }
                quic::Event::Stream(StreamEvent::Available { .. }) => self.events.push_back(Event::MayOpen),
                quic::Event::Stream(_) | quic::Event::DatagramReceived | quic::Event::DatagramsUnblocked => {}
            }
        }
    }

    /// Has the library use the windows that the path needs now.
    fn end_round(&mut self, now: Instant) {
        let was_full = self.windows.is_full();
        let stats = self.connection.as_ref().map(|(_, connection)| connection.stats()).unwrap_or_default();
        let round = Round {
            rtt: self.connection.as_ref().map(|_| stats.path.rtt),
            held_up: stats.frame_rx.data_blocked,
            unread: self.incoming.unread() > 0,
            allowed: self.receive_window + self.incoming.held() as u64,
            sent: stats.path.sent_packets,
            lost: stats.path.lost_packets,
        };
        self.windows.end_round(now, &round);
        let Some((_, connection)) = &mut self.connection else { return };
        if self.windows.is_full() && !was_full {
            self.events.push_back(Event::Crowded);
        }
        let receive = self.windows.receive(self.incoming.held());
        let shrunk = self.shrunk + self.receive_window.saturating_sub(receive);
        // What was granted and taken back many times over would be no bound any more.
        if differs(receive, self.receive_window) && (receive > self.receive_window || shrunk <= self.link_max) {
            self.shrunk = shrunk;
            self.receive_window = receive;
            connection.set_receive_window(VarInt::from_u64(receive).unwrap_or(VarInt::MAX));
        }
        let send = self.windows.send(self.allowed.window());
        if differs(send, self.send_window) {
            self.send_window = send;
            connection.set_send_window(send);
        }
    }

    /// Has the library tell its window at once: else it waits until much of it is free.
    fn tell_window(&mut self) {
        self.receive_window += 1;
        if let Some((_, connection)) = &mut self.connection {
            connection.set_receive_window(VarInt::from_u64(self.receive_window).unwrap_or(VarInt::MAX));
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
        self.windows.received(now, packet.len());
        self.unanswered.received(now, packet.len());
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
        self.paced_until = self.paced_until.filter(|at| *at > now);
        if self.windows.round_end().is_some_and(|at| at <= now) {
            self.end_round(now);
        }
        if let Some((_, connection)) = &mut self.connection
            && connection.poll_timeout().is_some_and(|at| at <= now)
        {
            connection.handle_timeout(now);
            self.settle();
        }
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        let library = self.connection.as_mut().and_then(|(_, connection)| connection.poll_timeout());
        library.into_iter().chain(self.paced_until).chain(self.windows.round_end()).min()
    }

    fn poll_transmit(&mut self, now: Instant, max: usize, spare: usize, out: &mut Vec<u8>) -> Option<Batch> {
        debug_assert!(out.is_empty(), "the library counts from the start of its buffer");
        let (_, connection) = self.connection.as_mut()?;
        self.settled = self.settled || is_settled(connection);
        // Packets of the library's own handshake have no room but the envelope's, and may share a
        // batch with others that do.
        let max = if self.settled { max } else { 1 };
        self.room.leave(spare - OVERHEAD);
        let (pace, mtu) = (self.allowed.pace(), u64::from(connection.current_mtu()));
        self.pacer.set_mtu(connection.current_mtu());
        let allowance = self.pacer.allowance(now, pace);
        let urgent = self.urgent > 0;
        if urgent {
            self.urgent -= 1;
            connection.ping();
        }
        // An acknowledgement that is overdue does not wait for the pacer: what leaves with it is a debt.
        if allowance == 0 && !urgent && !self.unanswered.is_overdue(now) {
            self.paced_until = Some(self.pacer.ready_at(now, pace));
            return None;
        }
        self.paced_until = None;
        let packets = usize::try_from(allowance / mtu).unwrap_or(max).clamp(1, max);
        let transmit = match connection.poll_transmit(now, packets, out) {
            None if urgent || self.unanswered.is_overdue(now) => {
                self.unanswered.clear();
                self.allowed.without_window(|| connection.poll_transmit(now, 1, out))?
            }
            transmit => transmit?,
        };
        self.unanswered.clear();
        let segment = transmit.segment_size.unwrap_or(transmit.size);
        if segment > PACED_LEAST {
            self.pacer.spend(transmit.size as u64);
        }
        self.settle();
        Some(Batch { segment, spare: OVERHEAD + self.room.left(), is_probe: segment as u64 > mtu })
    }

    fn datagram_len(&self) -> usize {
        self.connection.as_ref().map_or(0, |(_, connection)| connection.current_mtu().into())
    }

    fn wants_length(&self) -> Option<u16> {
        // The library finds out by itself.
        None
    }

    fn carries(&mut self, _length: u16) {}

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
        let Some((_, connection)) = &mut self.connection else { return Err(Gone) };
        if self.closed {
            return Err(Gone);
        }
        let read = self.incoming.read(connection, id, max, out)?;
        if let Read::Data(bytes) | Read::End(bytes) = read {
            self.shrunk = self.shrunk.saturating_sub(bytes as u64);
            if self.windows.is_full() && bytes > 0 {
                self.tell_window();
            }
        }
        Ok(read)
    }

    fn crowd(&self) -> usize {
        if self.windows.is_full() { self.incoming.unread().div_ceil(CROWD_PART).max(1) } else { 0 }
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
        self.incoming.forget(id);
        if self.windows.is_full() {
            self.tell_window();
        }
    }

    fn undelivered(&mut self) -> usize {
        self.connection().map_or(0, |connection| connection.streams().send_streams())
    }

    fn path_changed(&mut self, now: Instant, change: PathChange) {
        let windows = &mut self.windows;
        if let Some((_, connection)) = self.connection.as_mut().filter(|_| !self.closed) {
            if change == PathChange::New {
                connection.path_changed(now);
                windows.path_changed();
            }
            // Whatever was in flight to the old address may be lost: find out now. A window full of
            // it holds even a ping back, and after a long silence the library would wait as long
            // again before it sends a probe that nothing holds back.
            self.urgent = URGENT_PINGS;
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
            pace: self.allowed.pace(),
            receive_window: self.receive_window,
            send_window: self.send_window,
            refused: 0,
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

/// Whether the library's handshake is over for both ends: a server forgets it when it is complete,
/// a client when the server says so.
fn is_settled(connection: &quic::Connection) -> bool {
    let told = || connection.side().is_server() || connection.stats().frame_rx.handshake_done > 0;
    !connection.is_handshaking() && told()
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
