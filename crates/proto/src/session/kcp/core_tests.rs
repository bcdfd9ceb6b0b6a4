//! The promises of conversations between two ginnel ends, in virtual time.

use super::conversation::{Beginning, Conversation};
use super::mode::Mode;
use super::segment::{Command, HEADER, Segment};
use super::timeout::Estimator;
use super::transit::{ACK_DELAY, Transit};
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

const WINDOW: u16 = 8192;
const MTU: usize = 1200;

/// A packet takes so long on its wire.
const EACH: Duration = Duration::from_micros(10);

fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// One end, which sends segments that are full.
struct Side {
    conversation: Conversation,
    transit: Transit,
    /// Segments that are to be sent, and bytes that have come.
    left: u64,
    received: u64,
    /// Packets without data.
    acks: u64,
}

impl Side {
    fn new(mode: Mode, left: u64, now: Instant) -> Self {
        let transit = Transit::new(mode, None, None, now);
        let beginning = Beginning { number: 1, send_window: WINDOW, peer_window: Some(WINDOW), extended: true };
        Self { conversation: Conversation::new(&beginning, &transit), transit, left, received: 0, acks: 0 }
    }

    fn transmit(&mut self, now: Instant) -> Vec<Bytes> {
        let mut all = Vec::new();
        loop {
            let (mut out, transit) = (Vec::new(), &mut self.transit);
            if self.conversation.acks_due().is_some_and(|due| due <= now) {
                self.conversation.write_acks(now, WINDOW, MTU, transit, &mut out);
                self.acks += u64::from(!out.is_empty());
            }
            if self.conversation.again_len().is_some() {
                self.conversation.send_again(now, WINDOW, MTU - out.len(), false, transit, &mut out);
            } else if self.left > 0 && out.is_empty() && self.conversation.may_send(now) {
                self.left -= 1;
                self.conversation.send(now, WINDOW, MTU, transit, &mut out, |room, out| {
                    out.resize(out.len() + room, 7);
                    false
                });
            }
            if out.is_empty() {
                return all;
            }
            all.push(out.into());
        }
    }

    fn handle(&mut self, now: Instant, mut packet: Bytes) {
        let mut pieces = Vec::new();
        while let Ok(Some(segment)) = Segment::read(&mut packet) {
            self.conversation.handle(now, segment, WINDOW, &mut self.transit, &mut pieces).expect("a good peer");
        }
        self.received += pieces.iter().map(|piece| piece.len() as u64).sum::<u64>();
        self.transit.end_acks(now, true);
        self.conversation.find_lost(now, &mut self.transit);
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.conversation.poll_timeout(&self.transit).into_iter().chain(self.transit.probe_at()).min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.conversation.handle_timeout(now, &mut self.transit);
        if self.transit.probe_at().is_some_and(|at| at <= now) {
            self.transit.timed_out(now);
            self.conversation.flight().probe();
        }
    }
}

/// How a test's path treats a packet: `None` loses it, else it takes so long.
type Fate<'a> = &'a mut dyn FnMut(&mut StdRng, usize, &[u8]) -> Option<Duration>;

/// Sends so many segments over a path. Returns both ends, and how long it took.
fn carry(mode: Mode, segments: u64, first: u32, fate: Fate<'_>) -> ([Side; 2], Duration) {
    let origin = Instant::now();
    let (mut now, mut count, mut rng) = (origin, 0, StdRng::seed_from_u64(segments));
    let mut sides = [Side::new(mode, segments, now), Side::new(mode, 0, now)];
    sides.iter_mut().for_each(|side| side.conversation.begin_at(first));
    let (mut on_the_way, mut free) = (BinaryHeap::new(), [now; 2]);
    loop {
        for (from, side) in sides.iter_mut().enumerate() {
            for packet in side.transmit(now) {
                // One behind the other, as on a wire.
                count += 1;
                free[from] = free[from].max(now) + EACH;
                if let Some(delay) = fate(&mut rng, from, &packet) {
                    on_the_way.push(Reverse((free[from] + delay, count, 1 - from, packet)));
                }
            }
        }
        if sides[1].received == segments * (MTU - HEADER) as u64 && sides[0].conversation.outstanding() == 0 {
            return (sides, now - origin);
        }
        let packet = on_the_way.peek().map(|Reverse((at, ..))| *at);
        let timeouts: Vec<Instant> = sides.iter_mut().filter_map(Side::poll_timeout).collect();
        let next = packet.into_iter().chain(timeouts).min().expect("it goes on");
        now = now.max(next);
        assert!(now < origin + Duration::from_secs(3600), "it never ends");
        if on_the_way.peek().is_some_and(|Reverse((at, ..))| *at <= now)
            && let Some(Reverse((_, _, to, packet))) = on_the_way.pop()
        {
            sides[to].handle(now, packet);
        }
        for side in &mut sides {
            if side.poll_timeout().is_some_and(|at| at <= now) {
                side.handle_timeout(now);
            }
        }
    }
}

#[test]
fn the_time_out_is_the_references() {
    // By hand: srtt 100, var 50; then var (3·50 + 40) / 4, srtt (7·100 + 140) / 8; and so on.
    let mut fast = Estimator::new(Mode::Fast3.tuning());
    assert_eq!(fast.timeout(), milliseconds(200));
    for (sample, timeout) in [(100, 300_000), (140, 295_000), (60, 286_875)] {
        fast.sample(milliseconds(sample));
        assert_eq!(fast.timeout(), Duration::from_micros(timeout));
    }
    assert_eq!(fast.backed_off(2), Duration::from_nanos(645_468_750), "× 1.5 each time");
    let mut normal = Estimator::new(Mode::Normal.tuning());
    normal.sample(milliseconds(100));
    assert_eq!(normal.backed_off(2), milliseconds(1200), "× 2 each time");
    for (mode, least) in [(Mode::Fast3, 30), (Mode::Fast2, 30), (Mode::Fast, 100), (Mode::Normal, 100)] {
        let mut quick = Estimator::new(mode.tuning());
        (0..50).for_each(|_| quick.sample(milliseconds(1)));
        assert_eq!(quick.timeout(), milliseconds(least), "{mode:?}");
        (0..50).for_each(|_| quick.sample(Duration::MAX));
        assert_eq!(quick.backed_off(u32::MAX), Duration::from_secs(60), "{mode:?}");
    }
}

#[test]
fn in_order_one_acknowledgement_is_enough_for_ten() {
    let (sides, _) = carry(Mode::Auto, 3000, 0, &mut |_, _, _| Some(milliseconds(20)));
    assert_eq!(sides[0].transit.counts(), (3000, 0));
    assert!(sides[1].acks <= 3000 / 10 + 10, "{} acknowledgements", sides[1].acks);
}

#[test]
fn what_is_lost_is_sent_again_and_little_else_though_acknowledgements_are_lost() {
    let mut lost = 0;
    let (sides, _) = carry(Mode::Auto, 20_000, 0, &mut |rng, from, _| {
        let is_lost = rng.random_bool(if from == 0 { 0.05 } else { 0.3 });
        lost += u64::from(is_lost && from == 0);
        (!is_lost).then_some(milliseconds(20))
    });
    let again = sides[0].transit.counts().0 - 20_000;
    assert!(again >= lost && again <= lost + 400, "{again} again for {lost} lost");
}

#[test]
fn a_path_that_changes_the_order_soon_costs_nothing() {
    // Of ten packets, of a hundred, of a thousand.
    for micros in [100, 1000, 10_000] {
        let (sides, _) = carry(Mode::Auto, 50_000, 0, &mut |rng, _, _| {
            Some(milliseconds(40) + Duration::from_micros(micros).mul_f64(rng.random()))
        });
        let again = sides[0].transit.counts().0 - 50_000;
        assert!(again <= 2000, "{again} of 50000 sent again, and nothing was lost, with {micros} µs of disorder");
    }
}

#[test]
fn the_last_segment_is_asked_for_when_nothing_comes() {
    let mut dropped = false;
    let (sides, took) = carry(Mode::Auto, 10, 0, &mut |_, from, packet| {
        let is_last = from == 0 && packet[12] == 9 && packet[4] == Command::Push as u8;
        let drop = is_last && !dropped;
        dropped |= drop;
        (!drop).then_some(milliseconds(20))
    });
    assert_eq!(sides[0].transit.counts().0, 11);
    assert!(took < milliseconds(300), "{took:?}");
}

#[test]
fn serial_numbers_wrap_around() {
    for mode in Mode::ALL {
        let (mut sides, _) = carry(mode, 3000, u32::MAX - 700, &mut |rng, _, _| {
            (!rng.random_bool(0.1)).then(|| milliseconds(20) + milliseconds(3).mul_f64(rng.random()))
        });
        assert_eq!(sides[0].conversation.flight().next(), (u32::MAX - 700).wrapping_add(3000), "{mode:?}");
    }
}

#[test]
fn time_finds_losses_of_one_lane_by_the_arrivals_of_another() {
    let now = Instant::now();
    let (mut left, mut right) = (Side::new(Mode::Auto, 1, now), Side::new(Mode::Auto, 9, now));
    std::mem::swap(&mut left.transit, &mut right.transit);
    // Both lanes on the transit of `left`: the first packet of `left` is lost.
    assert_eq!(left.transmit(now).len(), 1);
    std::mem::swap(&mut left.transit, &mut right.transit);
    let later = now + milliseconds(1);
    assert_eq!(right.transmit(later).len(), 9);
    let answered = later + milliseconds(40);
    let header =
        Segment { conversation: 1, command: Command::Ranges, fragment: 0, window: WINDOW, time: 1, serial: 8, next: 9 };
    let mut packet = Vec::new();
    header.write(0, &mut packet);
    right.handle(answered, packet.into());
    std::mem::swap(&mut left.transit, &mut right.transit);
    let due = left.conversation.poll_timeout(&left.transit).expect("it will be late");
    assert_eq!(due, now + milliseconds(40) + milliseconds(40) / 8 + ACK_DELAY);
    left.conversation.find_lost(due - Duration::from_nanos(1), &mut left.transit);
    assert_eq!(left.transit.counts().1, 0, "nothing happens before it");
    left.conversation.find_lost(due, &mut left.transit);
    assert_eq!(left.transit.counts().1, 1);
}

#[test]
fn what_the_path_carries_no_longer_goes_in_parts() {
    let now = Instant::now();
    let (mut sender, mut receiver) = (Side::new(Mode::Fast3, 1, now), Side::new(Mode::Fast3, 0, now));
    sender.transmit(now);
    let due = sender.poll_timeout().expect("a time-out");
    sender.handle_timeout(due);
    let mut parts = 0;
    while sender.conversation.again_len().is_some() {
        let mut out = Vec::new();
        sender.conversation.send_again(due, WINDOW, 500, true, &mut sender.transit, &mut out);
        assert!(!out.is_empty() && out.len() <= 500 && out[4] == Command::Part as u8);
        // Behind it lies padding: a conversation of 0.
        out.resize(600, 0);
        receiver.handle(due, out.into());
        parts += 1;
    }
    assert_eq!(parts, 3);
    assert_eq!(receiver.received, (MTU - HEADER) as u64);
}

fn push(serial: u32) -> (Segment, Bytes) {
    let (fragment, window, time, next) = (0, WINDOW, 0, 0);
    let segment = Segment { conversation: 1, command: Command::Push, fragment, window, time, serial, next };
    (segment, Bytes::from_static(b"data"))
}

#[test]
fn a_new_gap_is_told_at_once_and_a_range_that_was_forgotten_when_it_comes_again() {
    let now = Instant::now();
    let mut side = Side::new(Mode::Auto, 0, now);
    let mut pieces = Vec::new();
    let mut take = |side: &mut Side, serial: u32| {
        side.conversation.handle(now, push(serial), WINDOW, &mut side.transit, &mut pieces).expect("taken");
    };
    take(&mut side, 0);
    assert_eq!(side.conversation.acks_due(), Some(now + ACK_DELAY));
    // More gaps than ranges are told.
    (1..=40).for_each(|gap| take(&mut side, 2 * gap));
    assert_eq!(side.conversation.acks_due(), Some(now));
    for again in [2, 4] {
        take(&mut side, again);
    }
    let mut out = Vec::new();
    side.conversation.write_acks(now, WINDOW, MTU, &side.transit, &mut out);
    let told: Vec<u32> =
        out[HEADER..].chunks(8).map(|range| u32::from_le_bytes([range[0], range[1], range[2], range[3]])).collect();
    assert_eq!((told.len(), &told[..3]), (32, &[4, 2, 80][..]));
}

#[test]
fn the_window_is_not_asked_for_once_it_is_open() {
    let now = Instant::now();
    let mut side = Side::new(Mode::Fast3, 0, now);
    let tell = |side: &mut Side, window| {
        let (segment, _) = push(0);
        let segment = Segment { command: Command::Tell, window, ..segment };
        side.conversation
            .handle(now, (segment, Bytes::new()), WINDOW, &mut side.transit, &mut Vec::new())
            .expect("taken");
    };
    tell(&mut side, 0);
    assert!(!side.conversation.may_send(now));
    let due = side.poll_timeout().expect("it will ask");
    tell(&mut side, 10);
    side.handle_timeout(due);
    assert!(!side.conversation.asks());
    assert_eq!(side.poll_timeout(), None);
}

#[test]
fn a_peer_that_answers_and_takes_nothing_is_not_gone_and_one_that_is_silent_is() {
    let (mut now, mut pieces) = (Instant::now(), Vec::new());
    let mut side = Side::new(Mode::Fast3, 1, now);
    side.transmit(now);
    for round in 0..60 {
        now = side.poll_timeout().expect("a time-out");
        side.handle_timeout(now);
        assert_eq!(side.transmit(now).len(), 1);
        // After forty rounds it says nothing any more.
        assert_eq!(side.conversation.flight().is_dead(), round > 40, "round {round}");
        if round < 40 {
            let tell = Segment { command: Command::Tell, window: 0, ..push(0).0 };
            let taken = side.conversation.handle(now, (tell, Bytes::new()), WINDOW, &mut side.transit, &mut pieces);
            taken.expect("taken");
        }
    }
}

#[test]
fn a_new_path_has_nothing_of_the_old_ones_disorder() {
    let ([mut sender, _], _) =
        carry(Mode::Auto, 20_000, 0, &mut |rng, _, _| Some(milliseconds(40) + milliseconds(10).mul_f64(rng.random())));
    assert_eq!(sender.transit.threshold(), None, "order says nothing here");
    sender.transit.path_changed(Instant::now(), None);
    assert_eq!(sender.transit.threshold(), Some(3));
}
