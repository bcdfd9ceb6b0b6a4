//! One KCP conversation: an ordered pipe of bytes each way, wire-compatible with the reference.
//!
//! A machine for segments: who uses it takes packets apart and puts them together, so that several
//! conversations (lanes) may share one. What they share besides is a [`Transit`].

use super::arrivals::{Arrivals, RANGES, Style, Taken};
use super::flight::{Flight, SPAN_MAX};
use super::segment::{Command, HEADER, Malformed, Segment, is_before};
use super::transit::Transit;
use bytes::Bytes;
use std::time::{Duration, Instant};

/// What the reference believes of its peer's window before it has heard of it (`IKCP_WND_RCV`).
const WINDOW_FIRST: u16 = 128;

/// A window of nothing is asked about after so long, and ever more seldom. The reference waits for
/// seven seconds; a question costs a header.
const ASK_FIRST: Duration = Duration::from_millis(500);
/// A new link is asked again after this.
const GREET_AGAIN: Duration = Duration::from_millis(300);
/// At least this often: the answer that tells of room may be lost. (The reference's `IKCP_PROBE_LIMIT` is 120 s.)
const ASK_MAX: Duration = Duration::from_secs(10);

/// A peer is told that has fewer than so many segments of its window left, and could have so many more.
const TELL_LEAST: u16 = 32;

/// Why a segment was not taken in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refused {
    /// Its serial number is not within the window.
    Outside,
    /// It acknowledges what was never sent.
    Future,
    /// A part that fits nothing, or ranges that are none.
    Malformed,
}

impl From<Malformed> for Refused {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// What a conversation begins with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beginning {
    /// Its number (`conv`).
    pub(super) number: u32,
    /// So many segments may be on their way (`snd_wnd`).
    pub(super) send_window: u16,
    /// The peer's window, where it is known before it has said anything.
    pub(super) peer_window: Option<u16>,
    /// The peer knows ginnel's own commands.
    pub(super) extended: bool,
}

/// One conversation.
pub(super) struct Conversation {
    number: u32,
    send_window: usize,
    peer_window: usize,
    /// What the peer had (`una`) when it told that.
    told_by: u32,
    extended: bool,
    flight: Flight,
    arrivals: Arrivals,
    /// The window that the peer was last told, as the serial number at which it ends.
    told_end: u32,
    /// The peer wants to know the window.
    tell: bool,
    /// When to ask for the peer's window, and how long that was waited for.
    ask: Option<(Instant, Duration)>,
    /// It is time to ask.
    asks: bool,
    /// The peer was never heard, and is asked until it is.
    greets: bool,
    /// The serial number of a segment that is sent in parts, and how many of its bytes have left.
    parts_left: Option<(u32, usize)>,
}

impl Conversation {
    /// A conversation in which nothing was said yet.
    pub(super) fn new(beginning: &Beginning, transit: &Transit) -> Self {
        let interval = transit.tuning().interval;
        let style = if beginning.extended { Style::Ranges } else { Style::Single(interval) };
        Self {
            number: beginning.number,
            send_window: beginning.send_window.into(),
            peer_window: beginning.peer_window.unwrap_or(WINDOW_FIRST).into(),
            told_by: 0,
            extended: beginning.extended,
            flight: Flight::new(),
            arrivals: Arrivals::new(style),
            told_end: 0,
            tell: false,
            ask: None,
            asks: false,
            greets: false,
            parts_left: None,
        }
    }

    /// The first serial number each way, instead of 0: for tests of what wraps around.
    #[cfg(test)]
    pub(super) fn begin_at(&mut self, serial: u32) {
        self.flight.begin_at(serial);
        self.arrivals.begin_at(serial);
        self.told_end = serial;
        self.told_by = serial;
    }

    /// Takes a segment in; what is in order now is appended to `pieces`. `window`: so many segments
    /// beyond the last in order are taken.
    pub(super) fn handle(
        &mut self,
        now: Instant,
        (segment, data): (Segment, Bytes),
        window: u16,
        transit: &mut Transit,
        pieces: &mut Vec<Bytes>,
    ) -> Result<(), Refused> {
        if !self.flight.acknowledge_before(now, segment.next, transit) {
            return Err(Refused::Future);
        }
        self.flight.heard(now);
        // What was sent before something that has come already says nothing new of the window.
        if !is_before(segment.next, self.told_by) {
            self.peer_window = segment.window.into();
            self.told_by = segment.next;
        }
        if std::mem::take(&mut self.greets) || self.peer_window > 0 {
            self.ask = None;
        }
        match segment.command {
            Command::Push => self.take(now, &segment, data, window, pieces)?,
            Command::Part => {
                if let Some(whole) = self.arrivals.take_part(segment.serial, data)? {
                    self.take(now, &segment, whole, window, pieces)?;
                }
            }
            Command::Ack if self.flight.acknowledge(now, segment.serial, segment.time, transit) => {}
            Command::Ack => return Err(Refused::Future),
            Command::Ranges => self.handle_ranges(now, &segment, &data, transit)?,
            Command::Ask => {
                self.tell = true;
                self.arrivals.speak(now);
            }
            Command::Tell => {}
        }
        Ok(())
    }

    fn take(
        &mut self,
        now: Instant,
        segment: &Segment,
        data: Bytes,
        window: u16,
        pieces: &mut Vec<Bytes>,
    ) -> Result<(), Refused> {
        match self.arrivals.take(now, (segment.serial, segment.time), data, window, pieces) {
            Taken::Here | Taken::Again => Ok(()),
            Taken::Outside => {
                // The sender may not know of the window.
                self.arrivals.speak(now);
                Err(Refused::Outside)
            }
        }
    }

    fn handle_ranges(
        &mut self,
        now: Instant,
        segment: &Segment,
        data: &[u8],
        transit: &mut Transit,
    ) -> Result<(), Refused> {
        let (ranges, rest) = data.as_chunks::<8>();
        if !rest.is_empty() || ranges.len() > RANGES {
            return Err(Refused::Malformed);
        }
        // The newest goes first: its time stamp says which transmission it was.
        self.flight.acknowledge_newest(now, segment.serial, segment.time, transit);
        for range in ranges {
            let (start, end) = (&range[..4], &range[4..]);
            let word = |bytes: &[u8]| bytes.try_into().map(u32::from_le_bytes).unwrap_or_default();
            if !self.flight.acknowledge_range(now, (word(start), word(end)), transit) {
                return Err(Refused::Future);
            }
        }
        Ok(())
    }

    /// Finds what is lost, after all that a packet acknowledges was taken in.
    pub(super) fn find_lost(&mut self, now: Instant, transit: &mut Transit) {
        self.flight.find_lost(now, transit);
    }

    /// Takes note that the time of [`poll_timeout`](Self::poll_timeout) has come.
    pub(super) fn handle_timeout(&mut self, now: Instant, transit: &mut Transit) {
        self.flight.find_lost(now, transit);
        // What was to be sent may be gone by now, so that nobody has looked at the window since.
        self.ask = self.ask.filter(|_| self.peer_window == 0 || self.greets);
        if let Some((at, waited)) = self.ask.filter(|(at, _)| *at <= now) {
            let wait = (waited * 3 / 2).min(ASK_MAX);
            self.ask = Some((at.max(now) + wait, wait));
            self.ask(now);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called, or acknowledgements leave.
    pub(super) fn poll_timeout(&mut self, transit: &Transit) -> Option<Instant> {
        let lost = self.flight.poll_timeout(transit);
        let ask = self.ask.map(|(at, _)| at);
        lost.into_iter().chain(ask).chain(self.arrivals.due()).min()
    }

    /// Whether the windows let a new segment leave. Where the peer's does not, it is asked about it.
    pub(super) fn may_send(&mut self, now: Instant) -> bool {
        let span = self.flight.span();
        let may = span < self.send_window.min(self.peer_window).min(SPAN_MAX);
        if may {
            (self.ask, self.greets) = (None, false);
        } else if self.ask.is_none() && self.peer_window <= span && span == 0 {
            // What is in flight would be answered, and the answer tells the window.
            self.ask = Some((now + ASK_FIRST, ASK_FIRST));
        }
        may
    }

    /// Writes acknowledgements and windows that are to be told, into at most `room` bytes.
    pub(super) fn write_acks(&mut self, now: Instant, window: u16, room: usize, transit: &Transit, out: &mut Vec<u8>) {
        let header = self.header(Command::Tell, window, transit.clock(now));
        if self.asks && room >= HEADER {
            self.asks = false;
            Segment { command: Command::Ask, ..header }.write(0, out);
            self.tell = false;
            self.arrivals.told();
            self.told(window);
            return;
        }
        let before = out.len();
        self.arrivals.write(header, room, out);
        if out.len() > before {
            self.tell = false;
            self.told(window);
        }
    }

    /// Sends a new segment into at most `room` bytes, with data that `fill` appends: at most as many
    /// bytes as it is told. It returns whether nothing follows them. Nothing is written where it has
    /// none.
    pub(super) fn send(
        &mut self,
        now: Instant,
        window: u16,
        room: usize,
        transit: &mut Transit,
        out: &mut Vec<u8>,
        fill: impl FnOnce(usize, &mut Vec<u8>) -> bool,
    ) -> bool {
        if room <= HEADER {
            return false;
        }
        let header = Segment { serial: self.flight.next(), ..self.header(Command::Push, window, transit.clock(now)) };
        let start = out.len();
        header.write(0, out);
        let is_last = fill(room - HEADER, out);
        let length = out.len() - start - HEADER;
        debug_assert!(length <= room - HEADER, "{length} bytes for {room}");
        if length == 0 {
            out.truncate(start);
            return false;
        }
        out[start + 20..start + HEADER].copy_from_slice(&(length as u32).to_le_bytes());
        // Somebody may wait for what is not followed by more, and nothing behind it would show its loss.
        let twice = is_last && transit.is_lossy();
        self.flight.push(now, &out[start + HEADER..], twice, transit);
        self.said(window);
        true
    }

    /// The length of the segment that is to be sent again next, header included.
    pub(super) fn again_len(&mut self) -> Option<usize> {
        let again = self.flight.again()?;
        let begun = self.parts_left.filter(|(serial, _)| *serial == again.serial);
        Some(HEADER + begun.map_or(again.length, |(_, done)| PART_HEAD + again.length - done))
    }

    /// Sends a segment again, into at most `room` bytes; where that is too little and `split` is
    /// allowed, the next part of it. `false`: it does not fit.
    pub(super) fn send_again(
        &mut self,
        now: Instant,
        window: u16,
        room: usize,
        split: bool,
        transit: &mut Transit,
        out: &mut Vec<u8>,
    ) -> bool {
        let Some(again) = self.flight.again() else { return false };
        let header = Segment { serial: again.serial, ..self.header(Command::Push, window, transit.clock(now)) };
        let begun = self.parts_left.take().filter(|(serial, _)| *serial == again.serial);
        if HEADER + again.length <= room && begun.is_none() {
            header.write(again.length, out);
            out.extend_from_slice(transit.slots.get(again.slot, again.length));
            self.flight.leaves_again(now, transit);
            self.said(window);
            return true;
        }
        let done = begun.map_or(0, |(_, done)| done);
        let split = split || begun.is_some();
        if !split || !self.extended || room <= HEADER + PART_HEAD {
            self.parts_left = begun;
            return false;
        }
        let length = (room - HEADER - PART_HEAD).min(again.length - done);
        Segment { command: Command::Part, ..header }.write(PART_HEAD + length, out);
        out.extend_from_slice(&(done as u16).to_le_bytes());
        out.extend_from_slice(&(again.length as u16).to_le_bytes());
        out.extend_from_slice(&transit.slots.get(again.slot, again.length)[done..done + length]);
        if done + length == again.length {
            self.flight.leaves_again(now, transit);
        } else {
            self.parts_left = Some((again.serial, done + length));
        }
        true
    }

    /// The window is another one now. The peer is told where that lets it go on, or go on better.
    pub(super) fn window_changed(&mut self, now: Instant, window: u16) {
        let end = self.arrivals.next().wrapping_add(window.into());
        let more = end.wrapping_sub(self.told_end) as i32;
        let left = self.told_end.wrapping_sub(self.arrivals.next()) as i32;
        if more >= i32::from(TELL_LEAST) && left < i32::from(TELL_LEAST) {
            self.arrivals.speak(now);
        }
    }

    fn header(&self, command: Command, window: u16, time: u32) -> Segment {
        let (conversation, next) = (self.number, self.arrivals.next());
        Segment { conversation, command, fragment: 0, window, time, serial: 0, next }
    }

    /// A segment with data has told all that stands in its header.
    fn said(&mut self, window: u16) {
        self.arrivals.told();
        self.told(window);
    }

    fn told(&mut self, window: u16) {
        self.told_end = self.arrivals.next().wrapping_add(window.into());
    }

    /// The send half.
    pub(super) fn flight(&mut self) -> &mut Flight {
        &mut self.flight
    }

    /// When something is to be acknowledged or told at the latest.
    pub(super) fn acks_due(&self) -> Option<Instant> {
        self.arrivals.due()
    }

    /// Bytes that wait behind a gap.
    pub(super) fn held(&self) -> usize {
        self.arrivals.held()
    }

    /// Bytes of memory that they take.
    pub(super) fn memory(&self) -> usize {
        self.arrivals.memory()
    }

    /// Asks the peer for its window until something comes from it.
    pub(super) fn greet(&mut self, now: Instant) {
        self.ask = Some((now, GREET_AGAIN));
        self.greets = true;
        self.ask(now);
    }

    /// Asks the peer for its window: it answers at once.
    pub(super) fn ask(&mut self, now: Instant) {
        self.asks = true;
        self.arrivals.speak(now);
    }

    /// Whether it will ask with its next packet.
    pub(super) fn asks(&self) -> bool {
        self.asks
    }

    /// Whether the peer has asked for the window since it was last told.
    pub(super) fn is_asked(&self) -> bool {
        self.tell
    }

    /// Bytes of data that the peer has not acknowledged.
    pub(super) fn outstanding(&self) -> usize {
        self.flight.held()
    }
}

/// Offset and length of the whole, in front of a part.
const PART_HEAD: usize = 4;
