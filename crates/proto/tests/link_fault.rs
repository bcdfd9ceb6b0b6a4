//! A fault in a session ends its link, and nothing else.

mod fixtures;

use bytes::{Bytes, BytesMut};
use fixtures::rng;
use ginnel_proto::envelope::data::{Aead, Opener, Sealer};
use ginnel_proto::envelope::header::{HeaderKey, Kind};
use ginnel_proto::limits::Limits;
use ginnel_proto::link::{BATCH_PACKETS, Begin, Event, Link, Lost, Path, Side};
use ginnel_proto::session::{self, Batch, Gone, PathChange, PathStats, Read, Session, StreamId, WriteError};
use std::collections::VecDeque;
use std::time::Instant;

/// Works until it is told to panic, in one of its calls.
struct Faulty {
    at: &'static str,
    since: Instant,
}

impl Faulty {
    fn call(&self, name: &str) {
        assert_ne!(self.at, name, "the fault that this test is about");
    }
}

impl Session for Faulty {
    fn handle(&mut self, _now: Instant, _packet: BytesMut) {
        self.call("handle");
    }
    fn handle_timeout(&mut self, _now: Instant) {
        self.call("handle_timeout");
    }
    fn poll_timeout(&mut self) -> Option<Instant> {
        (self.at == "handle_timeout").then_some(self.since)
    }
    fn poll_transmit(&mut self, _now: Instant, _max: usize, _spare: usize, out: &mut Vec<u8>) -> Option<Batch> {
        out.extend_from_slice(b"half a packet");
        self.call("poll_transmit");
        out.clear();
        None
    }
    fn datagram_len(&self) -> usize {
        1200
    }
    fn wants_length(&self) -> Option<u16> {
        None
    }

    fn carries(&mut self, _length: u16) {}

    fn poll_event(&mut self) -> Option<session::Event> {
        None
    }
    fn open(&mut self) -> Option<StreamId> {
        None
    }
    fn write(&mut self, _id: StreamId, _data: &mut VecDeque<Bytes>) -> Result<usize, WriteError> {
        Err(Gone.into())
    }
    fn read(&mut self, _id: StreamId, _max: usize, _out: &mut Vec<Bytes>) -> Result<Read, Gone> {
        Err(Gone)
    }
    fn finish(&mut self, _id: StreamId) {}
    fn reset(&mut self, _id: StreamId, _code: u32) {}
    fn stop(&mut self, _id: StreamId, _code: u32) {}
    fn crowd(&self) -> usize {
        0
    }

    fn undelivered(&mut self) -> usize {
        0
    }
    fn path_changed(&mut self, _now: Instant, _change: PathChange) {}
    fn close(&mut self, _now: Instant, _code: u32) {}
    fn stats(&self) -> PathStats {
        PathStats::default()
    }
    fn asked(&self) -> u64 {
        0
    }
}

const KEY: [u8; 32] = [5; 32];

fn ends() -> (Sealer, Opener) {
    let sealer = Sealer::new(Aead::Aes128Gcm, &KEY, HeaderKey::new(&[6; 16]), 7, 1000);
    (sealer, Opener::new(Aead::Aes128Gcm, &KEY))
}

fn ends_by_a_fault(at: &'static str) {
    let (mut rng, now) = (rng(1), Instant::now());
    let path = Path::udp("203.0.113.9:5000".parse().unwrap(), None);
    let session = Box::new(Faulty { at, since: now });
    let (sealer, opener) = ends();
    let begin = Begin { side: Side::Client, sealer, opener, chain: None, path, ports: None, logged: None };
    let mut link = Link::new(begin, session, &Limits::default(), now, &mut rng);
    let mut out = Vec::new();
    assert!(at == "poll_transmit" || link.poll_transmit(now, BATCH_PACKETS, &mut out, &mut rng).is_none());
    match at {
        "handle" => {
            let mut datagram = BytesMut::from(&[0; 100][..]);
            ends().0.seal(Kind::Session, false, &mut datagram).unwrap();
            let header = HeaderKey::new(&[6; 16]).open(&datagram).unwrap();
            link.handle(now, path, &header, datagram, &mut rng).unwrap();
        }
        "handle_timeout" => link.handle_timeout(Instant::now(), &mut rng),
        _ => assert!(link.poll_transmit(now, BATCH_PACKETS, &mut out, &mut rng).is_none() && out.is_empty()),
    }
    assert_eq!(link.poll_event(), Some(Event::Lost(Lost::Fault)));
    // Its last word tells the peer; then it is done, and asks for nothing more.
    assert!(link.poll_transmit(now, BATCH_PACKETS, &mut out, &mut rng).is_some());
    assert!(link.is_done() && link.poll_timeout().is_none());
}

#[test]
fn a_panic_while_taking_a_packet_ends_the_link() {
    ends_by_a_fault("handle");
}

#[test]
fn a_panic_in_a_timer_ends_the_link() {
    ends_by_a_fault("handle_timeout");
}

#[test]
fn a_panic_while_sending_ends_the_link() {
    ends_by_a_fault("poll_transmit");
}
