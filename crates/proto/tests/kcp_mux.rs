//! The mux: what a stream is to the application, and what its frames say.

mod pipes;

use bytes::Bytes;
use ginnel_proto::session::kcp::mux::frame::Frame;
use ginnel_proto::session::kcp::mux::parse::{Parser, Part};
use ginnel_proto::session::{Event, Gone, READ_CHUNKS_MAX, Read, StreamId, WriteError};
use pipes::{End, FILL, WINDOW, settings};
use proptest::prelude::*;

/// Every frame as it stands on the wire.
const FRAMES: [(Frame, &[u8]); 8] = [
    (Frame::Syn(0x0102_0305), &[2, 0, 0, 0, 5, 3, 2, 1]),
    (Frame::Fin(1), &[2, 1, 0, 0, 1, 0, 0, 0]),
    (Frame::Psh(2, 0x0102), &[2, 2, 2, 1, 2, 0, 0, 0]),
    (Frame::Nop, &[2, 3, 0, 0, 0, 0, 0, 0]),
    (Frame::Upd(3, 0x0a0b_0c0d, 0x0102_0304), &[2, 4, 8, 0, 3, 0, 0, 0, 13, 12, 11, 10, 4, 3, 2, 1]),
    (Frame::Rst(3, 258), &[2, 5, 4, 0, 3, 0, 0, 0, 2, 1, 0, 0]),
    (Frame::Stp(3, 259), &[2, 6, 4, 0, 3, 0, 0, 0, 3, 1, 0, 0]),
    (Frame::Grt(260), &[2, 7, 4, 0, 0, 0, 0, 0, 4, 1, 0, 0]),
];

#[test]
fn every_frame_is_written_and_read_as_it_stands_on_the_wire() {
    for (frame, bytes) in FRAMES {
        let mut out = Vec::new();
        frame.encode(&mut out);
        assert_eq!(out, bytes, "{frame:?}");
        assert_eq!(frame.wire_len(), bytes.len());
        assert_eq!(Frame::decode(bytes), Ok(Some(frame)));
        for end in 0..bytes.len() {
            assert_eq!(Frame::decode(&bytes[..end]), Ok(None), "{frame:?} without its end");
        }
    }
}

proptest! {
    #[test]
    fn however_a_pipe_is_cut_the_same_comes_out(
        order in prop::collection::vec((0usize..8, 1u16..2000), 1..30),
        cuts in prop::collection::vec(0usize..400, 1..40),
    ) {
        let (mut pipe, mut expected) = (Vec::new(), Vec::new());
        for (which, length) in order {
            let frame = if which == 2 { Frame::Psh(9, length) } else { FRAMES[which].0 };
            frame.encode(&mut pipe);
            expected.push(Part::Frame(frame));
            if which == 2 {
                let data: Vec<u8> = (0..length).map(|at| at as u8).collect();
                pipe.extend(&data);
                expected.push(Part::Data(9, data.into()));
            }
        }
        let (mut parser, mut parts, mut pipe) = (Parser::default(), Vec::new(), Bytes::from(pipe));
        for cut in cuts.into_iter().cycle().map(|cut| cut + 1) {
            let mut piece = pipe.split_to(cut.min(pipe.len()));
            while let Some(part) = parser.next(&mut piece).unwrap() {
                match (parts.last_mut(), part) {
                    (Some(Part::Data(9, before)), Part::Data(9, more)) => {
                        *before = [&before[..], &more[..]].concat().into();
                    }
                    (_, part) => parts.push(part),
                }
            }
            prop_assert!(piece.is_empty());
            if pipe.is_empty() {
                break;
            }
        }
        prop_assert_eq!(parts, expected);
    }
}

#[test]
fn a_stream_from_its_first_byte_to_its_end() {
    let mut end = End::client();
    let id = end.open();
    assert_eq!(id, StreamId(1));
    assert_eq!(end.write(id, 100), Ok(100));
    assert_eq!(end.mux.unsent(), 100);
    end.mux.finish(id);
    assert_eq!(end.drain(), [Frame::Syn(1), Frame::Psh(1, 100), Frame::Fin(1)]);
    assert_eq!(end.write(id, 1), Err(Gone.into()), "nothing follows an end");
    end.take(&[Frame::Psh(1, 50), Frame::Fin(1)]).unwrap();
    assert_eq!(end.events(), [Event::Readable(id)], "told once");
    assert_eq!((end.mux.unread(), end.mux.unread_streams()), (50, 1));
    assert_eq!(end.read(id, 40), Ok(Read::Data(40)));
    assert_eq!(end.read(id, 40), Ok(Read::End(10)));
    assert_eq!(end.read(id, 40), Err(Gone), "the direction is gone");
    assert_eq!(end.mux.streams(), 1, "our end has not been delivered");
    end.deliver();
    end.assert_empty();
    assert_eq!(end.open(), StreamId(3));
}

#[test]
fn a_servers_streams_are_even() {
    let mut end = End::with(settings(false));
    assert_eq!([end.open(), end.open()], [StreamId(2), StreamId(4)]);
}

#[test]
fn a_stream_of_the_peer_is_told_and_can_be_answered() {
    let mut end = End::client();
    end.take(&[Frame::Syn(2), Frame::Psh(2, 10)]).unwrap();
    let id = StreamId(2);
    assert_eq!(end.events(), [Event::Opened(id), Event::Readable(id)]);
    assert_eq!(end.write(id, 5), Ok(5));
    assert_eq!(end.drain(), [Frame::Psh(2, 5)], "no SYN for a stream of the peer");
}

#[test]
fn what_is_read_is_a_part_of_what_came() {
    let mut end = End::client();
    let id = end.open();
    let mut pipe = Vec::new();
    Frame::Psh(1, 1000).encode(&mut pipe);
    pipe.extend([3; 1000]);
    let piece = Bytes::from(pipe);
    end.mux.receive(end.now, 0, piece.clone()).unwrap();
    let mut out = Vec::new();
    assert_eq!(end.mux.read(id, 5000, &mut out), Ok(Read::Data(1000)));
    assert_eq!(out[0].as_ptr(), piece[8..].as_ptr(), "nothing was copied");
}

#[test]
fn reads_are_bounded_in_bytes_and_chunks() {
    let mut end = End::client();
    let id = end.open();
    (0..100).for_each(|_| end.take(&[Frame::Psh(1, 10)]).unwrap());
    let mut out = Vec::new();
    assert_eq!(end.mux.read(id, 15, &mut out), Ok(Read::Data(15)));
    assert_eq!(end.mux.read(id, 0, &mut out), Ok(Read::Data(0)));
    out.clear();
    assert_eq!(end.mux.read(id, 9999, &mut out), Ok(Read::Data(5 + 63 * 10)));
    assert_eq!(out.len(), READ_CHUNKS_MAX);
    assert_eq!(end.read(id, 9999), Ok(Read::Data(1000 - 15 - 635)));
    assert_eq!(end.read(id, 9999), Ok(Read::Blocked));
    assert_eq!(end.events(), [Event::Readable(id)]);
    end.take(&[Frame::Psh(1, 10)]).unwrap();
    assert_eq!(end.events(), [Event::Readable(id)], "after a read there is something to tell again");
}

/// Each byte in a frame, and each frame in a packet of its own.
#[test]
fn many_small_pieces_that_nobody_reads_are_copied_together() {
    let mut end = End::client();
    let ids: Vec<StreamId> = (0..8).map(|_| end.open()).collect();
    for id in &ids {
        (0..60_000).for_each(|_| end.take(&[Frame::Psh(id.0 as u32, 1)]).unwrap());
    }
    let mut chunks = 0;
    for id in ids {
        let (mut out, mut bytes) = (Vec::new(), 0);
        while let Ok(Read::Data(more)) = end.mux.read(id, 1 << 20, &mut out) {
            bytes += more;
        }
        assert_eq!(bytes, 60_000);
        chunks += out.len();
    }
    assert!(chunks <= 1024 + 8 * 5, "{chunks}");
    end.take(&[Frame::Psh(1, 1)]).unwrap();
    assert_eq!(end.read(StreamId(1), 9), Ok(Read::Data(1)), "and then as before");
}

#[test]
fn what_is_copied_together_keeps_its_order() {
    let mut end = End::client();
    let id = end.open();
    let (mut sent, mut read) = (Vec::new(), Vec::new());
    for at in 0..20_000u32 {
        let bytes = at.to_le_bytes();
        let mut pipe = Vec::new();
        Frame::Psh(1, 3).encode(&mut pipe);
        pipe.extend(&bytes[..3]);
        sent.extend(&bytes[..3]);
        end.mux.receive(end.now, 0, pipe.into()).unwrap();
        if at % 700 == 699 {
            end.mux.read(id, 1000, &mut read).unwrap();
            end.drain();
        }
    }
    while let Ok(Read::Data(_)) = end.mux.read(id, 999, &mut read) {}
    assert!(read.concat() == sent);
    assert_eq!(end.mux.unread(), 0);
}

#[test]
fn a_reset_of_the_peer_drops_what_was_not_read() {
    let mut end = End::client();
    let id = end.open();
    end.take(&[Frame::Psh(1, 50), Frame::Rst(1, 77)]).unwrap();
    assert_eq!((end.mux.unread(), end.mux.unread_streams()), (0, 0));
    assert_eq!(end.read(id, 100), Ok(Read::Reset(77)));
    assert_eq!(end.read(id, 100), Err(Gone));
    assert_eq!(end.write(id, 10), Ok(10), "the other direction lives");
}

#[test]
fn a_reset_drops_what_is_unsent() {
    let mut end = End::client();
    let id = end.open();
    end.write(id, 10).unwrap();
    end.drain();
    end.write(id, 20_000).unwrap();
    end.mux.reset(id, 9);
    assert_eq!((end.mux.unsent(), end.mux.undelivered()), (0, 1));
    assert_eq!(end.drain(), [Frame::Rst(1, 9)]);
    end.mux.reset(id, 10);
    end.mux.finish(id);
    assert_eq!(end.drain(), [], "an end is an end");
    assert_eq!(end.mux.undelivered(), 1);
    end.deliver();
    assert_eq!((end.mux.undelivered(), end.mux.streams()), (0, 1));
    end.take(&[Frame::Fin(1)]).unwrap();
    assert_eq!(end.mux.streams(), 1, "the end was not read");
    assert_eq!(end.read(id, 1), Ok(Read::End(0)));
    end.assert_empty();
}

/// It may still be read from.
#[test]
fn the_peer_hears_of_a_stream_that_is_reset_at_once() {
    let mut end = End::client();
    let id = end.open();
    end.write(id, 10).unwrap();
    end.mux.reset(id, 9);
    assert_eq!(end.drain(), [Frame::Syn(1), Frame::Rst(1, 9)]);
}

#[test]
fn a_clean_end_never_becomes_a_reset() {
    let mut end = End::client();
    let id = end.open();
    end.mux.finish(id);
    assert_eq!(end.drain(), [Frame::Syn(1), Frame::Fin(1)]);
    end.mux.reset(id, 9);
    end.take(&[Frame::Stp(1, 5)]).unwrap();
    assert_eq!(end.drain(), []);
    assert_eq!(end.events(), [], "a stop of what has ended is no news");
}

#[test]
fn after_a_stop_nothing_is_kept_until_the_end_comes() {
    let mut end = End::client();
    let id = end.open();
    end.take(&[Frame::Psh(1, 50)]).unwrap();
    end.mux.stop(id, 6);
    end.mux.stop(id, 7);
    assert_eq!((end.mux.unread(), end.mux.unread_streams()), (0, 0));
    assert_eq!(end.read(id, 100), Err(Gone));
    assert_eq!(end.drain(), [Frame::Syn(1), Frame::Stp(1, 6)]);
    end.events();
    end.take_data(1, WINDOW as usize - 50).unwrap();
    assert_eq!((end.mux.unread(), end.events()), (0, vec![]));
    assert_eq!(end.drain(), [], "no window for what nobody reads");
    end.mux.finish(id);
    end.drain();
    end.deliver();
    assert_eq!(end.mux.streams(), 1, "the peer's end is still to come");
    end.take(&[Frame::Rst(1, 6)]).unwrap();
    assert_eq!(end.events(), []);
    end.assert_empty();
}

#[test]
fn a_stop_of_what_has_come_to_its_end_is_told_to_nobody() {
    for ending in [Frame::Fin(1), Frame::Rst(1, 3)] {
        let mut end = End::client();
        let id = end.open();
        end.mux.finish(id);
        end.drain();
        end.deliver();
        end.take(&[Frame::Psh(1, 50), ending]).unwrap();
        end.mux.stop(id, 6);
        assert_eq!(end.drain(), []);
        end.assert_empty();
    }
}

#[test]
fn a_stop_of_the_peer_is_answered_and_told() {
    let mut end = End::client();
    let id = end.open();
    end.write(id, 100).unwrap();
    end.drain();
    end.write(id, 5000).unwrap();
    end.take(&[Frame::Stp(1, 5)]).unwrap();
    assert_eq!(end.events(), [Event::Stopped(id, 5)]);
    assert_eq!(end.write(id, 1), Err(WriteError::Stopped(5)));
    assert_eq!(end.drain(), [Frame::Rst(1, 5)]);
    end.take(&[Frame::Stp(1, 6), Frame::Fin(1)]).unwrap();
    assert_eq!(end.events(), [Event::Readable(id)], "told once");
    end.deliver();
    assert_eq!(end.read(id, 1), Ok(Read::End(0)));
    assert_eq!(end.write(id, 1), Err(WriteError::Stopped(5)), "still, until the application lets go");
    end.mux.reset(id, 8);
    assert_eq!(end.drain(), []);
    end.assert_empty();
}

/// The end is not in the pipe yet: the peer does not want to wait for it.
#[test]
fn a_stop_cuts_short_an_end_that_waits_for_the_window() {
    let mut end = End::client();
    let id = end.open();
    end.write(id, WINDOW as usize).unwrap();
    end.drain();
    end.write(id, 10).unwrap();
    end.mux.finish(id);
    assert_eq!(end.drain(), []);
    end.take(&[Frame::Stp(1, 5)]).unwrap();
    assert_eq!(end.drain(), [Frame::Rst(1, 5)]);
    assert_eq!(end.mux.unsent(), 0);
}

#[test]
fn undelivered_is_what_the_peer_has_not_got() {
    let mut end = End::client();
    let (a, b) = (end.open(), end.open());
    assert_eq!(end.mux.undelivered(), 0, "nothing was written");
    end.write(a, 100).unwrap();
    end.write(b, 100).unwrap();
    assert_eq!(end.mux.undelivered(), 2);
    end.drain();
    assert_eq!(end.mux.undelivered(), 2);
    // Two SYNs, and the first stream's data.
    end.mux.delivered(0, 16 + 107);
    assert_eq!(end.mux.undelivered(), 2);
    end.mux.delivered(0, 16 + 108);
    assert_eq!(end.mux.undelivered(), 1);
    end.write(a, 1).unwrap();
    assert_eq!(end.mux.undelivered(), 2);
    end.drain();
    end.mux.delivered(0, 16 + 216);
    assert_eq!(end.mux.undelivered(), 1, "the later byte is on its way");
    end.mux.finish(b);
    assert_eq!(end.mux.undelivered(), 2);
    end.drain();
    end.deliver();
    assert_eq!(end.mux.undelivered(), 0);
}

#[test]
fn no_more_is_written_than_there_is_room_but_for_a_little_each() {
    const LITTLE: usize = 16 << 10;
    let mut end = End::client();
    let (bulk, small) = (end.open(), end.open());
    let mut data = [Bytes::from(vec![1; 30_000]), Bytes::new(), Bytes::from(vec![2; 30_000])].into();
    assert_eq!(end.mux.write(bulk, &mut data, 40_000), Ok(40_000));
    assert_eq!(data.iter().map(Bytes::len).collect::<Vec<_>>(), [20_000], "taken from the front");
    assert_eq!(end.mux.write(bulk, &mut data, 40_000), Ok(0));
    assert_eq!(end.mux.write(small, &mut data, 40_000), Ok(LITTLE), "a bulk stream locks nobody out");
    assert_eq!(end.mux.write(small, &mut data, 40_000), Ok(0));
    assert_eq!(end.events(), []);
    end.mux.made_room(40_000 + (2 * LITTLE) as u64 - 1);
    assert_eq!(end.events(), []);
    end.mux.made_room(40_000 + (2 * LITTLE) as u64);
    assert_eq!(end.events(), [Event::Writable(bulk)], "the oldest first");
    end.mux.made_room(1 << 20);
    assert_eq!(end.events(), [Event::Writable(small)]);
    end.mux.made_room(1 << 20);
    assert_eq!(end.events(), [], "told once");
}

#[test]
fn what_leaves_makes_room() {
    let mut end = End::client();
    let id = end.open();
    let mut data = [Bytes::from(vec![1; 60_000])].into();
    assert_eq!(end.mux.write(id, &mut data, 40_000), Ok(40_000));
    assert_eq!(end.mux.write(id, &mut data, 40_000), Ok(0));
    let mut sent = 0;
    while end.events().is_empty() {
        sent += end.fill(FILL).len();
        assert!(sent < 100);
    }
    let unsent = end.mux.unsent();
    assert!(unsent <= 40_000 - (16 << 10), "{unsent}");
    let room = 40_000 - unsent;
    assert_eq!(end.mux.write(id, &mut data, 40_000), Ok(room.min(20_000) as usize));
}

/// Its peer's reader pauses; others must find the room that it cannot use.
#[test]
fn a_stream_that_may_not_send_fills_no_room() {
    let mut end = End::client();
    let id = end.open();
    assert_eq!(end.write(id, 200_000), Ok(WINDOW as usize), "as much as the peer takes");
    assert_eq!(end.write(id, 200_000), Ok(0));
    end.drain();
    assert_eq!(end.events(), [Event::Writable(id)]);
    assert_eq!(end.write(id, 200_000), Ok(16 << 10), "and a little");
    assert_eq!(end.write(id, 200_000), Ok(0));
    end.mux.made_room(1 << 30);
    assert_eq!(end.events(), [], "it is not room that is missing");
    end.take(&[Frame::Upd(1, 60_000, WINDOW)]).unwrap();
    assert_eq!(end.events(), [Event::Writable(id)]);
}

#[test]
fn whoever_has_given_up_is_told_of_no_room() {
    let mut end = End::client();
    let (a, b) = (end.open(), end.open());
    for id in [a, b] {
        end.write(id, 16 << 10).unwrap();
        let mut data = [Bytes::from(vec![1; 10])].into();
        assert_eq!(end.mux.write(id, &mut data, 0), Ok(0));
    }
    end.mux.reset(a, 1);
    end.take(&[Frame::Stp(3, 5)]).unwrap();
    end.mux.made_room(1 << 30);
    assert_eq!(end.events(), [Event::Stopped(b, 5)]);
}
