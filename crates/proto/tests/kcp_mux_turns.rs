//! The mux: whose turn it is, how much a stream may send, and how many streams there may be.

mod pipes;

use ginnel_proto::session::kcp::mux::frame::Frame;
use ginnel_proto::session::kcp::mux::{Settings, WINDOW_MAX};
use ginnel_proto::session::{Event, Read, StreamId};
use pipes::{End, FILL, WINDOW, data_of, settings};
use std::collections::VecDeque;
use std::time::Duration;

/// Wide windows: the turns alone decide.
fn wide() -> End {
    End::with(Settings { peer_window: 1 << 24, ..settings(true) })
}

/// A stream that has sent much, and has much more to send.
fn bulk(end: &mut End) -> StreamId {
    let id = end.open();
    end.write(id, 400_000).unwrap();
    (0..40).for_each(|_| drop(end.fill(FILL)));
    id
}

#[test]
fn control_goes_before_data() {
    let mut end = wide();
    bulk(&mut end);
    let (second, third) = (end.open(), end.open());
    end.write(second, 10).unwrap();
    end.mux.reset(third, 4);
    end.mux.stop(second, 3);
    let frames = end.fill(FILL);
    let expected = [Frame::Syn(3), Frame::Stp(3, 3), Frame::Syn(5), Frame::Rst(5, 4), Frame::Psh(3, 10)];
    assert_eq!(frames[..5], expected);
    assert!(matches!(frames[5], Frame::Psh(1, 1000..)), "{frames:?}");
}

#[test]
fn what_does_not_fit_waits_and_nothing_overtakes_it() {
    let mut end = wide();
    let id = end.open();
    end.mux.stop(id, 3);
    end.write(id, 100).unwrap();
    end.mux.finish(id);
    assert_eq!(end.fill(7), []);
    assert_eq!(end.fill(8), [Frame::Syn(1)]);
    assert_eq!(end.fill(11), [], "the stop waits, and the data behind it");
    assert_eq!(end.fill(12), [Frame::Stp(1, 3)]);
    assert_eq!(end.fill(8), [], "no data without a byte of it");
    assert_eq!(end.fill(9), [Frame::Psh(1, 1)]);
    assert_eq!(end.fill(8 + 98 + 7), [Frame::Psh(1, 99)], "the end does not fit");
    assert_eq!(end.fill(7), []);
    assert!(end.mux.has_work(0));
    assert_eq!(end.fill(8), [Frame::Fin(1)]);
    assert!(!end.mux.has_work(0));
}

#[test]
fn no_frame_has_more_data_than_it_can_say() {
    let mut end = wide();
    let id = end.open();
    end.write(id, 150_000).unwrap();
    let frames = end.fill(200_000);
    assert_eq!(frames, [Frame::Syn(1), Frame::Psh(1, 65_535), Frame::Psh(1, 65_535), Frame::Psh(1, 18_930)]);
}

#[test]
fn bulk_streams_take_turns() {
    let mut end = wide();
    let ids = [bulk(&mut end), bulk(&mut end), bulk(&mut end)];
    let mut sent = [0; 3];
    let mut last = None;
    for _ in 0..60 {
        let frames = end.fill(FILL);
        assert_eq!(frames.len(), 1, "one has the fill for itself");
        assert_ne!(Some(frames[0]), last, "and then it is another's");
        last = Some(frames[0]);
        for (sent, id) in sent.iter_mut().zip(ids) {
            *sent += data_of(&frames, id);
        }
    }
    assert_eq!(sent, [20 * (FILL - 8); 3]);
}

/// What is left of a fill after somebody's little is no turn.
#[test]
fn a_rest_is_no_turn() {
    let mut end = wide();
    let (a, b, small) = (bulk(&mut end), bulk(&mut end), end.open());
    end.drain_control();
    let mut sent = [0; 2];
    for round in 0..40 {
        // Only before every other fill, so that the same one would always get the rest.
        if round % 2 == 0 {
            end.write(small, 700).unwrap();
        }
        let frames = end.fill(FILL);
        sent = [sent[0] + data_of(&frames, a), sent[1] + data_of(&frames, b)];
    }
    assert!(sent[0].abs_diff(sent[1]) <= 2 * FILL, "{sent:?}");
}

#[test]
fn a_request_goes_before_bulk() {
    let mut end = wide();
    let bulk = bulk(&mut end);
    let small = end.open();
    end.write(small, 300).unwrap();
    let frames = end.fill(FILL);
    assert_eq!(frames[..2], [Frame::Syn(3), Frame::Psh(3, 300)]);
    assert!(data_of(&frames, bulk) > 900, "and bulk has the rest");
}

#[test]
fn whoever_rested_goes_first_again() {
    let mut end = wide();
    let (one, other) = (bulk(&mut end), bulk(&mut end));
    // Nothing is left of one of them, and it rests.
    while end.mux.unsent() > 0 {
        end.fill(FILL);
    }
    end.write(other, 200_000).unwrap();
    end.fill(FILL);
    let first_fills = |end: &mut End| {
        end.write(one, 5000).unwrap();
        let frames: Vec<Frame> = (0..3).flat_map(|_| end.fill(FILL)).collect();
        (0..3).for_each(|_| drop(end.fill(FILL)));
        data_of(&frames, one)
    };
    assert!(first_fills(&mut end) < 2 * FILL, "it has sent much: they take turns");
    for _ in 0..200 {
        end.now += Duration::from_millis(20);
        end.write(other, FILL).unwrap();
        end.fill(FILL);
    }
    assert!(first_fills(&mut end) > 2 * FILL, "it has rested: three fills are its own");
}

#[test]
fn bulk_never_starves() {
    let mut end = wide();
    let bulk = bulk(&mut end);
    let small: Vec<StreamId> = (0..80).map(|_| end.open()).collect();
    small.iter().for_each(|id| assert_eq!(end.write(*id, 12_000), Ok(12_000)));
    end.drain_control();
    let (mut waited, mut of_bulk) = (0, 0);
    for _ in 0..200 {
        let bytes = data_of(&end.fill(FILL), bulk);
        waited = if bytes > FILL / 2 { 0 } else { waited + 1 };
        assert!(waited <= 4, "four fills for those that go first, then one for the others");
        of_bulk += bytes;
    }
    assert!((200 / 5 * 1200..=200 / 5 * FILL).contains(&of_bulk), "{of_bulk}");
}

#[test]
fn a_new_stream_takes_the_emptiest_lane() {
    let lanes = |end: &mut End, count: usize| {
        let mut out = vec![];
        for _ in 0..count {
            let id = end.open();
            let has_syn = |end: &mut End, lane: usize| {
                let frames = end.fill_lane(lane, FILL);
                frames.contains(&Frame::Syn(id.0 as u32))
            };
            out.push((0..4).find(|lane| has_syn(end, *lane)).expect("on some lane"));
        }
        out
    };
    let mut end = End::with(Settings { lanes: 4, peer_window: 1 << 24, ..settings(true) });
    assert_eq!(lanes(&mut end, 5), [0, 1, 2, 3, 0], "by the number of streams");
    // Much comes on the second lane, and much goes on the third.
    end.take_on(1, &[Frame::Psh(3, 60_000)]).unwrap();
    end.write(StreamId(5), 90_000).unwrap();
    while end.mux.has_work(2) {
        end.fill_lane(2, FILL);
    }
    assert_eq!(lanes(&mut end, 4), [3, 0, 3, 0], "by what was moved, either way");
    end.now += Duration::from_secs(10);
    end.fill_lane(0, FILL);
    assert_eq!(lanes(&mut end, 2), [1, 2], "what is long past counts no more");
}

#[test]
fn a_stream_that_is_gone_burdens_no_lane() {
    let mut end = End::with(Settings { lanes: 2, ..settings(true) });
    for _ in 0..3 {
        let id = end.open();
        let lane = (0..2).find(|lane| !end.fill_lane(*lane, FILL).is_empty());
        assert_eq!(lane, Some(0), "the first one is empty again");
        end.mux.finish(id);
        end.drain();
        end.deliver();
        end.take(&[Frame::Fin(id.0 as u32)]).unwrap();
        assert_eq!(end.read(id, 1), Ok(Read::End(0)));
        end.now += Duration::from_secs(60);
        end.mux.receive(end.now, 0, Default::default()).unwrap();
    }
}

#[test]
fn a_stream_sends_no_more_than_its_window() {
    let mut end = End::client();
    let id = end.open();
    end.write(id, WINDOW as usize).unwrap();
    assert_eq!(data_of(&end.drain(), id), WINDOW as usize);
    end.write(id, 9000).unwrap();
    assert!(!end.mux.has_work(0));
    end.take(&[Frame::Upd(1, 100, WINDOW)]).unwrap();
    assert_eq!(end.drain(), [Frame::Psh(1, 100)]);
    end.take(&[Frame::Upd(1, 1000, WINDOW - 950)]).unwrap();
    assert_eq!(end.drain(), [], "a window that shrinks has to be made up for");
    end.take(&[Frame::Upd(1, 1000, WINDOW - 890)]).unwrap();
    assert_eq!(end.drain(), [Frame::Psh(1, 10)]);
    end.take(&[Frame::Upd(1, 1000, 0)]).unwrap();
    assert_eq!(end.drain(), []);
    end.take(&[Frame::Upd(1, WINDOW + 110, WINDOW)]).unwrap();
    assert_eq!(data_of(&end.drain(), id), 9000 - 110);
}

/// It had data to send when its window shrank, and was in a queue.
#[test]
fn a_window_that_shrinks_takes_a_stream_out_of_its_queue() {
    let mut end = End::client();
    let id = end.open();
    end.write(id, 9000).unwrap();
    end.fill(FILL);
    end.take(&[Frame::Upd(1, 0, 0)]).unwrap();
    assert!(!end.mux.has_work(0));
    assert_eq!(end.drain(), []);
}

#[test]
fn what_was_read_is_counted_modulo_the_field() {
    let mut end = End::with(Settings { peer_window: u32::MAX, ..settings(true) });
    let id = end.open();
    let (mut sent, mut out) = (0u64, Vec::new());
    let mut data = VecDeque::new();
    while sent < 5 << 30 {
        data.push_back(vec![0; 1 << 20].into());
        sent += end.mux.write(id, &mut data, 1 << 30).unwrap() as u64;
        while end.mux.has_work(0) {
            out.clear();
            end.mux.fill(end.now, 0, 1 << 21, &mut out);
        }
        if sent.is_multiple_of(64 << 20) {
            end.take(&[Frame::Upd(1, sent as u32, u32::MAX)]).unwrap();
        }
    }
    assert_eq!(end.mux.unsent(), 0);
}

#[test]
fn no_window_is_larger_than_can_be_counted() {
    for told in [false, true] {
        let mut end = End::with(Settings { peer_window: if told { 0 } else { u32::MAX }, ..settings(true) });
        let id = end.open();
        if told {
            end.take(&[Frame::Upd(1, 0, u32::MAX)]).unwrap();
        }
        let (mut out, mut sent) = (Vec::new(), 0u64);
        let chunk = bytes::Bytes::from(vec![0; 16 << 10]);
        loop {
            let written = end.mux.write(id, &mut [chunk.clone()].into(), 1 << 40).unwrap() as u64;
            while end.mux.has_work(0) {
                out.clear();
                end.mux.fill(end.now, 0, 1 << 20, &mut out);
            }
            sent += written;
            if end.mux.unsent() > 0 {
                break;
            }
        }
        assert_eq!(sent - end.mux.unsent(), WINDOW_MAX.into());
    }
}

#[test]
fn the_peer_hears_of_its_window_when_an_eighth_was_read() {
    let mut end = End::client();
    let id = end.open();
    end.drain();
    end.take_data(1, 30_000).unwrap();
    assert_eq!(end.drain(), [], "it knows how large it is");
    end.read(id, 8191).unwrap();
    assert_eq!(end.drain(), []);
    end.read(id, 1).unwrap();
    assert_eq!(end.drain(), [Frame::Upd(1, 8192, WINDOW)]);
    end.read(id, 8191).unwrap();
    assert_eq!(end.drain(), []);
    end.read(id, 1000).unwrap();
    assert_eq!(end.drain(), [Frame::Upd(1, 17_383, WINDOW)]);
    end.take(&[Frame::Fin(1)]).unwrap();
    end.read(id, 100_000).unwrap();
    assert_eq!(end.drain(), [], "nothing more will come");
}

#[test]
fn the_peer_hears_of_a_larger_window_when_a_stream_flows() {
    let large = Settings { stream_window: 1 << 20, ..settings(true) };
    let mut end = End::with(large);
    let id = end.open();
    assert_eq!(end.drain(), [Frame::Syn(1)], "nothing flows yet");
    end.take(&[Frame::Psh(1, 1)]).unwrap();
    assert_eq!(end.drain(), [Frame::Upd(1, 0, 1 << 20)]);
    end.take_data(1, (1 << 20) - 1).unwrap();
    assert!(end.take(&[Frame::Psh(1, 1)]).is_err(), "but no more than that");
    assert_eq!(end.read(id, 1), Ok(Read::Data(1)));

    let mut end = End::with(Settings { first_window: 0, ..settings(true) });
    end.open();
    assert_eq!(end.drain(), [Frame::Syn(1), Frame::Upd(1, 0, WINDOW)], "nothing could ever flow");
}

#[test]
fn no_more_streams_are_opened_than_were_granted() {
    let mut end = End::with(Settings { may_open: 2, ..settings(true) });
    let (first, _) = (end.open(), end.open());
    end.take(&[Frame::Grt(3)]).unwrap();
    assert_eq!(end.events(), [], "nobody has asked");
    end.open();
    assert_eq!((end.mux.open(), end.mux.open()), (None, None));
    end.mux.finish(first);
    end.drain();
    end.deliver();
    end.take(&[Frame::Fin(1)]).unwrap();
    end.read(first, 1).unwrap();
    assert_eq!(end.mux.open(), None, "grants count streams in all");
    end.take(&[Frame::Grt(3), Frame::Grt(2)]).unwrap();
    end.events();
    end.take(&[Frame::Grt(4), Frame::Grt(2), Frame::Grt(5)]).unwrap();
    assert_eq!(end.events(), [Event::MayOpen], "once, and a grant is never taken back");
    assert_eq!((end.open(), end.open()), (StreamId(7), StreamId(9)));
}

#[test]
fn more_is_granted_when_half_is_used_and_old_ones_are_gone() {
    let mut end = End::with(Settings { streams: 10, streams_at_first: 4, ..settings(true) });
    let open = |end: &mut End, id| end.take(&[Frame::Syn(id)]);
    let close = |end: &mut End, id| {
        end.take(&[Frame::Fin(id)]).unwrap();
        end.read(StreamId(id.into()), 1).unwrap();
        end.mux.finish(StreamId(id.into()));
    };
    open(&mut end, 2).unwrap();
    assert_eq!(end.drain(), []);
    open(&mut end, 4).unwrap();
    assert_eq!(end.drain(), [Frame::Grt(10)], "half of four: as many as may be open");
    (3..=10).for_each(|at| open(&mut end, at * 2).unwrap());
    assert_eq!(end.drain(), [], "all places are taken");
    close(&mut end, 2);
    assert_eq!(end.fill(11), [Frame::Fin(2)]);
    assert_eq!(end.drain(), [], "its end is on its way");
    end.deliver();
    assert_eq!(end.fill(11), [], "a grant that does not fit waits");
    assert_eq!(end.drain(), [Frame::Grt(11)]);
    open(&mut end, 22).unwrap();
    assert!(open(&mut end, 24).is_err());
}

/// Whatever opens and closes, and whenever.
#[test]
fn never_more_are_granted_than_may_be_open() {
    let mut end = End::with(Settings { streams: 10, streams_at_first: 10, ..settings(false) });
    let (mut granted, mut opened, mut open, mut state) = (10u32, 0u32, VecDeque::new(), 1u32);
    for _ in 0..5000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if state >> 31 == 0 && opened < granted {
            end.take(&[Frame::Syn(opened * 2 + 1)]).unwrap();
            open.push_back(opened * 2 + 1);
            opened += 1;
        } else if let Some(id) = open.pop_front() {
            let id = StreamId(id.into());
            end.mux.reset(id, 1);
            end.mux.stop(id, 1);
            end.take(&[Frame::Fin(id.0 as u32)]).unwrap();
        }
        let before = granted;
        for frame in end.drain() {
            if let Frame::Grt(more) = frame {
                granted = more;
            }
        }
        end.deliver();
        assert!(granted >= before);
        assert!((granted - opened) as usize + open.len() <= 10, "at {opened}");
        end.events();
    }
    assert!(opened > 1000, "{opened}: it goes on");
}

#[test]
fn a_lane_that_does_not_exist_has_no_work() {
    let mut end = End::client();
    assert!(!end.mux.has_work(9));
    assert_eq!(end.mux.fill(end.now, 9, FILL, &mut Vec::new()), 0);
    end.mux.delivered(9, 1);
    assert!(end.take_on(9, &[Frame::Nop]).is_err());
}
