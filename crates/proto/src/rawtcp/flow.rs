//! The numbers of one flow: what it has sent and received, and what it tells of that.

use super::segment::flag;
use super::stamp::{Network, Stamp, Transport};
use super::window::{FAR, SCALE, Window, ahead};
use super::{Mark, Segment};
use rand::{RngExt, rngs::StdRng};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Bytes without acknowledgement, or a quarter of the window if that is less, after which there is one at once…
const TELL_AFTER: u32 = 256 << 10;

/// …and how long it waits otherwise for data that take it along.
pub(super) const TELL_WITHIN: Duration = Duration::from_millis(40);

/// Bytes that timestamps and what aligns them take (RFC 7323, appendix A).
pub(super) const STAMPS: u16 = 12;

/// The longest payload that an IP packet has room for, whatever its headers.
const PACKET_LARGEST: usize = 65_535 - 40 - 20 - STAMPS as usize;

/// The clock of timestamps, in milliseconds as Linux has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// When the machine began.
    pub(super) epoch: Instant,
    /// What this flow adds.
    pub(super) offset: u32,
}

impl Clock {
    pub(super) fn at(&self, now: Instant) -> u32 {
        (now.saturating_duration_since(self.epoch).as_millis() as u32).wrapping_add(self.offset)
    }
}

/// A segment's options where timestamps are spoken.
pub(super) fn stamps(value: u32, echo: u32) -> [u8; 12] {
    let [a, b, c, d] = value.to_be_bytes();
    let [e, f, g, h] = echo.to_be_bytes();
    [1, 1, 8, 10, a, b, c, d, e, f, g, h]
}

/// What a flow begins with.
pub(super) struct Beginning<H> {
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) hop: H,
    /// The number of our next byte.
    pub(super) sent: u32,
    /// The number of the peer's next byte.
    pub(super) received: u32,
    /// Bytes behind `sent` that the peer takes.
    pub(super) open: u32,
    /// By how much its windows are shifted. None: neither end's are.
    pub(super) scale: Option<u8>,
    /// The longest segment for it.
    pub(super) mss: u16,
    /// Its timestamp, if it speaks them.
    pub(super) echo: Option<u32>,
    pub(super) clock: Clock,
    pub(super) label: u32,
    pub(super) id: u16,
}

/// One flow.
#[derive(Debug)]
pub(super) struct Flow<H> {
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) hop: H,
    sent: u32,
    acknowledged: u32,
    /// Where the peer's window ends.
    edge: u32,
    scale: Option<u8>,
    /// The longest payload of a segment.
    payload: u16,
    received: u32,
    /// What of it the peer has been told.
    told: u32,
    window: Window,
    echo: Option<u32>,
    clock: Clock,
    label: u32,
    id: u16,
    /// When something authentic came, at first when it was set up.
    pub(super) heard: Instant,
    /// Since when the peer is owed an acknowledgement.
    pub(super) owing: Option<Instant>,
    /// There is an entry for it among those that owe one.
    pub(super) listed: bool,
    /// The number behind an end that the peer may have sent, and when it is believed.
    pub(super) ending: Option<(u32, Instant)>,
    /// We have said that we are done.
    pub(super) ended: bool,
}

impl<H: Copy> Flow<H> {
    pub(super) fn new(now: Instant, beginning: Beginning<H>, rng: &mut StdRng) -> Self {
        let stamps = if beginning.echo.is_some() { STAMPS } else { 0 };
        Self {
            local: beginning.local,
            remote: beginning.remote,
            hop: beginning.hop,
            sent: beginning.sent,
            acknowledged: beginning.sent,
            edge: beginning.sent.wrapping_add(beginning.open),
            scale: beginning.scale,
            payload: beginning.mss.saturating_sub(stamps),
            received: beginning.received,
            told: beginning.received,
            window: Window::new(beginning.received, beginning.scale.is_some(), rng),
            echo: beginning.echo,
            clock: beginning.clock,
            label: beginning.label,
            id: beginning.id,
            heard: now,
            owing: None,
            listed: false,
            ending: None,
            ended: false,
        }
    }

    /// The number that the peer's next byte has, if nothing was lost.
    pub(super) fn received(&self) -> u32 {
        self.received
    }

    /// The longest payload of a segment.
    pub(super) fn payload(&self) -> usize {
        usize::from(self.payload)
    }

    /// Whether so much may be sent, in segments of at most so much: the peer has room, and none is too long for it.
    pub(super) fn takes(&self, length: usize, segment: usize) -> bool {
        let longest = segment.min(length);
        let end = |length: usize| self.sent.wrapping_add(length as u32);
        !self.ended
            && longest > 0
            && longest <= self.payload()
            && length <= PACKET_LARGEST
            && ahead(end(length), self.edge) <= 0
    }

    /// Headers for data that [`takes`](Self::takes) has found well: they count as sent.
    pub(super) fn data(
        &mut self,
        now: Instant,
        length: usize,
        segment: usize,
        push: bool,
        rng: &mut StdRng,
    ) -> Stamp<H> {
        let flags = if push { flag::ACK | flag::PSH } else { flag::ACK };
        let stamp = self.stamp(now, flags, length, rng);
        self.sent = self.sent.wrapping_add(length as u32);
        // Segmentation counts it on by itself.
        self.id = self.id.wrapping_add(length.div_ceil(segment) as u16);
        stamp
    }

    /// A segment without payload: an acknowledgement, or an end.
    pub(super) fn bare(&mut self, now: Instant, flags: u8, rng: &mut StdRng) -> Stamp<H> {
        let stamp = self.stamp(now, flags, 0, rng);
        self.id = self.id.wrapping_add(1);
        if flags & flag::FIN != 0 {
            self.sent = self.sent.wrapping_add(1);
            self.ended = true;
        }
        stamp
    }

    fn stamp(&mut self, now: Instant, flags: u8, length: usize, rng: &mut StdRng) -> Stamp<H> {
        let network = Network { source: self.local, destination: self.remote, id: self.id, label: self.label };
        let options = self.echo.map(|echo| stamps(self.clock.at(now), echo));
        // An end that is believed takes a number as well.
        let received = self.ending.filter(|_| flags & flag::FIN != 0).map_or(self.received, |(end, _)| end);
        (self.told, self.owing) = (self.received, None);
        let transport = Transport {
            sequence: self.sent,
            acknowledgement: received,
            flags,
            window: self.window.tell(self.received, rng),
            options: options.as_ref().map_or(&[], |options| &options[..]),
        };
        Stamp::write(self.hop, &network, &transport, length)
    }

    /// Takes note of authentic data. False: its numbers have nothing to do with these.
    pub(super) fn hear(&mut self, now: Instant, mark: &Mark<H>) -> bool {
        let end = mark.sequence.wrapping_add(mark.length);
        let news = ahead(end, self.received);
        if news.unsigned_abs() > FAR as u32 || ahead(mark.acknowledgement, self.sent).unsigned_abs() > FAR as u32 {
            return false;
        }
        self.heard = now;
        if news > 0 {
            self.received = end;
            self.owing.get_or_insert(now);
        }
        if let (Some(echo), Some((value, _))) = (&mut self.echo, mark.timestamps)
            && ahead(value, *echo) > 0
        {
            *echo = value;
        }
        // Something of ours came after all that we do not remember: from before a restart.
        if ahead(mark.acknowledgement, self.sent) > 0 {
            self.sent = mark.acknowledgement;
        }
        self.acknowledge(mark.acknowledgement, mark.window);
        true
    }

    /// Takes the numbers of authentic data for its own: whatever it thought, the peer is there.
    pub(super) fn renumber(&mut self, now: Instant, mark: &Mark<H>, rng: &mut StdRng) {
        self.received = mark.sequence.wrapping_add(mark.length);
        self.told = mark.sequence;
        self.owing = Some(now);
        self.window = Window::new(self.received, self.scale.is_some(), rng);
        (self.sent, self.acknowledged) = (mark.acknowledgement, mark.acknowledgement);
        self.edge = mark.acknowledgement;
        self.acknowledge(mark.acknowledgement, mark.window);
        self.echo = self.echo.and(mark.timestamps.map(|(value, _)| value)).or(self.echo);
        self.heard = now;
    }

    /// So much is owed that it is to be told now.
    pub(super) fn owes_much(&self) -> bool {
        self.received.wrapping_sub(self.told) >= TELL_AFTER.min(self.window.size() / 4)
    }

    /// Whether a segment without payload fits this flow. If it does, it may raise what the peer has acknowledged and its
    /// window, which anybody may who knows where the flow is; nothing else.
    pub(super) fn observe(&mut self, segment: &Segment) -> bool {
        let fits = segment.has(flag::ACK)
            && self.window.covers(self.received, segment.sequence)
            && ahead(segment.acknowledgement, self.sent) <= 0
            && ahead(segment.acknowledgement, self.acknowledged) > -FAR;
        if fits {
            self.acknowledge(segment.acknowledgement, segment.window);
        }
        fits
    }

    /// Whether everything we have sent has come, as far as anybody says.
    pub(super) fn all_acknowledged(&self) -> bool {
        self.acknowledged == self.sent
    }

    /// Whether a segment with this number may be the peer's.
    pub(super) fn covers(&self, sequence: u32) -> bool {
        self.window.covers(self.received, sequence)
    }

    fn acknowledge(&mut self, acknowledgement: u32, window: u16) {
        if ahead(acknowledgement, self.acknowledged) > 0 {
            self.acknowledged = acknowledgement;
        }
        let edge = acknowledgement.wrapping_add(u32::from(window) << self.scale.unwrap_or(0));
        if ahead(edge, self.edge) > 0 {
            self.edge = edge;
        }
    }
}

/// What a peer's windows are shifted by, and the longest segment for it, where its request is forgotten: as ours, if it
/// speaks timestamps as ours do.
pub(super) fn assumed(remote: SocketAddr, timestamps: bool) -> (Option<u8>, u16) {
    (timestamps.then_some(SCALE), if remote.ip().to_canonical().is_ipv4() { 1460 } else { 1440 })
}

/// A random identification for a flow's first packet.
pub(super) fn first_id(rng: &mut StdRng) -> u16 {
    rng.random()
}
