//! A peer that does not keep to KCP: each of its tricks is bounded, counted, and no panic.

mod kcp_pipe;

use bytes::{Bytes, BytesMut};
use ginnel_proto::envelope::OVERHEAD;
use ginnel_proto::limits::Limits;
use ginnel_proto::link::Side;
use ginnel_proto::session::Session;
use ginnel_proto::session::kcp::mode::Mode;
use ginnel_proto::session::kcp::plain::Plain;
use ginnel_proto::session::kcp::{self, KcpSession};
use ginnel_proto::session::sessions::Start;
use kcp_pipe::{CONVERSATION, End, dissect, ours};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::time::{Duration, Instant};

const PUSH: u8 = 81;
const ACK: u8 = 82;
const ASK: u8 = 83;
const TELL: u8 = 84;
const RANGES: u8 = 85;
const PART: u8 = 86;
const WINDOW: u16 = 64;

/// A segment: command, window, serial number, `una`, and data.
fn segment(command: u8, window: u16, serial: u32, next: u32, data: &[u8]) -> Vec<u8> {
    let mut out = CONVERSATION.to_le_bytes().to_vec();
    out.extend_from_slice(&[command, 0]);
    out.extend_from_slice(&window.to_le_bytes());
    for word in [0, serial, next, data.len() as u32] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.extend_from_slice(data);
    out
}

struct Victim {
    end: Plain,
    now: Instant,
}

impl Victim {
    fn new(mode: Mode) -> Self {
        let now = Instant::now();
        Self { end: ours(mode, WINDOW, now), now }
    }

    fn hears(&mut self, datagram: Vec<u8>) {
        self.end.handle(self.now, datagram.into());
    }

    /// So many refusals has it counted.
    fn refused(&self) -> u64 {
        self.end.counts().2
    }

    fn says(&mut self) -> Vec<(u8, u16, u32, usize)> {
        self.end.transmit(self.now).iter().flat_map(|datagram| dissect(datagram)).collect()
    }

    fn read_all(&mut self) -> usize {
        std::iter::from_fn(|| self.end.read(self.now)).map(|data| data.len()).sum()
    }

    /// Lets time pass up to the next time-out.
    fn waits(&mut self) -> Duration {
        let at = self.end.poll_timeout().expect("something to wait for").max(self.now);
        let waited = at - self.now;
        self.now = at;
        self.end.handle_timeout(at);
        waited
    }
}

#[test]
fn absurd_lengths_and_other_conversations_are_refused() {
    let mut victim = Victim::new(Mode::Fast3);
    for length in [5u32, 1400, 0x7fff_ffff, 0x8000_0000, u32::MAX - 23, u32::MAX] {
        let mut datagram = segment(PUSH, 9, 0, 0, b"data");
        datagram[20..24].copy_from_slice(&length.to_le_bytes());
        victim.hears(datagram);
    }
    assert_eq!(victim.refused(), 6);
    let mut other = segment(PUSH, 9, 0, 0, b"data");
    other[0] ^= 1;
    victim.hears(other);
    victim.hears(segment(80, 9, 0, 0, b"data"));
    victim.hears(vec![1; 23]);
    assert_eq!((victim.refused(), victim.read_all()), (9, 0));
    assert_eq!(victim.says(), [], "and nobody is answered");
}

#[test]
fn serial_numbers_outside_the_window_are_refused_and_the_window_is_told() {
    let mut victim = Victim::new(Mode::Fast3);
    for serial in [WINDOW.into(), 1000, 0x7fff_ffff] {
        victim.hears(segment(PUSH, 9, serial, 0, b"data"));
    }
    assert_eq!(victim.refused(), 3);
    assert_eq!(victim.says(), [(TELL, WINDOW, 0, 0)]);
    // From the past: it came before, as far as anyone knows, and is acknowledged.
    victim.hears(segment(PUSH, 9, 0x8000_0000, 0, b"data"));
    victim.hears(segment(PUSH, 9, u32::MAX, 0, b"data"));
    assert_eq!((victim.refused(), victim.read_all()), (3, 0));
}

#[test]
fn who_never_reads_holds_no_more_than_the_window() {
    let mut victim = Victim::new(Mode::Fast3);
    // A window of 65,535 of the peer's own changes nothing.
    for serial in 0..10_000 {
        victim.hears(segment(PUSH, u16::MAX, serial, 0, &[1; 1000]));
        victim.says();
    }
    assert_eq!(victim.refused(), 10_000 - u64::from(WINDOW));
    assert_eq!(victim.read_all(), usize::from(WINDOW) * 1000);
    // The same with a gap at the front, and with segments of one byte.
    let mut victim = Victim::new(Mode::Fast3);
    (1..10_000).for_each(|serial| victim.hears(segment(PUSH, u16::MAX, serial, 0, &[1])));
    victim.hears(segment(PUSH, u16::MAX, 0, 0, &[1]));
    assert_eq!(victim.read_all(), WINDOW.into());
}

#[test]
fn what_was_never_sent_cannot_be_acknowledged() {
    for mode in Mode::ALL {
        let mut victim = Victim::new(mode);
        victim.end.write(Bytes::from_static(&[1; 5000]));
        let sent = victim.says().len() as u32;
        let held = victim.end.outstanding();
        for una in [sent + 1, 0x7fff_ffff] {
            victim.hears(segment(TELL, 9, 0, una, b""));
        }
        for serial in [sent, 0x7fff_ffff] {
            victim.hears(segment(ACK, 9, serial, 0, b""));
        }
        let range = |start: u32, end: u32| [start.to_le_bytes(), end.to_le_bytes()].concat();
        for (start, end) in [(0, sent + 1), (sent, 0), (2, 2), (3, 1), (0, 0x8000_0000)] {
            victim.hears(segment(RANGES, 9, u32::MAX, 0, &range(start, end)));
        }
        victim.hears(segment(RANGES, 9, u32::MAX, 0, &[0; 9]));
        let thousands: Vec<u8> = (0..1000).flat_map(|_| range(0, sent)).collect();
        victim.hears(segment(RANGES, 9, u32::MAX, 0, &thousands));
        assert_eq!((victim.refused(), victim.end.outstanding()), (11, held), "{mode:?}");
    }
}

#[test]
fn parts_that_fit_nothing_or_never_complete_hold_one_segment() {
    let mut victim = Victim::new(Mode::Fast3);
    let part = |offset: u16, total: u16, length: usize| {
        let head = [offset.to_le_bytes(), total.to_le_bytes()].concat();
        [head, vec![1; length]].concat()
    };
    for data in [part(0, 100, 101), part(60_000, 65_535, 100), part(0, 0, 1), part(0, 10, 0), part(99, 100, 2), vec![1]]
    {
        victim.hears(segment(PART, 9, 0, 0, &data));
    }
    assert_eq!(victim.refused(), 6);
    // Never complete, of ever other segments; and a last part without a first.
    (0..10_000).for_each(|serial| victim.hears(segment(PART, 9, serial, 0, &part(0, 1400, 100))));
    victim.hears(segment(PART, 9, 0, 0, &part(700, 1400, 700)));
    assert_eq!(victim.read_all(), 0);
    victim.hears(segment(PART, 9, 0, 0, &part(0, 1400, 700)));
    victim.hears(segment(PART, 9, 0, 0, &part(700, 1400, 700)));
    assert_eq!(victim.read_all(), 1400);
}

#[test]
fn a_flood_of_what_came_before_is_answered_within_bounds() {
    let mut victim = Victim::new(Mode::Fast3);
    victim.hears(segment(PUSH, 9, 5, 0, b"data"));
    // Nothing is sent between, as when many datagrams come at once.
    (0..100_000).for_each(|_| victim.hears(segment(PUSH, 9, 5, 0, b"data")));
    assert!(victim.says().len() <= 8192, "no more than are remembered");
    (0..100_000).for_each(|_| victim.hears(segment(ASK, 9, 0, 0, b"")));
    assert_eq!(victim.says().len(), 1, "one answer is enough");
}

#[test]
fn a_window_of_nothing_for_ever_is_asked_about_ever_more_seldom() {
    for mode in Mode::ALL {
        let mut victim = Victim::new(mode);
        victim.hears(segment(TELL, 0, 0, 0, b""));
        victim.end.write(Bytes::from_static(&[1; 5000]));
        assert_eq!(victim.says(), []);
        let (mut asked, begun) = (0, victim.now);
        while victim.now < begun + Duration::from_secs(3600) {
            victim.waits();
            for (command, ..) in victim.says() {
                assert_eq!(command, ASK, "{mode:?}");
                asked += 1;
            }
            victim.hears(segment(TELL, 0, 0, 0, b""));
        }
        assert!((300..400).contains(&asked), "{mode:?}: {asked} questions in an hour");
        assert_eq!((victim.end.unsent(), victim.end.is_dead()), (5000, false));
    }
}

#[test]
fn absurd_time_stamps_are_only_echoed() {
    let mut victim = Victim::new(Mode::Fast3);
    victim.end.write(Bytes::from_static(&[1; 5000]));
    victim.says();
    victim.now += Duration::from_millis(30);
    for (serial, time) in [(1, u32::MAX), (2, 0x8000_0000)] {
        let mut datagram = segment(ACK, 9, serial, 0, b"");
        datagram[8..12].copy_from_slice(&u32::to_le_bytes(time));
        victim.hears(datagram);
    }
    assert_eq!(victim.end.rtt(), Some(Duration::from_millis(30)), "the clock is our own");
}

#[test]
fn nothing_happens_before_a_time_out_and_something_at_it() {
    for (mode, grows) in [(Mode::Normal, 2.0), (Mode::Fast, 2.0), (Mode::Fast2, 1.5), (Mode::Fast3, 1.5)] {
        let mut victim = Victim::new(mode);
        victim.end.write(Bytes::from_static(b"data"));
        assert_eq!(victim.says().len(), 1);
        let mut expected = Duration::from_millis(200);
        for _ in 0..10 {
            let due = victim.end.poll_timeout().expect("a time-out");
            assert_eq!(due - victim.now, expected.min(Duration::from_secs(60)), "{mode:?}");
            victim.now = due - Duration::from_nanos(1);
            victim.end.handle_timeout(victim.now);
            assert_eq!((victim.says(), victim.end.poll_timeout()), (vec![], Some(due)), "{mode:?}");
            victim.waits();
            assert_eq!(victim.says().len(), 1, "{mode:?}");
            expected = expected.mul_f64(grows);
        }
    }
}

#[test]
fn two_packets_that_acknowledge_later_ones_send_again_and_five_times_at_most() {
    let mut victim = Victim::new(Mode::Fast3);
    victim.end.write(Bytes::from_static(&[1; 50_000]));
    let serials: Vec<u32> = victim.says().iter().map(|(_, _, serial, _)| *serial).collect();
    assert!(serials.len() > 30);
    victim.hears(segment(ACK, 64, 1, 0, b""));
    assert_eq!(victim.says(), [], "one is not enough");
    victim.hears(segment(ACK, 64, 2, 0, b""));
    assert_eq!(victim.says().iter().map(|said| said.2).collect::<Vec<_>>(), [0]);
    let mut again = 1;
    for _ in 0..20 {
        // New segments, each of which is acknowledged at once.
        victim.end.write(Bytes::from_static(&[1; 1376]));
        let said = victim.says();
        again += said.iter().filter(|said| said.2 == 0).count();
        let newest = said.iter().map(|said| said.2).max().expect("a new one");
        victim.hears(segment(ACK, 64, newest, 0, b""));
        again += victim.says().iter().filter(|said| said.2 == 0).count();
    }
    assert_eq!(again, 5);
}

#[test]
fn a_session_counts_what_it_refuses_by_its_kind() {
    let (now, limits) = (Instant::now(), Limits::default());
    let params = kcp::params(&limits).encode();
    let rtt = Duration::from_millis(20);
    let start = Start { side: Side::Server, params: &params, datagram_max: 1452, datagram_more: 32, rtt };
    let mut session = KcpSession::new(&start, &limits, now, &mut StdRng::seed_from_u64(1)).expect("good parameters");
    let mut hears = |lane: u32, command: u8, serial: u32, next: u32, data: &[u8]| {
        let mut datagram = segment(command, 9, serial, next, data);
        datagram[..4].copy_from_slice(&lane.to_le_bytes());
        datagram.resize(datagram.len() + OVERHEAD, 0);
        session.handle(now, BytesMut::from(&datagram[..]));
        let refusals = session.refusals();
        (refusals.malformed, refusals.foreign, refusals.outside, refusals.future)
    };
    assert_eq!(hears(1, 80, 0, 0, b""), (1, 0, 0, 0));
    assert_eq!(hears(1, PART, 0, 0, b"short"), (2, 0, 0, 0));
    assert_eq!(hears(17, PUSH, 0, 0, b"data"), (2, 1, 0, 0));
    assert_eq!(hears(u32::MAX, PUSH, 0, 0, b"data"), (2, 2, 0, 0));
    assert_eq!(hears(2, PUSH, 0x7000_0000, 0, b"data"), (2, 2, 1, 0));
    assert_eq!(hears(3, PUSH, 0, 1, b"data"), (2, 2, 1, 1));
    assert_eq!(hears(3, RANGES, 0, 0, &[1; 8]), (2, 2, 1, 2));
}
