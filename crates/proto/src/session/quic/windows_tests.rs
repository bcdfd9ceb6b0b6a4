use super::*;

const MIB: u64 = 1 << 20;
const MS: Duration = Duration::from_millis(1);

/// A link of one round trip of so many milliseconds, and a clock for it.
struct Link {
    windows: Windows,
    now: Instant,
    rtt: Duration,
    counts: (u64, u64, u64),
}

impl Link {
    fn new(rtt_ms: u32) -> Self {
        let (now, rtt) = (Instant::now(), rtt_ms * MS);
        let bounds = Bounds::new(8 << 20, 256 * MIB, 64 * MIB, rtt);
        Self { windows: Windows::new(bounds, rtt, now), now, rtt, counts: (0, 0, 0) }
    }

    /// So many round trips with so much in each.
    fn rounds(&mut self, count: u32, bytes: u64, unread: bool) {
        for _ in 0..count {
            self.windows.received(self.now, bytes as usize);
            let end = self.windows.round_end().expect("something has come");
            assert!(end >= self.now + self.rtt);
            self.now = end;
            let (held_up, sent, lost) = self.counts;
            let allowed = self.windows.receive(0);
            self.windows.end_round(self.now, &Round { rtt: Some(self.rtt), held_up, unread, allowed, sent, lost });
        }
    }

    /// The peer says that it is held up.
    fn hold_up(&mut self, unread: bool) {
        self.counts.0 += 1;
        self.rounds(1, 50, unread);
    }
}

#[test]
fn a_streams_window_follows_the_first_round_trip() {
    let stream = |rtt_ms: u64| Bounds::new(8 << 20, 256 * MIB, MIB, Duration::from_millis(rtt_ms)).stream;
    assert_eq!((stream(0), stream(20)), (2 * MIB, 2 * MIB));
    assert_eq!(stream(50), 5_000_000);
    assert_eq!((stream(150), stream(10_000)), (8 * MIB, 8 * MIB));
    assert_eq!(Bounds::new(65_536, MIB, MIB, MS).stream, 65_536, "never more than the limit");
}

#[test]
fn a_links_window_grows_with_rate_and_round_trip_and_shrinks_when_it_is_quiet() {
    let mut link = Link::new(150);
    assert_eq!(link.windows.receive(0), 32 * MIB);
    // 1 Gbit/s over 150 ms: 19 MB in each round trip.
    link.rounds(3, 19 * MIB, false);
    assert_eq!(link.windows.receive(0), (19.0 * HEADROOM) as u64 * MIB + MIB / 2);
    link.now += 3 * MEMORY;
    link.rounds(2, 100, false);
    assert_eq!(link.windows.receive(0), 32 * MIB);
}

#[test]
fn what_was_needed_is_remembered_over_a_short_pause() {
    let mut link = Link::new(150);
    link.rounds(3, 19 * MIB, false);
    let grown = link.windows.receive(0);
    link.now += MEMORY;
    link.rounds(2, 100, false);
    assert_eq!(link.windows.receive(0), grown);
}

#[test]
fn a_peer_that_is_held_up_gets_more_up_to_the_links_limit() {
    let mut link = Link::new(10);
    let mut before = link.windows.receive(0);
    assert_eq!(before, 8 * MIB);
    while before < 256 * MIB {
        link.hold_up(true);
        assert!(link.windows.receive(0) > before);
        before = link.windows.receive(0);
        assert!(!link.windows.is_full());
    }
    assert_eq!(before, 256 * MIB);
    link.hold_up(true);
    assert!(link.windows.is_full(), "nothing can be added");
    assert_eq!(link.windows.receive(0), 256 * MIB);
    // Once something flows again it is not full any more.
    link.rounds(1, FLOWS + 1, true);
    assert!(!link.windows.is_full());
}

#[test]
fn what_was_added_stays_while_somebody_pauses_and_goes_when_all_is_read() {
    let mut link = Link::new(10);
    link.hold_up(true);
    let added = link.windows.receive(0);
    for _ in 0..5 {
        link.now += MEMORY;
        link.rounds(1, 100, true);
    }
    assert_eq!(link.windows.receive(0), added);
    link.now += 2 * MEMORY;
    link.rounds(1, 100, false);
    assert_eq!(link.windows.receive(0), 8 * MIB);
}

#[test]
fn what_is_held_in_pieces_is_no_room_for_more() {
    let link = Link::new(10);
    assert_eq!(link.windows.receive(3 << 20), 5 * MIB);
    assert_eq!(link.windows.receive(100 << 20), RECEIVE_MIN);
}

#[test]
fn what_may_be_written_follows_what_may_be_in_flight_and_the_loss() {
    let mut link = Link::new(50);
    assert_eq!(link.windows.send(0), SEND_MIN);
    assert_eq!(link.windows.send(4 * MIB), 8 * MIB);
    assert_eq!(link.windows.send(1 << 40), 64 * MIB);
    link.counts = (0, 10_000, 100);
    link.rounds(1, 100, false);
    assert_eq!(link.windows.send(4 * MIB), 24 * MIB);
    link.now += 3 * MEMORY;
    link.counts = (0, 20_000, 110);
    link.rounds(1, 100, false);
    assert_eq!(link.windows.send(4 * MIB), 8 * MIB, "a loss in a thousand is none");
}

#[test]
fn a_new_path_is_one_of_which_nothing_is_known() {
    let mut link = Link::new(10);
    link.windows.path_changed();
    link.rtt = 200 * MS;
    link.windows.received(link.now, 1);
    assert_eq!(link.windows.round_end(), Some(link.now + RTT_UNKNOWN));
}
