//! A few KCP conversations and a mux as one [`Session`].

use super::conversation::{Beginning, Conversation};
use super::lengths::Lengths;
use super::mux::{Mux, Settings as MuxSettings};
use super::params::{BadParams, Params};
use super::receive::Refusals;
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
use std::time::Instant;

/// After so many time-outs in a row the path may have become one that long datagrams do not pass.
const NARROW_AFTER: u32 = 2;

/// Of the streams that nobody reads such a part is given up at once when there are too many.
const CROWD_PART: usize = 4;

/// The KCP session of one link.
pub struct KcpSession {
    pub(super) lanes: Vec<Conversation>,
    pub(super) mux: Mux,
    pub(super) transit: Transit,
    pub(super) pacer: Pacer,
    pub(super) lengths: Lengths,
    pub(super) limits: Limits,
    pub(super) seed: u64,
    pub(super) events: VecDeque<Event>,
    pub(super) closed: bool,
    /// Pieces of a pipe on their way to the mux.
    pub(super) pieces: Vec<Bytes>,
    /// The lane that goes first in the next packet.
    pub(super) turn: usize,
    /// The pacer has stopped us: when to go on.
    pub(super) paced_until: Option<Instant>,
    /// Nothing was left to send when something was last sent.
    pub(super) app_limited: bool,
    /// So many packets leave whatever window and pacer say.
    pub(super) urgent: u32,
    /// Questions for the window that were sent.
    pub(super) questions: u64,
    /// Streams that nobody reads fill the link, and the peer has more.
    pub(super) full: bool,
    /// Something was read: the peer may send more.
    pub(super) has_read: bool,
    pub(super) trim_at: Option<Instant>,
    pub(super) refusals: Refusals,
}

impl KcpSession {
    /// A session whose link has just begun.
    pub fn new(start: &Start<'_>, limits: &Limits, now: Instant, rng: &mut impl CryptoRng) -> Result<Self, BadParams> {
        let (peer, own) = (Params::decode(start.params)?, super::params(limits));
        let settings = limits.kcp;
        let shaped = limits.profile.segment_cut.high > 0;
        // To a peer that takes no parts nothing is sent that a path might not carry one day.
        let longest = if peer.extended { start.datagram_max } else { 0 };
        let lengths = Lengths::new(longest, start.datagram_more, shaped, rng);
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

    /// The path carries no long datagrams any more, it seems.
    fn narrow(&mut self) {
        self.lengths.path_changed();
        let length = self.lengths.now();
        if let Some(controller) = self.transit.controller() {
            controller.on_mtu(length);
        }
    }

    /// What was not taken in, so far.
    pub fn refusals(&self) -> Refusals {
        self.refusals
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
        let unread = self.mux.unread();
        self.take_in(now, packet.freeze());
        // A reset makes room as well as reading does.
        self.has_read |= self.mux.unread() < unread;
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
                self.narrow();
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
        let mut is_narrow = false;
        // Each is asked, for each tells it once.
        for lane in &mut self.lanes {
            is_narrow |= lane.flight().is_stubborn();
        }
        if is_narrow {
            self.narrow();
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
        if self.closed { None } else { self.transmit(now, max, spare, out) }
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
            receive_window: self.limits.link_window.into(),
            send_window: self.room() + self.outstanding(),
            refused: self.refusals.all(),
        }
    }

    fn asked(&self) -> u64 {
        self.transit.counts().0 + self.questions
    }
}
