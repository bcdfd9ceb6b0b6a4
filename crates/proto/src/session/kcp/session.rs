//! A few KCP conversations and a mux as one [`Session`].

use super::conversation::{Beginning, Conversation, Refused};
use super::lengths::Lengths;
use super::mux::{Mux, Settings as MuxSettings};
use super::params::{BadParams, Params};
use super::segment::{HEADER, Segment};
use super::transit::Transit;
use super::{STREAM_WINDOW_FIRST, STREAMS_AT_FIRST};
use crate::congestion::pacer::Pacer;
use crate::envelope::OVERHEAD;
use crate::limits::Limits;
use crate::link::Side;
use crate::session::sessions::Start;
use crate::session::stream_window::stream_window;
use crate::session::{Batch, Event, Gone, PathChange, PathStats, Read, Session, StreamId, WriteError};
use bytes::{Bytes, BytesMut};
use rand::{CryptoRng, RngExt};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Packets on a new path, or after a time-out, that leave whatever window and pacer say: one of them arrives.
const URGENT: u32 = 2;

/// After so many time-outs in a row the path may have become one that long datagrams do not pass.
const NARROW_AFTER: u32 = 2;

/// Not worth beginning a segment for: a packet that lacks no more than this is full.
const SCRAP: usize = 96;

/// Of the streams that nobody reads such a part is given up at once when there are too many.
const CROWD_PART: usize = 4;

/// Bytes written and not sent that are always welcome, of all streams together.
const UNSENT_LEAST: u64 = 256 << 10;

/// Memory for segments goes back when nothing was in flight for so long.
const TRIM_AFTER: Duration = Duration::from_secs(1);

/// What came from the peer and was not taken in, by why.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Refusals {
    /// No segment, or a length that cannot be.
    pub malformed: u64,
    /// A conversation that the link does not have.
    pub foreign: u64,
    /// Beyond the window that the peer was told of.
    pub outside: u64,
    /// Acknowledges what was never sent.
    pub future: u64,
}

/// The KCP session of one link.
pub struct KcpSession {
    lanes: Vec<Conversation>,
    mux: Mux,
    transit: Transit,
    pacer: Pacer,
    lengths: Lengths,
    limits: Limits,
    seed: u64,
    events: VecDeque<Event>,
    closed: bool,
    /// Pieces of a pipe on their way to the mux.
    pieces: Vec<Bytes>,
    /// The lane that goes first in the next packet.
    turn: usize,
    /// The pacer has stopped us: when to go on.
    paced_until: Option<Instant>,
    /// Nothing was left to send when something was last sent.
    app_limited: bool,
    /// So many packets leave whatever window and pacer say.
    urgent: u32,
    /// Questions for the window that were sent.
    questions: u64,
    /// Streams that nobody reads fill the link, and the peer has more.
    full: bool,
    /// Something was read: the peer may send more.
    has_read: bool,
    trim_at: Option<Instant>,
    refusals: Refusals,
}

impl KcpSession {
    /// A session whose link has just begun.
    pub fn new(start: &Start<'_>, limits: &Limits, now: Instant, rng: &mut impl CryptoRng) -> Result<Self, BadParams> {
        let (peer, own) = (Params::decode(start.params)?, super::params(limits));
        let settings = limits.kcp;
        let shaped = limits.profile.segment_cut.high > 0;
        let lengths = Lengths::new(start.datagram_max, shaped, rng);
        let seed = rng.random();
        let controller = controller(limits, now, lengths.now(), seed);
        let transit = Transit::new(settings.mode, controller, Some(start.rtt), now);
        let lanes = own.lanes.min(peer.lanes);
        let beginning = |number| Beginning {
            number,
            send_window: settings.lane_window(),
            peer_window: None,
            extended: peer.extended,
        };
        let mux = Mux::new(MuxSettings {
            is_client: start.side == Side::Client,
            lanes: lanes.into(),
            streams: limits.streams_per_link,
            streams_at_first: limits.streams_per_link.min(STREAMS_AT_FIRST),
            may_open: peer.streams,
            peer_window: peer.stream_window,
            stream_window: stream_window(start.rtt, limits.stream_window),
            first_window: limits.stream_window.min(STREAM_WINDOW_FIRST),
        });
        let mut lanes: Vec<_> =
            (1..=u32::from(lanes)).map(|number| Conversation::new(&beginning(number), &transit)).collect();
        if start.side == Side::Client {
            // The server has a link when it has heard something on it, and the client when it is answered.
            lanes[0].greet(now);
        }
        Ok(Self {
            lanes,
            mux,
            transit,
            pacer: Pacer::new(now, lengths.now()),
            lengths,
            limits: limits.clone(),
            seed,
            events: VecDeque::from([Event::Ready]),
            closed: false,
            pieces: Vec::new(),
            turn: 0,
            paced_until: None,
            app_limited: true,
            urgent: 0,
            questions: 0,
            full: false,
            has_read: false,
            trim_at: None,
            refusals: Refusals::default(),
        })
    }

    /// What was not taken in, so far.
    pub fn refusals(&self) -> Refusals {
        self.refusals
    }

    /// Bytes that may still come in.
    fn budget(&self) -> u64 {
        let held: usize = self.lanes.iter().map(Conversation::held).sum();
        u64::from(self.limits.link_window).saturating_sub(self.mux.unread() + held as u64)
    }

    /// So many segments the peer may send beyond the last in order, on each lane.
    fn window(&self) -> u16 {
        let segments = self.budget() / u64::from(self.lengths.now());
        segments.min(self.limits.kcp.lane_window().into()) as u16
    }

    /// Tells the peer of room that reading has made.
    fn tell_windows(&mut self, now: Instant) {
        if !std::mem::take(&mut self.has_read) {
            return;
        }
        let window = self.window();
        self.full &= window == 0;
        for lane in &mut self.lanes {
            lane.window_changed(now, window);
        }
    }

    /// Bytes that may be written and not sent.
    fn room(&self) -> u64 {
        let held: usize = self.lanes.iter().map(Conversation::outstanding).sum();
        let left = self.limits.send_window.saturating_sub(held as u64);
        self.transit.window().min(left).max(UNSENT_LEAST)
    }

    fn take_in(&mut self, now: Instant, mut packet: Bytes) {
        let window = self.window();
        loop {
            let (segment, data) = match Segment::read(&mut packet) {
                Ok(Some(taken)) => taken,
                Ok(None) => return,
                Err(_) => {
                    self.refusals.malformed += 1;
                    return;
                }
            };
            let index = segment.conversation.wrapping_sub(1) as usize;
            let Some(lane) = self.lanes.get_mut(index) else {
                self.refusals.foreign += 1;
                continue;
            };
            match lane.handle(now, (segment, data), window, &mut self.transit, &mut self.pieces) {
                Ok(()) => {}
                Err(Refused::Outside) => self.refusals.outside += 1,
                Err(Refused::Future) => self.refusals.future += 1,
                Err(Refused::Malformed) => self.refusals.malformed += 1,
            }
            let asked = window == 0 && lane.is_asked();
            let mut taken = self.pieces.drain(..).map(|piece| self.mux.receive(now, index, piece));
            if taken.any(|taken| taken.is_err()) {
                drop(taken);
                self.fail();
                return;
            }
            if asked && !self.full {
                self.full = true;
                self.events.push_back(Event::Crowded);
            }
        }
    }

    /// The session is over: the peer does not keep to the protocol, or is gone.
    fn fail(&mut self) {
        self.pieces.clear();
        if !self.closed {
            self.closed = true;
            self.events.push_back(Event::Closed);
        }
    }

    /// Looks for losses on all lanes, and lets what was acknowledged make room.
    fn settle(&mut self, now: Instant) {
        for lane in &mut self.lanes {
            lane.find_lost(now, &mut self.transit);
        }
        self.transit.end_losses(now);
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            self.mux.delivered(index, lane.flight().delivered());
            self.mux.behind_gap(index, lane.held());
        }
        if self.mux.is_used_up() || self.lanes.iter_mut().any(|lane| lane.flight().is_dead()) {
            self.fail();
        }
        self.trim_at = (!self.transit.is_flying()).then(|| now + TRIM_AFTER);
    }

    /// Nothing has come for too long: asks with the oldest that is in flight.
    fn probe(&mut self) {
        self.urgent = URGENT;
        for _ in 0..URGENT {
            let oldest = self.lanes.iter_mut().filter_map(|lane| lane.flight().oldest().map(|at| (at, lane)));
            if let Some((_, lane)) = oldest.min_by_key(|(at, _)| *at) {
                lane.flight().probe();
            }
        }
    }

    /// Fills one packet of at most `capacity` bytes at the end of `out`. Returns the spare bytes
    /// that it leaves, fewer than `spare` for a segment that is sent again and has no shorter form.
    fn fill(&mut self, now: Instant, (capacity, spare): (usize, usize), data: bool, out: &mut Vec<u8>) -> usize {
        let (start, window) = (out.len(), self.window());
        let end = start + capacity;
        for lane in &mut self.lanes {
            if lane.acks_due().is_some_and(|due| due <= now) {
                self.questions += u64::from(lane.asks());
                lane.write_acks(now, window, end - out.len(), &self.transit, out);
            }
        }
        if !data {
            return spare;
        }
        let lanes = self.lanes.len();
        for index in (0..lanes).map(|offset| (self.turn + offset) % lanes) {
            let lane = &mut self.lanes[index];
            while let Some(length) = lane.again_len() {
                let room = end - out.len();
                if length > room && out.len() == start {
                    let most = capacity + spare - OVERHEAD;
                    lane.send_again(now, window, most, true, &mut self.transit, out);
                    return (capacity + spare).saturating_sub(out.len() - start).max(OVERHEAD).min(spare);
                }
                if length > room || !lane.send_again(now, window, room, false, &mut self.transit, out) {
                    break;
                }
            }
            let room = end - out.len();
            if lane.again_len().is_none() && room >= SCRAP && self.mux.has_work(index) && lane.may_send(now) {
                let mux = &mut self.mux;
                lane.send(now, window, room, &mut self.transit, out, |room, out| {
                    let filled = mux.fill(now, index, room, out);
                    room - filled >= SCRAP && !mux.has_work(index)
                });
            }
        }
        self.turn = (self.turn + 1) % lanes;
        spare
    }

    /// Whether something is there that could be sent, were it allowed.
    fn has_data(&mut self, now: Instant) -> bool {
        let mux = &self.mux;
        let mut lanes = self.lanes.iter_mut().enumerate();
        lanes.any(|(index, lane)| lane.again_len().is_some() || (mux.has_work(index) && lane.may_send(now)))
    }

    /// Packets with data that may leave now; what stops them is noted.
    fn allowed(&mut self, now: Instant, max: usize) -> usize {
        if self.urgent > 0 {
            return 1;
        }
        let (pace, length) = (self.transit.pace(), self.lengths.now());
        if self.transit.in_flight() >= self.transit.window() {
            self.app_limited = false;
            return 0;
        }
        self.pacer.set_mtu(length);
        let allowance = self.pacer.allowance(now, pace);
        if allowance == 0 {
            self.app_limited = false;
            self.paced_until = Some(self.pacer.ready_at(now, pace));
        }
        let free = self.transit.window() - self.transit.in_flight();
        let packets = usize::try_from(allowance.min(free) / u64::from(length)).unwrap_or(max);
        if allowance == 0 { 0 } else { packets.clamp(1, max) }
    }
}

/// The controller of a path; the fixed modes have none.
fn controller(limits: &Limits, now: Instant, length: u16, seed: u64) -> Option<Box<dyn crate::congestion::Controller>> {
    (limits.kcp.mode == super::mode::Mode::Auto).then(|| limits.congestion.controller(now, length, seed))
}

impl Session for KcpSession {
    fn handle(&mut self, now: Instant, mut packet: BytesMut) {
        if self.closed {
            return;
        }
        packet.truncate(packet.len().saturating_sub(OVERHEAD));
        self.take_in(now, packet.freeze());
        self.transit.end_acks(now, self.app_limited);
        self.settle(now);
        self.mux.made_room(self.room());
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.paced_until = self.paced_until.filter(|at| *at > now);
        for lane in &mut self.lanes {
            lane.handle_timeout(now, &mut self.transit);
        }
        self.transit.end_losses(now);
        if self.transit.probe_at().is_some_and(|at| at <= now) {
            if self.transit.timed_out(now) >= NARROW_AFTER {
                self.lengths.path_changed();
            }
            self.probe();
        }
        if self.trim_at.is_some_and(|at| at <= now) {
            self.trim_at = None;
            self.transit.slots.trim();
        }
        if self.lanes.iter_mut().any(|lane| lane.flight().is_dead()) {
            self.fail();
        }
        if self.lanes.iter_mut().any(|lane| lane.flight().is_stubborn()) {
            self.lengths.path_changed();
        }
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        if self.closed {
            return None;
        }
        let transit = &self.transit;
        let lanes = self.lanes.iter_mut().filter_map(|lane| lane.poll_timeout(transit));
        lanes.chain(self.paced_until).chain(transit.probe_at()).chain(self.trim_at).min()
    }

    fn poll_transmit(&mut self, now: Instant, max: usize, spare: usize, out: &mut Vec<u8>) -> Option<Batch> {
        if self.closed {
            return None;
        }
        self.tell_windows(now);
        self.paced_until = None;
        let has_data = self.has_data(now);
        let allowed = if has_data { self.allowed(now, max) } else { 0 };
        let length = usize::from(self.lengths.now());
        let capacity = length - spare;
        let (mut segment, mut left) = (0, spare);
        for index in 0..max {
            let (start, data) = (out.len(), index < allowed);
            left = self.fill(now, (capacity, spare), data, out);
            let content = out.len() - start;
            if content == 0 {
                break;
            }
            let missing = capacity.saturating_sub(content);
            let is_full = missing < SCRAP && left == spare;
            if is_full {
                // What is missing is padding, so that a batch goes on.
                out.resize(out.len() + missing, 0);
            }
            out.resize(out.len() + left, 0);
            let paced = self.transit.take_unpaced();
            self.pacer.spend(paced);
            self.urgent = self.urgent.saturating_sub(u32::from(paced > 0));
            if index == 0 {
                segment = out.len();
            }
            if !is_full {
                break;
            }
        }
        if segment == 0 {
            if !has_data {
                self.app_limited = true;
                self.urgent = 0;
            }
            return None;
        }
        self.mux.made_room(self.room());
        Some(Batch { segment, spare: left, is_probe: false })
    }

    fn datagram_len(&self) -> usize {
        self.lengths.now().into()
    }

    fn wants_length(&self) -> Option<u16> {
        self.lengths.wanted()
    }

    fn carries(&mut self, length: u16) {
        self.lengths.carries(length);
        if let Some(controller) = self.transit.controller() {
            controller.on_mtu(length);
        }
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front().or_else(|| self.mux.poll_event().filter(|_| !self.closed))
    }

    fn open(&mut self) -> Option<StreamId> {
        if self.closed { None } else { self.mux.open() }
    }

    fn write(&mut self, id: StreamId, data: &mut VecDeque<Bytes>) -> Result<usize, WriteError> {
        if self.closed {
            return Err(Gone.into());
        }
        self.mux.write(id, data, self.room())
    }

    fn read(&mut self, id: StreamId, max: usize, out: &mut Vec<Bytes>) -> Result<Read, Gone> {
        if self.closed {
            return Err(Gone);
        }
        let read = self.mux.read(id, max, out)?;
        self.has_read |= read != Read::Blocked;
        Ok(read)
    }

    fn crowd(&self) -> usize {
        if self.full { self.mux.unread_streams().div_ceil(CROWD_PART).max(1) } else { 0 }
    }

    fn finish(&mut self, id: StreamId) {
        self.mux.finish(id);
    }

    fn reset(&mut self, id: StreamId, code: u32) {
        self.mux.reset(id, code);
    }

    fn stop(&mut self, id: StreamId, code: u32) {
        self.mux.stop(id, code);
        self.has_read = true;
    }

    fn undelivered(&mut self) -> usize {
        self.mux.undelivered()
    }

    fn path_changed(&mut self, now: Instant, change: PathChange) {
        if change == PathChange::New {
            self.lengths.path_changed();
            let controller = controller(&self.limits, now, self.lengths.now(), self.seed);
            self.transit.path_changed(now, controller);
        }
        // Whatever was in flight to the old address may be lost: find out now.
        self.probe();
        if !self.transit.is_flying() {
            self.lanes[0].ask(now);
        }
    }

    fn close(&mut self, _now: Instant, _code: u32) {
        self.closed = true;
    }

    fn stats(&self) -> PathStats {
        let (sent, lost) = self.transit.counts();
        PathStats {
            rtt: self.transit.estimator().smoothed().unwrap_or_default(),
            window: self.transit.window(),
            mtu: self.lengths.now(),
            sent,
            lost,
            pace: self.transit.pace(),
            receive_window: self.budget(),
            send_window: self.room(),
        }
    }

    fn asked(&self) -> u64 {
        self.transit.counts().0 + self.questions
    }
}

const _: () = assert!(SCRAP > HEADER);
