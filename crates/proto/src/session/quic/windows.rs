//! How much may be on its way: windows that follow the path.
//!
//! A receiver's window must cover what the path holds (delivery rate × round-trip time), or it
//! slows the sender down; all of it may end up waiting here when readers pause, so it must not be
//! larger than need be.
//!
//! The window of a *stream* is chosen once, by the path's first round trip: the library keeps it for
//! the life of a connection. That of the *link* grows with what the busiest round trip of the last
//! seconds brought, and beyond that whenever the peer says that it is held up by it: streams that
//! nobody reads at the moment fill it, and the others shall go on. It shrinks again when it is quiet
//! and everything is read. The *send* window follows what may be in flight.

use crate::session::stream_window::stream_window;
use std::time::{Duration, Instant};

/// A link's window is never less than so many streams' windows: one that pauses fills its own.
const STREAMS_LEAST: u64 = 4;

/// What the path holds, times this: a sender that grows fills twice as much in its next round trip.
const HEADROOM: f64 = 2.5;

/// The least receive window of a link: with less the library would tell of every byte that is read.
const RECEIVE_MIN: u64 = 64 << 10;

/// What may be written, in windows of what may be in flight: one that is, and one that follows.
const SEND_WINDOWS: u64 = 2;

/// The same on a path that loses packets. All that was written after a packet that is not
/// acknowledged counts, and in each of a few round trips some packet is lost again.
const SEND_WINDOWS_LOSSY: u64 = 6;

/// A path is lossy that loses more than one packet in so many.
const LOSSY: u64 = 200;

/// The least send window: what a path may hold of which nothing is known.
const SEND_MIN: u64 = 2 << 20;

/// More than this in a round trip, bytes, and something flows again.
const FLOWS: u64 = 64 << 10;

/// What the busiest round trip brought is remembered for at least this long, and at most twice.
const MEMORY: Duration = Duration::from_secs(10);

/// Shorter round trips are not told apart: timers and batches blur them.
const ROUND_MIN: Duration = Duration::from_millis(5);

/// The round trip of a path of which nothing is known.
const RTT_UNKNOWN: Duration = Duration::from_millis(100);

/// The bounds within which the windows of a link move, bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// What the library may hold of one stream.
    pub(super) stream: u64,
    /// What may be unread of the whole link.
    pub(super) link: u64,
    /// What may be written to the link and not yet acknowledged.
    pub(super) send: u64,
}

impl Bounds {
    /// The bounds of a link whose first round trip took `rtt`, with the most that a stream may hold.
    pub(super) fn new(stream_max: u32, link: u64, send: u64, rtt: Duration) -> Self {
        Self { stream: stream_window(rtt, stream_max).into(), link, send }
    }

    /// The receive window of a link of which nothing more is known.
    pub(super) fn receive_first(&self) -> u64 {
        (STREAMS_LEAST * self.stream).min(self.link)
    }

    /// The send window of such a link.
    pub(super) fn send_first(&self) -> u64 {
        SEND_MIN.min(self.send)
    }
}

/// Whether a window is so far from what it should be that it is worth telling.
pub(super) fn differs(wanted: u64, has: u64) -> bool {
    wanted.abs_diff(has) > has / 8
}

/// The windows of one link.
#[derive(Debug)]
pub(super) struct Windows {
    bounds: Bounds,
    round_start: Instant,
    round_bytes: u64,
    /// What was seen in this span of [`MEMORY`], and in the one before.
    spans: [Span; 2],
    span_start: Instant,
    /// What was added because the peer was held up.
    added: u64,
    /// How often the peer has said so, and whether it did when nothing could be added any more.
    held_up: u64,
    full: bool,
    /// Packets sent and lost when their share was last looked at.
    looked: (u64, u64),
}

/// The best of a span of time.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    /// Bytes a second.
    rate: f64,
    rtt: Option<Duration>,
    held_up: bool,
    is_lossy: bool,
}

/// What is known when a round trip has ended.
pub(super) struct Round {
    /// The smoothed round-trip time, once there is a connection.
    pub(super) rtt: Option<Duration>,
    /// How often the peer has said that the link's window holds it up.
    pub(super) held_up: u64,
    /// Whether there are streams that nobody seems to read.
    pub(super) unread: bool,
    /// The window as it is, and what is held beside it, bytes.
    pub(super) allowed: u64,
    /// Packets sent so far, and those of them that were lost.
    pub(super) sent: u64,
    /// See `sent`.
    pub(super) lost: u64,
}

impl Windows {
    /// Windows of a path on which one round trip has been measured.
    pub(super) fn new(bounds: Bounds, rtt: Duration, now: Instant) -> Self {
        Self {
            bounds,
            round_start: now,
            round_bytes: 0,
            spans: [Span { rtt: Some(rtt), ..Span::default() }, Span::default()],
            span_start: now,
            added: 0,
            held_up: 0,
            full: false,
            looked: (0, 0),
        }
    }

    /// Takes note of what has come.
    pub(super) fn received(&mut self, now: Instant, bytes: usize) {
        if self.round_bytes == 0 {
            self.round_start = now;
        }
        self.round_bytes += bytes as u64;
    }

    /// When the round trip ends in which something has come.
    pub(super) fn round_end(&self) -> Option<Instant> {
        (self.round_bytes > 0).then(|| self.round_start + self.rtt().max(ROUND_MIN))
    }

    /// The round trip has ended: the windows may be others now.
    pub(super) fn end_round(&mut self, now: Instant, round: &Round) {
        let elapsed = now.saturating_duration_since(self.round_start).max(ROUND_MIN);
        if now.saturating_duration_since(self.span_start) >= MEMORY {
            self.begin_span(now, round.unread);
        }
        let best = &mut self.spans[0];
        best.rtt = best.rtt.into_iter().chain(round.rtt).min();
        best.rate = best.rate.max(self.round_bytes as f64 / elapsed.as_secs_f64());
        let (sent, lost) = (round.sent.saturating_sub(self.looked.0), round.lost.saturating_sub(self.looked.1));
        if sent >= LOSSY {
            best.is_lossy |= lost * LOSSY > sent;
            self.looked = (round.sent, round.lost);
        }
        if self.round_bytes > FLOWS {
            self.full = false;
        }
        self.round_bytes = 0;
        if round.held_up > self.held_up {
            self.held_up = round.held_up;
            best.held_up = true;
            let allowed = round.allowed.max(self.wanted());
            self.full = allowed >= self.bounds.link;
            // More than there was, or the peer would wait for ever: it says this once.
            let more = if self.full { 0 } else { self.bounds.stream.max(allowed / 4) };
            self.added += (allowed + more).saturating_sub(self.wanted());
        }
    }

    fn begin_span(&mut self, now: Instant, unread: bool) {
        let is_recent = now.saturating_duration_since(self.span_start) < 2 * MEMORY;
        let before = if is_recent { self.spans[0] } else { Span::default() };
        if !(unread || before.held_up) {
            self.added = 0;
            self.full = false;
        }
        self.spans = [Span::default(), before];
        self.span_start = now;
    }

    /// The path is another one: nothing is known of it.
    pub(super) fn path_changed(&mut self) {
        self.spans = [Span::default(); 2];
    }

    /// Whether streams that nobody reads hold the peer up, and nothing can be added.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// The shortest round trip of late.
    fn rtt(&self) -> Duration {
        self.spans.iter().filter_map(|span| span.rtt).min().unwrap_or(RTT_UNKNOWN)
    }

    /// What the path holds, bytes.
    fn path(&self) -> f64 {
        let rate = self.spans[0].rate.max(self.spans[1].rate);
        rate * self.rtt().as_secs_f64()
    }

    fn wanted(&self) -> u64 {
        let path = (self.path() * HEADROOM) as u64;
        path.max(STREAMS_LEAST * self.bounds.stream) + self.added
    }

    /// What the peer may have on its way to us or unread in the library, bytes, while so much is
    /// held beside it. Next to nothing, if need be: what fills a gap needs no room in a window.
    pub(super) fn receive(&self, held: usize) -> u64 {
        self.wanted().min(self.bounds.link).saturating_sub(held as u64).max(RECEIVE_MIN)
    }

    /// What may be written and not yet acknowledged, bytes, with so much allowed in flight.
    pub(super) fn send(&self, in_flight: u64) -> u64 {
        let is_lossy = self.spans.iter().any(|span| span.is_lossy);
        let windows = if is_lossy { SEND_WINDOWS_LOSSY } else { SEND_WINDOWS };
        in_flight.saturating_mul(windows).clamp(self.bounds.send_first(), self.bounds.send)
    }
}

#[cfg(test)]
#[path = "windows_tests.rs"]
mod tests;
