//! What a conversation has received: put in order, and acknowledged.

use super::segment::{Command, HEADER, Malformed, Segment, is_before};
use super::transit::ACK_DELAY;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// Acknowledge every so many segments: rarer acknowledgements cost less, much rarer ones would blur the sender's clock.
const ACK_EVERY: usize = 10;

/// Ranges that are remembered and told, the newest: each is told a few dozen times, however many of
/// the packets that tell of it are lost.
pub(super) const RANGES: usize = 32;

/// Acknowledgements that wait, one by one. Beyond it the oldest is dropped, and its segment comes again.
const SINGLES: usize = 8192;

/// What a segment that is held costs beside its data, bytes: its place in the map, and the allocator's.
const ENTRY: usize = 96;

/// Bytes of a range.
const RANGE: usize = 8;

/// Parts of one segment at a time are put together.
struct Parts {
    serial: u32,
    data: Vec<u8>,
    /// Which bytes have come, from the front on: parts are sent in their order.
    filled: usize,
}

/// How a conversation acknowledges.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Style {
    /// In ranges: the peer is a ginnel.
    Ranges,
    /// Each segment by itself, as the reference does. Waits for so long at most.
    Single(Duration),
}

/// The receive half of a conversation.
pub(super) struct Arrivals {
    style: Style,
    /// Everything before this serial number is here (`rcv_nxt`).
    next: u32,
    /// The same, counted on without wrapping around.
    place: u64,
    /// What has come beyond it, by that count.
    held: BTreeMap<u64, Bytes>,
    bytes: usize,
    ranges: Vec<(u32, u32)>,
    /// Serial numbers and time stamps that are to be acknowledged one by one.
    singles: VecDeque<(u32, u32)>,
    /// The newest that came: its serial number and time stamp.
    newest: Option<(u32, u32)>,
    /// What waits to be acknowledged, and when it is at the latest.
    waiting: usize,
    due: Option<Instant>,
    parts: Option<Parts>,
}

/// What became of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Taken {
    /// It is here now; there may be more to deliver.
    Here,
    /// It was here before.
    Again,
    /// It lies outside the window.
    Outside,
}

impl Arrivals {
    pub(super) fn new(style: Style) -> Self {
        Self {
            style,
            next: 0,
            place: 0,
            held: BTreeMap::new(),
            bytes: 0,
            ranges: Vec::new(),
            singles: VecDeque::new(),
            newest: None,
            waiting: 0,
            due: None,
            parts: None,
        }
    }

    #[cfg(test)]
    pub(super) fn begin_at(&mut self, serial: u32) {
        self.next = serial;
    }

    /// The serial number of the first that is missing.
    pub(super) fn next(&self) -> u32 {
        self.next
    }

    /// Bytes that wait behind a gap.
    pub(super) fn held(&self) -> usize {
        self.bytes
    }

    /// Bytes of memory that they take, at least.
    pub(super) fn memory(&self) -> usize {
        self.bytes + self.held.len() * ENTRY
    }

    /// Takes a segment in. What is in order now is appended to `pieces`. `window`: so many segments
    /// from the first that is missing are taken.
    pub(super) fn take(
        &mut self,
        now: Instant,
        (serial, time): (u32, u32),
        data: Bytes,
        window: u16,
        pieces: &mut Vec<Bytes>,
    ) -> Taken {
        let ahead = serial.wrapping_sub(self.next) as usize;
        if is_before(serial, self.next) {
            self.note(now, serial, time, true);
            return Taken::Again;
        }
        // What fills the gap is taken in any case: nothing else makes room behind it.
        let fills = ahead == 0 && !self.held.is_empty();
        if ahead >= usize::from(window) && !fills {
            return Taken::Outside;
        }
        if ahead == 0 {
            pieces.push(data);
            self.advance();
            self.deliver(pieces);
            // A gap is filled: the sender is glad to know.
            let filled = !self.held.is_empty() || !self.ranges.is_empty();
            self.forget_ranges();
            self.note(now, serial, time, filled);
            return Taken::Here;
        }
        let place = self.place + ahead as u64;
        if self.held.contains_key(&place) {
            // It comes again, for the sender does not know of it: its range was forgotten, or not told.
            if !self.ranges.iter().any(|range| !is_before(serial, range.0) && is_before(serial, range.1)) {
                self.add_range(serial);
            }
            self.note(now, serial, time, true);
            return Taken::Again;
        }
        self.bytes += data.len();
        // A copy: a slice would hold all that came with it, and nobody could say how much that is.
        self.held.insert(place, Bytes::copy_from_slice(&data));
        let news = self.add_range(serial);
        self.note(now, serial, time, news);
        Taken::Here
    }

    fn deliver(&mut self, pieces: &mut Vec<Bytes>) {
        while let Some(entry) = self.held.first_entry().filter(|entry| *entry.key() == self.place) {
            let data = entry.remove();
            self.bytes -= data.len();
            self.advance();
            pieces.push(data);
        }
    }

    fn advance(&mut self) {
        self.place += 1;
        self.next = self.next.wrapping_add(1);
    }

    /// Takes a part of a segment in: its offset and the segment's length stand in front. The whole
    /// segment, when it is complete.
    pub(super) fn take_part(&mut self, serial: u32, mut data: Bytes) -> Result<Option<Bytes>, Malformed> {
        let head: [u8; 4] = *data.first_chunk().ok_or(Malformed)?;
        let (offset, total) = (u16::from_le_bytes([head[0], head[1]]), u16::from_le_bytes([head[2], head[3]]));
        let (offset, total) = (usize::from(offset), usize::from(total));
        let data = data.split_off(4);
        if data.is_empty() || offset + data.len() > total || total > super::slots::SLOT {
            return Err(Malformed);
        }
        if self.parts.as_ref().is_none_or(|parts| parts.serial != serial || parts.data.len() != total) {
            self.parts = Some(Parts { serial, data: vec![0; total], filled: 0 });
        }
        let Some(parts) = self.parts.as_mut().filter(|parts| offset <= parts.filled) else {
            // The one before it is lost, so that all come again.
            return Ok(None);
        };
        parts.data[offset..offset + data.len()].copy_from_slice(&data);
        parts.filled = parts.filled.max(offset + data.len());
        if parts.filled < total {
            return Ok(None);
        }
        Ok(self.parts.take().map(|parts| parts.data.into()))
    }

    /// Something waits to be acknowledged, and not for long where it is news.
    fn note(&mut self, now: Instant, serial: u32, time: u32, news: bool) {
        self.newest = Some((serial, time));
        self.waiting += 1;
        let delay = match self.style {
            Style::Ranges if news || self.waiting >= ACK_EVERY => Duration::ZERO,
            Style::Ranges => ACK_DELAY,
            Style::Single(interval) => {
                if self.singles.len() >= SINGLES {
                    self.singles.pop_front();
                }
                self.singles.push_back((serial, time));
                if news || self.waiting >= ACK_EVERY { Duration::ZERO } else { interval }
            }
        };
        self.due = Some(self.due.map_or(now + delay, |due| due.min(now + delay)));
    }

    /// Adds a serial number to the ranges. `true`: it was not the next of one, so that a gap has opened or changed.
    fn add_range(&mut self, serial: u32) -> bool {
        let after = serial.wrapping_add(1);
        let below = self.ranges.iter().position(|range| range.1 == serial);
        let above = self.ranges.iter().position(|range| range.0 == after);
        let range = match (below, above) {
            (Some(below), Some(above)) => {
                let joined = (self.ranges[below].0, self.ranges[above].1);
                self.ranges.remove(below.max(above));
                self.ranges.remove(below.min(above));
                joined
            }
            (Some(below), None) => (self.ranges.remove(below).0, after),
            (None, Some(above)) => (serial, self.ranges.remove(above).1),
            (None, None) => (serial, after),
        };
        self.ranges.truncate(RANGES - 1);
        // The one that grows is told first.
        self.ranges.insert(0, range);
        below.is_none()
    }

    fn forget_ranges(&mut self) {
        let next = self.next;
        self.ranges.retain(|range| is_before(next, range.1));
    }

    /// Something has to be told, be it only the window.
    pub(super) fn speak(&mut self, now: Instant) {
        self.due = Some(now);
    }

    /// When something is to be acknowledged at the latest.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether all that would be acknowledged stands in the header of every segment.
    pub(super) fn is_plain(&self) -> bool {
        match self.style {
            Style::Ranges => self.ranges.is_empty(),
            Style::Single(_) => self.singles.is_empty(),
        }
    }

    /// What stands in every header has been sent.
    pub(super) fn told(&mut self) {
        if self.is_plain() {
            (self.waiting, self.due) = (0, None);
        }
    }

    /// Writes acknowledgements, or `header` alone where there are none, which tells the window,
    /// into at most `room` bytes. Nothing is written where nothing waits.
    pub(super) fn write(&mut self, header: Segment, room: usize, out: &mut Vec<u8>) {
        if self.due.is_none() || room < HEADER {
            return;
        }
        match self.style {
            Style::Ranges => {
                self.write_ranges(header, (room - HEADER) / RANGE, out);
                (self.waiting, self.due) = (0, None);
            }
            Style::Single(_) => self.write_singles(header, room, out),
        }
    }

    fn write_ranges(&self, header: Segment, count: usize, out: &mut Vec<u8>) {
        let Some((serial, time)) = self.newest else {
            header.write(0, out);
            return;
        };
        let count = count.min(self.ranges.len());
        Segment { command: Command::Ranges, serial, time, ..header }.write(count * RANGE, out);
        for (start, end) in &self.ranges[..count] {
            out.extend_from_slice(&start.to_le_bytes());
            out.extend_from_slice(&end.to_le_bytes());
        }
    }

    /// What lies before `next` is acknowledged by every header; of that only the newest is told, for
    /// the sender's clock.
    fn write_singles(&mut self, header: Segment, room: usize, out: &mut Vec<u8>) {
        let end = out.len() + room;
        if self.singles.is_empty() {
            header.write(0, out);
        }
        while let Some((serial, time)) = self.singles.front().copied() {
            let needless = is_before(serial, self.next) && self.singles.len() > 1;
            if !needless {
                if out.len() + HEADER > end {
                    return;
                }
                Segment { command: Command::Ack, serial, time, ..header }.write(0, out);
            }
            self.singles.pop_front();
        }
        (self.waiting, self.due) = (0, None);
    }
}
