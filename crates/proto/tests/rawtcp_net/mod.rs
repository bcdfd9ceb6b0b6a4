//! Two ends, a wire in virtual time that loses, swaps and doubles packets, and a firewall in the middle of it.

#![allow(dead_code, reason = "each test uses a part")]

pub(crate) mod conntrack;

use conntrack::Conntrack;
use ginnel_proto::profile::Span;
use ginnel_proto::rawtcp::segment::{Segment, flag};
use ginnel_proto::rawtcp::{Action, Checksum, Flows, Mark, Outgoing, Sending, Settings, Stamp};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How a hop is named here.
pub(crate) type Hop = u8;

pub(crate) const CLIENT_HOP: Hop = 1;
pub(crate) const SERVER_HOP: Hop = 2;

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn settings() -> Settings {
    Settings {
        printable: Span::new(6, 24),
        first_size: Span::new(100, 600),
        idle: secs(600),
        sweep: secs(300),
        renew: secs(1200),
        stalled: secs(4),
        flows: 1000,
    }
}

/// What the wire does.
#[derive(Clone, Copy, Default)]
pub(crate) struct Faults {
    pub(crate) loss: f64,
    pub(crate) swapped: f64,
    pub(crate) doubled: f64,
}

/// A packet as a test makes it authentic: its payload begins so, and nothing random does.
pub(crate) const OURS: &[u8] = b"\x00\xff\x00\xffours";

/// An authentic datagram.
pub(crate) fn datagram(length: usize) -> Vec<u8> {
    let mut datagram = vec![0x5a; length.max(OURS.len())];
    datagram[..OURS.len()].copy_from_slice(OURS);
    datagram
}

/// Authentic datagrams of a length, `size` bytes in all.
pub(crate) fn datagrams(size: usize, length: usize) -> Vec<u8> {
    let mut data = vec![0x5a; size];
    for chunk in data.chunks_mut(length).filter(|chunk| chunk.len() >= OURS.len()) {
        chunk[..OURS.len()].copy_from_slice(OURS);
    }
    data
}

/// Which end a packet goes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum To {
    Client,
    Server,
}

/// Puts NOPs in the place of a window scale, which stands last (IPv4; the checksum as RFC 1624 has it).
fn unscale(packet: &mut [u8]) {
    let at = packet.len() - 4;
    assert_eq!(packet[at..at + 3], [1, 3, 3]);
    let word = |bytes: &[u8]| u32::from(bytes[0]) << 8 | u32::from(bytes[1]);
    let mut sum = u32::from(!(word(&packet[36..]) as u16));
    for place in [at, at + 2] {
        sum += u32::from(!(word(&packet[place..]) as u16)) + 0x0101;
    }
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    packet[36..38].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    packet[at..].copy_from_slice(&[1; 4]);
}

pub(crate) struct Net {
    pub(crate) now: Instant,
    pub(crate) client: Flows<Hop>,
    pub(crate) server: Flows<Hop>,
    pub(crate) firewall: Conntrack,
    pub(crate) faults: Faults,
    pub(crate) rng: StdRng,
    pub(crate) remote: SocketAddr,
    /// The address that the client's flows leave from, and their next port.
    pub(crate) local: SocketAddr,
    pub(crate) mtu: [u32; 2],
    /// Something on the way takes the window scale out of requests.
    pub(crate) unscaled: bool,
    /// What the carrier answers when it is asked for a way: nothing if there is none.
    pub(crate) answers_dials: bool,
    pub(crate) released: Vec<SocketAddr>,
    /// Servers to which another flow was said to lead.
    pub(crate) renewed: Vec<SocketAddr>,
    pub(crate) dialled: u32,
    /// Authentic bytes that have come, at the client and at the server.
    pub(crate) came: [u64; 2],
    /// Every packet, as it left.
    pub(crate) log: Option<Vec<(To, Vec<u8>)>>,
    /// Marks of what came to the server, last.
    pub(crate) mark: Option<Mark<Hop>>,
    wire: BTreeMap<(Instant, u64), (To, Vec<u8>)>,
    count: u64,
}

impl Net {
    pub(crate) fn new(seed: u64) -> Self {
        Self::between(seed, "198.51.100.7:40000", "192.0.2.1:443")
    }

    pub(crate) fn between(seed: u64, local: &str, remote: &str) -> Self {
        let now = Instant::now();
        let mut seeds = [0; 32];
        seeds[..8].copy_from_slice(&seed.to_le_bytes());
        let mut other = seeds;
        other[31] = 1;
        Self {
            now,
            client: Flows::client(now, settings(), seeds),
            server: Flows::server(now, settings(), other),
            firewall: Conntrack::default(),
            faults: Faults::default(),
            rng: StdRng::seed_from_u64(seed),
            remote: remote.parse().expect("an address"),
            local: local.parse().expect("an address"),
            mtu: [1500; 2],
            unscaled: false,
            answers_dials: true,
            released: Vec::new(),
            renewed: Vec::new(),
            dialled: 0,
            came: [0; 2],
            log: None,
            mark: None,
            wire: BTreeMap::new(),
            count: 0,
        }
    }

    /// Half of what is lost is lost before the firewall, half behind it.
    fn is_lost(&mut self) -> bool {
        self.rng.random_bool(1.0 - (1.0 - self.faults.loss).sqrt())
    }

    /// Puts a packet onto the wire.
    pub(crate) fn transmit(&mut self, to: To, packet: Vec<u8>) {
        if let Some(log) = &mut self.log {
            log.push((to, packet.clone()));
        }
        if self.is_lost() {
            return;
        }
        let copies = 1 + usize::from(self.faults.doubled > 0.0 && self.rng.random_bool(self.faults.doubled));
        for _ in 0..copies {
            let late = self.faults.swapped > 0.0 && self.rng.random_bool(self.faults.swapped);
            let delay = ms(5) + Duration::from_micros(if late { self.rng.random_range(0..8000) } else { 0 });
            self.count += 1;
            self.wire.insert((self.now + delay, self.count), (to, packet.clone()));
        }
    }

    fn write(&mut self, to: To, mut stamp: Stamp<Hop>, payload: &[u8]) {
        assert_eq!(stamp.hop, if to == To::Server { CLIENT_HOP } else { SERVER_HOP });
        stamp.finish(payload);
        let mut packet = [stamp.headers(), payload].concat();
        // The answer to a request without a scale has none.
        if self.unscaled && packet[33] & (flag::SYN | flag::ACK) == flag::SYN {
            unscale(&mut packet);
        }
        self.transmit(to, packet);
    }

    /// Fetches what the machines have to say.
    pub(crate) fn drain(&mut self) {
        while let Some(Outgoing { stamp, payload }) = self.client.poll_transmit(self.now) {
            self.write(To::Server, stamp, &payload);
        }
        while let Some(Outgoing { stamp, payload }) = self.server.poll_transmit(self.now) {
            self.write(To::Client, stamp, &payload);
        }
        while let Some(action) = self.client.poll_action() {
            match action {
                Action::Dial(remote) if self.answers_dials => {
                    self.dialled += 1;
                    self.local.set_port(self.local.port() + 1);
                    self.client.dial(self.now, remote, self.local, CLIENT_HOP, self.mtu[0]);
                }
                Action::Dial(_) => self.dialled += 1,
                Action::Release(local) => self.released.push(local),
                Action::Renewed(remote) => self.renewed.push(remote),
            }
            self.drain();
        }
    }

    /// The client sends datagrams. What the machine says to that.
    pub(crate) fn client_sends(&mut self, data: &[u8], segment: usize, push: bool) -> Sending<Hop> {
        let sending = self.client.send(self.now, self.remote, None, data, segment, push);
        self.cut(To::Server, &sending, data, segment);
        self.drain();
        sending
    }

    /// The server sends to where it heard of the client last.
    pub(crate) fn server_sends(&mut self, data: &[u8], segment: usize, push: bool) -> Sending<Hop> {
        let Some(mark) = self.mark else { return Sending::Refused };
        let sending = self.server.send(self.now, mark.remote, Some(mark.local), data, segment, push);
        self.cut(To::Client, &sending, data, segment);
        self.drain();
        sending
    }

    /// What segmentation offload would do.
    fn cut(&mut self, to: To, sending: &Sending<Hop>, data: &[u8], segment: usize) {
        let Sending::Now(stamp) = sending else { return };
        let count = data.len().div_ceil(segment);
        for (index, piece) in data.chunks(segment).enumerate() {
            let part = stamp.part(index as u16, index * segment, piece.len(), index + 1 == count);
            self.write(to, part, piece);
        }
    }

    /// Lets time pass, and everything happen in it.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.drain();
            let arrival = self.wire.first_key_value().map(|((at, _), _)| *at);
            let due = [arrival, self.client.poll_timeout(), self.server.poll_timeout()];
            let Some(next) = due.into_iter().flatten().min().filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            if arrival.is_some_and(|at| at <= self.now)
                && let Some((_, (to, packet))) = self.wire.pop_first()
            {
                self.firewall.pass(&packet);
                if !self.is_lost() {
                    self.deliver(to, &packet);
                }
            }
            self.client.handle_timeout(self.now);
            self.server.handle_timeout(self.now);
        }
        self.now = end;
    }

    /// A packet arrives.
    pub(crate) fn deliver(&mut self, to: To, packet: &[u8]) {
        let (machine, hop, side) = match to {
            To::Client => (&mut self.client, SERVER_HOP + 10, 0),
            To::Server => (&mut self.server, SERVER_HOP, 1),
        };
        if let Some((mark, range)) = machine.handle(self.now, hop, self.mtu[side], packet, Checksum::Unknown) {
            let ours = packet[range.clone()].starts_with(OURS);
            machine.judged(self.now, &mark, ours);
            if ours {
                self.came[side] += range.len() as u64;
                if to == To::Server {
                    self.mark = Some(mark);
                }
            }
        }
        self.drain();
    }

    /// One with numbers that a test needs: made again from other seeds until they fit.
    pub(crate) fn found(fits: impl Fn(&Segment, &Segment) -> bool) -> Self {
        for seed in 0..200_000 {
            let mut net = Self::new(seed);
            net.log = Some(Vec::new());
            net.client_sends(&datagram(300), 300, true);
            let request = net.log.as_ref().expect("a log")[0].1.clone();
            net.deliver(To::Server, &request);
            if fits(&net.logged(To::Server)[0], &net.logged(To::Client)[0]) {
                return Self::new(seed);
            }
        }
        panic!("no seed fits");
    }

    /// The client has a flow, and the server knows it.
    pub(crate) fn connect(&mut self) {
        self.client_sends(&datagram(300), 300, true);
        self.run(ms(100));
        assert_eq!(self.server.count(), 1, "a flow");
        self.server_sends(&datagram(200), 200, true);
        self.run(ms(100));
        assert!(self.came[0] > 0 && self.came[1] > 0);
    }

    /// The firewall has nothing to say.
    pub(crate) fn assert_valid(&self) {
        assert!(self.firewall.seen > 0);
        let worst: Vec<_> = self.firewall.invalid.iter().take(5).collect();
        assert!(worst.is_empty(), "{} of {} INVALID: {worst:#?}", self.firewall.invalid.len(), self.firewall.seen);
    }

    /// What was logged for an end, read.
    pub(crate) fn logged(&self, to: To) -> Vec<Segment> {
        let log = self.log.as_ref().expect("a log");
        let packets = log.iter().filter(|(end, _)| *end == to);
        packets.map(|(_, packet)| Segment::parse(packet, Checksum::Unknown).expect("a segment")).collect()
    }
}
