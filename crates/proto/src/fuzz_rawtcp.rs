//! The fuzz body of raw TCP: packets made of arbitrary bytes, and arbitrary things done, to both ends of a flow.
//!
//! The promises: never a panic of the machine's own, every packet that it writes is one that can be read, nothing is
//! kept of strangers, no answer to them is longer than what they sent, and everything has a bound.
//!
//! It asserts on purpose and is called by tests only: `tests/fuzz_rawtcp.rs` feeds it from proptest on every test run,
//! `fuzz/` at the root of the repository from a coverage-guided fuzzer.

use crate::profile::Span;
use crate::rawtcp::segment::flag;
use crate::rawtcp::{Action, Checksum, Flows, Mark, Outgoing, Segment, Sending, Settings, Stamp};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Few flows, so that a fuzzer gets to the bound.
const SETTINGS: Settings = Settings {
    printable: Span::new(6, 24),
    first_size: Span::new(30, 100),
    idle: Duration::from_secs(600),
    sweep: Duration::from_secs(300),
    renew: Duration::from_secs(1200),
    stalled: Duration::from_secs(4),
    flows: 3,
};

/// Flows that a client has to one server at most: one in use, one that is set up, four that are ended.
const OF_A_PEER: usize = 6;

/// Packets that are remembered, to be changed and sent again.
const KEPT: usize = 8;

/// Both ends, and one that meets strangers only.
struct Ends {
    now: Instant,
    client: Flows<u8>,
    server: Flows<u8>,
    stranger: Flows<u8>,
    remote: SocketAddr,
    port: u16,
    mark: Option<Mark<u8>>,
    kept: Vec<Vec<u8>>,
}

/// Steps of six bytes: what is done, and how.
pub fn rawtcp(now: Instant, data: &[u8]) {
    let server = || Flows::server(now, SETTINGS, [2; 32]);
    let remote = if data.len().is_multiple_of(2) { "192.0.2.1:443" } else { "[2001:db8::1]:443" };
    let Ok(remote) = remote.parse() else { return };
    let client = Flows::client(now, SETTINGS, [3; 32]);
    let (mark, kept) = (None, Vec::new());
    let mut ends = Ends { now, client, server: server(), stranger: server(), remote, port: 1000, mark, kept };
    ends.client.send(now, remote, None, &[0; 50], 50, true);
    ends.drain();
    for (index, step) in data.as_chunks::<6>().0.iter().enumerate() {
        ends.step(step, &data[index * 6..]);
        ends.drain();
        assert!(ends.server.count() <= SETTINGS.flows && ends.client.count() <= SETTINGS.flows * OF_A_PEER);
        assert_eq!((ends.stranger.count(), ends.stranger.poll_timeout()), (0, None), "something is kept");
    }
    ends.client.close(ends.now);
    ends.server.close(ends.now);
    ends.drain();
    assert_eq!((ends.client.count(), ends.server.count()), (0, 0));
    assert_eq!((ends.client.poll_timeout(), ends.client.poll_action()), (None, None));
}

impl Ends {
    fn step(&mut self, step: &[u8; 6], rest: &[u8]) {
        let [what, how, fields @ ..] = *step;
        let value = u32::from_be_bytes(fields);
        match what % 8 {
            0 => self.deliver(&rest[..rest.len().min(how.into())], how & 1 == 1),
            1 | 2 => {
                let Some(mut packet) = self.kept.get(usize::from(how) % KEPT).cloned() else { return };
                forge(&mut packet, fields);
                self.deliver(&packet, what & 1 == 1);
            }
            3 => {
                let sending = self.client.send(self.now, self.remote, None, &rest[..rest.len().min(200)], 40, true);
                self.check(sending, rest);
            }
            4 => {
                let Some(mark) = self.mark else { return };
                let sending = self.server.send(self.now, mark.remote, Some(mark.local), rest, how.into(), false);
                self.check(sending, rest);
            }
            5 => {
                self.now += Duration::from_millis(u64::from(value >> (how % 20)) / 1000);
                self.client.handle_timeout(self.now);
                self.server.handle_timeout(self.now);
                for machine in [&self.client, &self.server] {
                    assert!(machine.poll_timeout().is_none_or(|due| due > self.now), "what is due was done");
                }
            }
            6 => {
                let ip = if how & 1 == 1 { self.local(how).ip() } else { self.local(0).ip() };
                self.client.way(self.now, self.remote, ip, how);
            }
            _ => {
                let other = SocketAddr::new(self.remote.ip(), 400 + u16::from(how % 8));
                self.client.send(self.now, other, None, &fields, 2, true);
            }
        }
    }

    fn local(&self, last: u8) -> SocketAddr {
        match self.remote {
            SocketAddr::V4(_) => SocketAddr::from(([198, 51, 100, last % 4], self.port)),
            SocketAddr::V6(_) => SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(last % 4)], self.port)),
        }
    }

    /// To everybody; `ours`: its payload is authentic, to those who can know.
    fn deliver(&mut self, packet: &[u8], ours: bool) {
        for machine in [&mut self.client, &mut self.server] {
            if let Some((mark, range)) = machine.handle(self.now, 7, 1500, packet, Checksum::Trusted) {
                assert_eq!((range.len(), range.end <= packet.len()), (mark.length as usize, true));
                machine.judged(self.now, &mark, ours);
            }
        }
        if let Some((mark, _)) = self.stranger.handle(self.now, 7, 1500, packet, Checksum::Trusted) {
            self.stranger.judged(self.now, &mark, false);
            self.mark = Some(mark);
        }
        if let Some(Outgoing { mut stamp, payload }) = self.stranger.poll_transmit(self.now) {
            let answer = read(&mut stamp, &payload);
            let room = if answer.has(flag::SYN) { 4 } else { 0 };
            assert!(payload.is_empty() && stamp.headers().len() <= packet.len() + room, "longer than the question");
            assert!(self.stranger.poll_transmit(self.now).is_none(), "one answer");
        }
    }

    /// Everything that the ends have to say reaches the other, and is remembered.
    fn drain(&mut self) {
        for _ in 0..20 {
            while let Some(action) = self.client.poll_action() {
                if let Action::Dial(remote) = action {
                    self.port = self.port.wrapping_add(1).max(1000);
                    match self.port % 5 {
                        0 => self.client.no_way(self.now, remote),
                        _ => self.client.dial(self.now, remote, self.local(1), 7, 1500),
                    }
                }
            }
            let mut packets = Vec::new();
            for machine in [&mut self.client, &mut self.server] {
                while let Some(Outgoing { mut stamp, payload }) = machine.poll_transmit(self.now) {
                    read(&mut stamp, &payload);
                    packets.push([stamp.headers(), &payload[..]].concat());
                }
            }
            assert!(packets.len() <= 2048);
            if packets.is_empty() {
                return;
            }
            for packet in packets {
                self.deliver(&packet, true);
                self.kept.insert(0, packet);
                self.kept.truncate(KEPT);
            }
        }
        panic!("the ends never have enough of each other");
    }

    /// What is to be sent can be read.
    fn check(&mut self, sending: Sending<u8>, rest: &[u8]) {
        if let Sending::Now(mut stamp) = sending {
            let length = read_length(&stamp);
            let segment = read(&mut stamp, &rest[..length]);
            assert_eq!(segment.payload.len(), length);
            self.kept.insert(0, [stamp.headers(), &rest[..length]].concat());
            self.kept.truncate(KEPT);
        }
    }
}

/// The length of a payload, out of the headers before it.
fn read_length(stamp: &Stamp<u8>) -> usize {
    let headers = stamp.headers();
    let at = |place: usize| usize::from(u16::from_be_bytes([headers[place], headers[place + 1]]));
    if stamp.ip_length == 20 { at(2) - headers.len() } else { at(4) + 40 - headers.len() }
}

fn read(stamp: &mut Stamp<u8>, payload: &[u8]) -> Segment {
    stamp.finish(payload);
    let packet = [stamp.headers(), payload].concat();
    Segment::parse(&packet, Checksum::Unknown).expect("what is written can be read")
}

/// Changes a packet in a way that leaves it one: its numbers, its flags, its window, or anything.
fn forge(packet: &mut [u8], [field, a, b, c]: [u8; 4]) {
    let tcp = if packet[0] >> 4 == 4 { 20 } else { 40 };
    match field % 8 {
        0 => packet[tcp + 13] = a,
        1 => packet[tcp + 4..tcp + 8].copy_from_slice(&[a, b, c, a]),
        2 => packet[tcp + 8..tcp + 12].copy_from_slice(&[a, b, c, b]),
        3 => packet[tcp + 6] ^= a,
        4 => packet[tcp + 10] ^= a,
        5 => packet[tcp + 1] = a,
        6 => packet[tcp + 14..tcp + 16].copy_from_slice(&[a, b]),
        _ => {
            let place = tcp + usize::from(a) % (packet.len() - tcp);
            packet[place] = b;
        }
    }
}
