//! Fuzz bodies of the KCP session: one function per decoder that takes arbitrary bytes and panics if
//! a promise is broken. The promises: never a panic of the decoder's own, the same result however a
//! pipe is cut, and never more held than was granted.
//!
//! They assert on purpose and are called by tests only: `tests/fuzz_kcp.rs` feeds them from proptest
//! on every test run, `fuzz/` at the root of the repository from a coverage-guided fuzzer.

use crate::session::kcp::mux::frame::Frame;
use crate::session::kcp::mux::parse::{Parser, Part};
use crate::session::kcp::mux::{Mux, Settings, Violation};
use crate::session::{Event, Read, StreamId};
use bytes::Bytes;
use std::time::{Duration, Instant};

/// A fuzz body. The machines have no clock: any time will do.
pub type Body = fn(Instant, &[u8]);

/// Every body of this module with its name, which is also its fuzz target's.
pub const BODIES: &[(&str, Body)] = &[("kcp_mux", kcp_mux), ("kcp_mux_frames", kcp_mux_frames), ("kcp_pipe", kcp_pipe)];

/// Streams that the peer may have open, and what each may hold unread: little, so that a fuzzer gets there.
const STREAMS: u32 = 6;
const WINDOW: u32 = 300;

/// Streams that this end has open at first.
const OPEN: usize = 2;

/// A pipe.
pub fn kcp_pipe(_: Instant, data: &[u8]) {
    let whole = parts(data.chunks(data.len().max(1)));
    assert_eq!(parts(data.chunks(1)), whole, "byte by byte differs");
    assert_eq!(parts(data.chunks(7)), whole, "seven at a time differs");
    let (parts, violation) = whole;
    let mut again = Vec::new();
    for part in &parts {
        match part {
            Part::Frame(frame) => frame.encode(&mut again),
            Part::Data(_, bytes) => again.extend_from_slice(bytes),
        }
    }
    assert!(data.starts_with(&again), "what was read is written as it was");
    assert!(violation.is_some() || data.len() - again.len() < 16, "no more waits than a control frame");
}

/// What comes out of a pipe, data put together again, and what ended it.
fn parts<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Part>, Option<Violation>) {
    let (mut parser, mut parts) = (Parser::default(), Vec::new());
    for piece in pieces {
        let mut piece = Bytes::copy_from_slice(piece);
        loop {
            match parser.next(&mut piece) {
                Ok(Some(Part::Data(stream, more))) => {
                    assert!(!more.is_empty());
                    match parts.last_mut() {
                        Some(Part::Data(_, bytes)) => *bytes = [&bytes[..], &more[..]].concat().into(),
                        _ => parts.push(Part::Data(stream, more)),
                    }
                }
                Ok(Some(part)) => parts.push(part),
                Ok(None) => break assert!(piece.is_empty(), "a piece is used up"),
                Err(violation) => return (parts, Some(violation)),
            }
        }
    }
    (parts, None)
}

/// A pipe into a mux that has streams open. First byte: how to cut, and which end it is.
pub fn kcp_mux(now: Instant, data: &[u8]) {
    let Some((&first, pipe)) = data.split_first() else { return };
    let receive = |length: usize| {
        let mut mux = mux(first & 1 == 1);
        let result = pipe.chunks(length).try_for_each(|piece| mux.receive(now, 0, Bytes::copy_from_slice(piece)));
        check(&mux, OPEN);
        (mux, result)
    };
    let (mut whole, result) = receive(pipe.len().max(1));
    let (mut cut, same) = receive(usize::from(first / 2) + 1);
    assert_eq!(result, same, "cut otherwise");
    let totals = |mux: &Mux| (mux.unread(), mux.unread_streams(), mux.unsent(), mux.streams(), mux.ignored());
    assert_eq!(totals(&whole), totals(&cut));
    let events = |mux: &mut Mux| std::iter::from_fn(|| mux.poll_event()).collect::<Vec<_>>();
    assert_eq!(events(&mut whole), events(&mut cut));
    assert_eq!(drain(&mut whole, now), drain(&mut cut, now));
}

/// Four bytes each: a frame that is right as such, or something that the application does.
pub fn kcp_mux_frames(mut now: Instant, data: &[u8]) {
    let (mut mux, mut sent) = (mux(true), 0);
    // No step opens more than one.
    let ours = OPEN + data.len() / 4;
    for step in data.as_chunks::<4>().0 {
        let [what, stream, low, high] = *step;
        let (id, value) = (u32::from(stream), u32::from(u16::from_le_bytes([low, high])));
        let frame = match what % 16 {
            0 => Frame::Syn(id),
            1 => Frame::Fin(id),
            2 | 3 => Frame::Psh(id, (value % 512 + 1) as u16),
            4 => Frame::Upd(id, value, value * 0x1_0001),
            5 => Frame::Rst(id, value),
            6 => Frame::Stp(id, value),
            7 => Frame::Grt(value),
            _ => {
                now += Duration::from_millis(u64::from(high));
                act(&mut mux, now, what, StreamId(id.into()), value);
                sent += drain_some(&mut mux, now, usize::from(low));
                mux.delivered(0, sent / 2);
                check(&mux, ours);
                continue;
            }
        };
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        if let Frame::Psh(_, length) = frame {
            bytes.resize(bytes.len() + usize::from(length), high);
        }
        if mux.receive(now, 0, bytes.into()).is_err() {
            break;
        }
        check(&mux, ours);
    }
    end_all(&mut mux, now, ours);
}

/// What an application does.
fn act(mux: &mut Mux, now: Instant, what: u8, id: StreamId, value: u32) {
    let mut out = Vec::new();
    match what % 8 {
        0 => {
            mux.open();
        }
        1 => {
            let data = Bytes::from(vec![0; value as usize]);
            if let Ok(written) = mux.write(id, &mut [data].into(), u64::from(value) * 2) {
                assert!(written <= value as usize);
            }
        }
        2 => {
            if let Ok(Read::Data(bytes) | Read::End(bytes)) = mux.read(id, value as usize, &mut out) {
                assert_eq!(bytes, out.iter().map(Bytes::len).sum::<usize>());
                assert!(bytes <= value as usize);
            }
        }
        3 => mux.finish(id),
        4 => mux.reset(id, value),
        5 => mux.stop(id, value),
        6 => mux.made_room(value.into()),
        _ => drop(drain(mux, now)),
    }
}

fn mux(is_client: bool) -> Mux {
    let mut mux = Mux::new(Settings {
        is_client,
        lanes: 1,
        streams: STREAMS,
        streams_at_first: STREAMS,
        may_open: 4,
        peer_window: 1000,
        stream_window: WINDOW,
        first_window: WINDOW / 2,
    });
    for _ in 0..OPEN {
        mux.open();
    }
    mux
}

/// What the peer can make us hold, with so many streams of our own.
fn check(mux: &Mux, ours: usize) {
    assert!(mux.streams() <= STREAMS as usize + ours);
    assert!(mux.unread() <= mux.streams() as u64 * u64::from(WINDOW));
    assert!(mux.unread_streams() <= mux.streams() && mux.undelivered() <= mux.streams());
    assert!(mux.unread_streams() as u64 <= mux.unread());
}

/// Everything that a mux has to send, which its peer can read.
fn drain(mux: &mut Mux, now: Instant) -> Vec<u8> {
    let mut all = Vec::new();
    while mux.has_work(0) {
        assert!(drain_into(mux, now, 1300, &mut all) > 0, "work that is none");
    }
    all
}

fn drain_some(mux: &mut Mux, now: Instant, room: usize) -> u64 {
    drain_into(mux, now, room, &mut Vec::new()) as u64
}

fn drain_into(mux: &mut Mux, now: Instant, room: usize, out: &mut Vec<u8>) -> usize {
    let start = out.len();
    let bytes = mux.fill(now, 0, room, out);
    assert!(bytes == out.len() - start && bytes <= room);
    let (written, violation) = parts(std::iter::once(&out[start..]));
    assert_eq!(violation, None);
    let length = |part: &Part| match part {
        Part::Frame(Frame::Psh(_, 0)) => panic!("an empty PSH"),
        Part::Frame(frame) => frame.wire_len(),
        Part::Data(_, bytes) => bytes.len(),
    };
    assert_eq!(written.iter().map(length).sum::<usize>(), bytes, "whole frames");
    bytes
}

/// The application lets go of all streams: what the peer does not end remains, and nothing else.
fn end_all(mux: &mut Mux, now: Instant, ours: usize) {
    // The numbers that a step can give the peer's, and ours.
    for id in (0..=u64::from(u8::MAX).max(2 * ours as u64)).map(StreamId) {
        mux.reset(id, 1);
        mux.stop(id, 1);
    }
    drain(mux, now);
    mux.delivered(0, u64::MAX);
    while let Some(event) = mux.poll_event() {
        assert!(!matches!(event, Event::Ready | Event::Closed | Event::Crowded));
    }
    assert_eq!((mux.unread(), mux.unread_streams(), mux.unsent(), mux.undelivered()), (0, 0, 0, 0));
}
