//! Plain KCP, without link, envelope and mux: one conversation that carries one stream of bytes each
//! way, as the reference and its ports speak it over UDP. It shows that the conversation is KCP.

use super::Settings;
use super::conversation::{Beginning, Conversation};
use super::mode::Mode;
use super::segment::{HEADER, Segment};
use super::transit::Transit;
use crate::congestion::Congestion;
use crate::congestion::pacer::Pacer;
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// One end of a conversation.
pub struct Plain {
    number: u32,
    conversation: Conversation,
    transit: Transit,
    pacer: Pacer,
    window: u16,
    mtu: usize,
    inbox: VecDeque<Bytes>,
    outbox: VecDeque<Bytes>,
    unsent: usize,
    pieces: Vec<Bytes>,
    /// Packets that leave whatever window and pacer say.
    urgent: u32,
    paced_until: Option<Instant>,
    app_limited: bool,
    refused: u64,
}

impl Plain {
    /// An end of conversation `number`, whose datagrams are at most `mtu` bytes long (576 to 1,472).
    pub fn new(number: u32, settings: &Settings, mtu: u16, now: Instant) -> Self {
        let mtu = mtu.clamp(576, crate::link::DATAGRAM_LARGEST);
        let controller = || Congestion::Adaptive.controller(now, mtu, u64::from(number));
        let transit = Transit::new(settings.mode, (settings.mode == Mode::Auto).then(controller), None, now);
        let window = settings.lane_window();
        let beginning = Beginning { number, send_window: window, peer_window: None, extended: false };
        Self {
            number,
            conversation: Conversation::new(&beginning, &transit),
            transit,
            pacer: Pacer::new(now, mtu),
            window,
            mtu: mtu.into(),
            inbox: VecDeque::new(),
            outbox: VecDeque::new(),
            unsent: 0,
            pieces: Vec::new(),
            urgent: 0,
            paced_until: None,
            app_limited: true,
            refused: 0,
        }
    }

    /// The conversation that a datagram belongs to: who accepts takes it from the first.
    pub fn number_of(datagram: &[u8]) -> Option<u32> {
        datagram.first_chunk().copied().map(u32::from_le_bytes).filter(|_| datagram.len() >= HEADER)
    }

    /// Takes in one datagram.
    pub fn handle(&mut self, now: Instant, mut datagram: Bytes) {
        let window = self.receive_window();
        loop {
            match Segment::read(&mut datagram) {
                Ok(Some((segment, data))) if segment.conversation == self.number => {
                    let taken =
                        self.conversation.handle(now, (segment, data), window, &mut self.transit, &mut self.pieces);
                    self.refused += u64::from(taken.is_err());
                }
                Ok(None) => break,
                Ok(Some(_)) | Err(_) => {
                    self.refused += 1;
                    break;
                }
            }
        }
        self.inbox.extend(self.pieces.drain(..).filter(|piece| !piece.is_empty()));
        self.transit.end_acks(now, self.app_limited);
        self.conversation.find_lost(now, &mut self.transit);
        self.transit.end_losses(now);
    }

    /// Takes note that the time of [`poll_timeout`](Self::poll_timeout) has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.paced_until = self.paced_until.filter(|at| *at > now);
        self.conversation.handle_timeout(now, &mut self.transit);
        self.transit.end_losses(now);
        if self.transit.probe_at().is_some_and(|at| at <= now) {
            self.transit.timed_out(now);
            self.conversation.flight().probe();
            self.urgent = 1;
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        let conversation = self.conversation.poll_timeout(&self.transit);
        conversation.into_iter().chain(self.transit.probe_at()).chain(self.paced_until).min()
    }

    /// Writes the next datagram into `out`, which must be empty. `false`: nothing to send now.
    pub fn poll_transmit(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        let window = self.receive_window();
        if self.conversation.acks_due().is_some_and(|due| due <= now) {
            self.conversation.write_acks(now, window, self.mtu, &self.transit, out);
        }
        self.paced_until = None;
        let waits = self.conversation.again_len().is_some() || self.unsent > 0;
        if waits && self.is_allowed(now) {
            self.write_data(now, window, out);
            self.urgent = self.urgent.saturating_sub(1);
            self.pacer.spend(self.transit.take_unpaced());
        }
        self.app_limited |= !waits;
        !out.is_empty()
    }

    fn write_data(&mut self, now: Instant, window: u16, out: &mut Vec<u8>) {
        while self.conversation.again_len().is_some() {
            let room = self.mtu - out.len();
            if !self.conversation.send_again(now, window, room, false, &mut self.transit, out) {
                return;
            }
        }
        let room = self.mtu - out.len();
        if self.unsent == 0 || room <= HEADER || !self.conversation.may_send(now) {
            return;
        }
        let outbox = &mut self.outbox;
        let before = out.len();
        self.conversation.send(now, window, room, &mut self.transit, out, |room, out| {
            fill(outbox, room, out);
            outbox.is_empty()
        });
        self.unsent -= (out.len() - before).saturating_sub(HEADER);
    }

    fn is_allowed(&mut self, now: Instant) -> bool {
        if self.urgent > 0 {
            return true;
        }
        let pace = self.transit.pace();
        let allowed = self.transit.in_flight() < self.transit.window();
        if allowed && self.pacer.allowance(now, pace) == 0 {
            self.paced_until = Some(self.pacer.ready_at(now, pace));
        }
        let allowed = allowed && self.paced_until.is_none();
        self.app_limited &= allowed;
        allowed
    }

    /// As in the reference, only what is in order and unread takes from it, by the segment: so its end
    /// never goes back, and what was promised is taken when it comes.
    fn receive_window(&self) -> u16 {
        self.window.saturating_sub(u16::try_from(self.inbox.len()).unwrap_or(u16::MAX))
    }

    /// Hands bytes over to be sent. Who writes looks at [`unsent`](Self::unsent).
    pub fn write(&mut self, data: Bytes) {
        self.unsent += data.len();
        self.outbox.push_back(data);
    }

    /// Bytes that were written and have not left.
    pub fn unsent(&self) -> usize {
        self.unsent
    }

    /// Bytes that have left and that the peer has not acknowledged.
    pub fn outstanding(&self) -> usize {
        self.conversation.outstanding()
    }

    /// The next bytes that have come.
    pub fn read(&mut self, now: Instant) -> Option<Bytes> {
        let data = self.inbox.pop_front()?;
        self.conversation.window_changed(now, self.receive_window());
        Some(data)
    }

    /// Whether the peer has not answered, however often one segment was sent.
    pub fn is_dead(&mut self) -> bool {
        self.conversation.flight().is_dead()
    }

    /// Segments sent, those of them found lost, and what of the peer was refused.
    pub fn counts(&self) -> (u64, u64, u64) {
        let (sent, lost) = self.transit.counts();
        (sent, lost, self.refused)
    }

    /// The smoothed round trip, once there was any.
    pub fn rtt(&self) -> Option<Duration> {
        self.transit.estimator().smoothed()
    }
}

/// Moves at most `room` bytes from the front of a queue.
fn fill(queue: &mut VecDeque<Bytes>, mut room: usize, out: &mut Vec<u8>) {
    while room > 0
        && let Some(data) = queue.front_mut()
    {
        let length = room.min(data.len());
        out.extend_from_slice(&data[..length]);
        data.advance(length);
        room -= length;
        if data.is_empty() {
            queue.pop_front();
        }
    }
}
