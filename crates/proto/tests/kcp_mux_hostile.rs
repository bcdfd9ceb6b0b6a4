//! The mux against a peer that does what it must not.

mod pipes;

use ginnel_proto::session::kcp::mux::frame::Frame;
use ginnel_proto::session::kcp::mux::{Settings, Violation};
use ginnel_proto::session::{Event, Read, StreamId};
use pipes::{End, WINDOW, settings};

/// A client with one stream of each end: 1 and 2.
fn pair_of_streams() -> End {
    let mut end = End::client();
    end.open();
    end.take(&[Frame::Syn(2)]).unwrap();
    end.drain();
    end.events();
    end
}

fn raw(end: &mut End, bytes: &'static [u8]) -> Result<(), Violation> {
    end.mux.receive(end.now, 0, bytes.into())
}

#[test]
fn a_header_that_cannot_be_right_is_refused_before_the_rest_has_come() {
    let cases: [(&[u8], Violation); 13] = [
        (&[1, 0, 0, 0, 2, 0, 0, 0], Violation::Version(1)),
        (&[3, 0, 0, 0, 2, 0, 0, 0], Violation::Version(3)),
        (&[2, 8, 0, 0, 1, 0, 0, 0], Violation::Command(8)),
        (&[2, 255, 0, 0, 1, 0, 0, 0], Violation::Command(255)),
        (&[2, 0, 1, 0, 2, 0, 0, 0], Violation::Length { command: 0, length: 1 }),
        (&[2, 1, 0, 1, 1, 0, 0, 0], Violation::Length { command: 1, length: 256 }),
        (&[2, 2, 0, 0, 1, 0, 0, 0], Violation::Length { command: 2, length: 0 }),
        (&[2, 3, 1, 0, 0, 0, 0, 0], Violation::Length { command: 3, length: 1 }),
        (&[2, 4, 9, 0, 1, 0, 0, 0], Violation::Length { command: 4, length: 9 }),
        (&[2, 5, 3, 0, 1, 0, 0, 0], Violation::Length { command: 5, length: 3 }),
        (&[2, 6, 8, 0, 1, 0, 0, 0], Violation::Length { command: 6, length: 8 }),
        (&[2, 7, 0, 0, 0, 0, 0, 0], Violation::Length { command: 7, length: 0 }),
        (&[2, 7, 4, 0, 1, 0, 0, 0], Violation::Stream(1)),
    ];
    for (bytes, violation) in cases {
        assert_eq!(raw(&mut pair_of_streams(), bytes), Err(violation));
        let mut end = pair_of_streams();
        assert_eq!(raw(&mut end, &bytes[..7]), Ok(()));
        assert_eq!(raw(&mut end, &bytes[7..]), Err(violation), "in two pieces");
    }
    assert_eq!(raw(&mut pair_of_streams(), &[2, 3, 0, 0, 9, 0, 0, 0]), Err(Violation::Stream(9)));
}

#[test]
fn streams_are_opened_by_those_they_belong_to_and_in_order() {
    let mut end = pair_of_streams();
    assert_eq!(end.take(&[Frame::Syn(3)]), Err(Violation::Parity(3)));
    assert_eq!(end.take(&[Frame::Syn(2)]), Err(Violation::Order(2)));
    assert_eq!(end.take(&[Frame::Syn(0)]), Err(Violation::Stream(0)));
    end.take(&[Frame::Syn(8)]).unwrap();
    assert_eq!(end.take(&[Frame::Syn(6)]), Err(Violation::Order(6)), "it does not rise");
    let mut server = End::with(settings(false));
    assert_eq!(server.take(&[Frame::Syn(2)]), Err(Violation::Parity(2)));
    assert_eq!(server.take(&[Frame::Syn(0)]), Err(Violation::Stream(0)));
}

#[test]
fn on_other_lanes_streams_overtake_each_other_but_none_comes_twice() {
    let mut end = End::with(Settings { lanes: 3, ..settings(true) });
    end.take_on(0, &[Frame::Syn(6)]).unwrap();
    end.take_on(1, &[Frame::Syn(2), Frame::Syn(4), Frame::Syn(10)]).unwrap();
    for gone in [2, 4] {
        assert_eq!(end.take_on(2, &[Frame::Syn(gone)]), Err(Violation::Order(gone)));
    }
    assert_eq!(end.take_on(2, &[Frame::Syn(6)]), Err(Violation::Order(6)));
    assert_eq!(end.take_on(2, &[Frame::Syn(10)]), Err(Violation::Order(10)), "above one that has not come");
    end.take_on(2, &[Frame::Syn(8)]).unwrap();
    assert_eq!(end.take_on(0, &[Frame::Syn(10)]), Err(Violation::Order(10)));
}

/// A peer that leaves every other number out makes us remember, but not for ever.
#[test]
fn numbers_that_never_come_are_bounded() {
    let all = u32::MAX;
    let mut end = End::with(Settings { streams: all, streams_at_first: all, ..settings(false) });
    let refused = (1..).find(|at| end.take(&[Frame::Syn(at * 2 + 1)]).is_err());
    assert_eq!(refused, Some((1 << 16) + 1));
}

#[test]
fn no_stream_beyond_what_was_granted() {
    let mut end = End::with(Settings { streams: 5, streams_at_first: 3, ..settings(true) });
    assert_eq!(end.take(&[Frame::Syn(8)]), Err(Violation::Granted(3)), "a number that was granted to nobody");
    end.take(&[Frame::Syn(2), Frame::Syn(4), Frame::Syn(6)]).unwrap();
    assert_eq!(end.take(&[Frame::Syn(8)]), Err(Violation::Granted(3)), "the grant has not been sent");
    assert_eq!(end.mux.streams(), 3);
    assert_eq!(end.events().len(), 3);
}

#[test]
fn no_more_data_than_the_window() {
    for id in [1, 2] {
        let mut end = pair_of_streams();
        end.take_data(id, WINDOW as usize).unwrap();
        assert_eq!(end.take(&[Frame::Psh(id, 1)]), Err(Violation::Window(id)));
        let mut end = pair_of_streams();
        end.mux.stop(StreamId(id.into()), 1);
        end.take_data(id, WINDOW as usize).unwrap();
        assert_eq!(end.take(&[Frame::Psh(id, 1)]), Err(Violation::Window(id)), "nobody reads, but we count");
    }
    let mut end = pair_of_streams();
    end.take_data(1, WINDOW as usize).unwrap();
    end.read(StreamId(1), 20_000).unwrap();
    assert_eq!(end.take(&[Frame::Psh(1, 1)]), Err(Violation::Window(1)), "the peer has not been told");
}

/// The header alone says what is to come.
#[test]
fn an_overrun_is_seen_before_its_data() {
    let mut end = pair_of_streams();
    end.take_data(1, 60_000).unwrap();
    assert_eq!(raw(&mut end, &[2, 2, 0xff, 0xff, 1, 0, 0, 0]), Err(Violation::Window(1)));
}

#[test]
fn nothing_follows_an_end() {
    for first in [Frame::Fin(1), Frame::Rst(1, 9)] {
        for second in [Frame::Fin(1), Frame::Rst(1, 9), Frame::Psh(1, 1)] {
            let mut end = pair_of_streams();
            end.take(&[first]).unwrap();
            assert_eq!(end.take(&[second]), Err(Violation::Ended(1)), "{second:?} behind {first:?}");
            let mut end = pair_of_streams();
            end.take(&[first]).unwrap();
            end.read(StreamId(1), 1).unwrap();
            assert_eq!(end.take(&[second]), Err(Violation::Ended(1)), "and when the first was read");
            let mut end = pair_of_streams();
            end.mux.stop(StreamId(1), 1);
            end.take(&[first]).unwrap();
            assert_eq!(end.take(&[second]), Err(Violation::Ended(1)), "and when nobody wants it");
        }
    }
}

#[test]
fn nobody_has_read_what_was_not_sent() {
    let mut end = pair_of_streams();
    let id = StreamId(1);
    assert_eq!(end.take(&[Frame::Upd(1, 1, WINDOW)]), Err(Violation::Consumed(1)));
    end.write(id, 1000).unwrap();
    assert_eq!(end.take(&[Frame::Upd(1, 1, WINDOW)]), Err(Violation::Consumed(1)), "it is not in the pipe yet");
    end.drain();
    for wrong in [1001, u32::MAX, 1 << 31] {
        assert_eq!(end.take(&[Frame::Upd(1, wrong, WINDOW)]), Err(Violation::Consumed(1)));
    }
    end.take(&[Frame::Upd(1, 1000, 0), Frame::Upd(1, 1000, 5)]).unwrap();
    assert_eq!(end.take(&[Frame::Upd(1, 999, WINDOW)]), Err(Violation::Consumed(1)), "nor is it unread again");
}

#[test]
fn frames_for_a_stream_name_one() {
    for frame in
        [Frame::Syn(0), Frame::Psh(0, 5), Frame::Fin(0), Frame::Rst(0, 1), Frame::Stp(0, 1), Frame::Upd(0, 9, 9)]
    {
        assert_eq!(pair_of_streams().take(&[frame]), Err(Violation::Stream(0)), "{frame:?}");
    }
}

#[test]
fn frames_for_streams_that_are_gone_are_counted_and_no_more() {
    let mut end = pair_of_streams();
    for id in [3, 4, u32::MAX] {
        let before = end.mux.ignored();
        let frames = [Frame::Psh(id, 5), Frame::Fin(id), Frame::Rst(id, 1), Frame::Stp(id, 1), Frame::Upd(id, 9, 9)];
        end.take(&frames).unwrap();
        assert_eq!(end.mux.ignored() - before, 5);
    }
    assert_eq!(end.events(), []);
    assert_eq!(end.drain(), []);
    assert_eq!((end.mux.streams(), end.mux.unread()), (2, 0));
    end.take(&[Frame::Psh(1, 5)]).unwrap();
    assert_eq!(end.read(StreamId(1), 9), Ok(Read::Data(5)), "and the pipe goes on");
}

#[test]
fn a_stream_is_on_its_lane_alone() {
    let mut end = End::with(Settings { lanes: 2, ..settings(true) });
    end.take_on(0, &[Frame::Syn(2)]).unwrap();
    end.events();
    end.take_on(1, &[Frame::Psh(2, 5), Frame::Fin(2), Frame::Stp(2, 1), Frame::Upd(2, 9, 9)]).unwrap();
    assert_eq!((end.mux.ignored(), end.mux.unread(), end.events()), (4, 0, vec![]));
}

/// Nothing that the peer repeats is told, or kept, more than once.
#[test]
fn a_flood_of_frames_leaves_nothing_behind() {
    let mut end = pair_of_streams();
    end.write(StreamId(1), 10).unwrap();
    for _ in 0..100_000 {
        end.take(&[Frame::Nop, Frame::Stp(1, 3), Frame::Upd(1, 0, 7), Frame::Grt(u32::MAX)]).unwrap();
    }
    (0..50_000).for_each(|_| end.take(&[Frame::Psh(2, 1)]).unwrap());
    assert_eq!(end.events(), [Event::Stopped(StreamId(1), 3), Event::Readable(StreamId(2))]);
    assert_eq!(end.drain(), [Frame::Rst(1, 3)]);
}
