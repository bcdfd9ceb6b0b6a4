//! What an open port answers to those of whom nothing is known, out of what they have sent alone: as a kernel whose
//! service waits, and never reads.

use super::cookie::{Cookies, Offer};
use super::flow::{STAMPS, stamps};
use super::segment::{Options, flag};
use super::stamp::{Network, Stamp, Transport};
use super::tuple::Tuple;
use super::window::{SCALE, ahead};
use super::{Mark, Segment};
use std::net::SocketAddr;

/// Initial sequence numbers are remembered without their last bits: a client's may be greater by this.
const FORGOTTEN: u32 = 0xff;

/// How far from the number that we remember the data of a stranger may begin: the first window, rounded up to what a
/// scaled window can say.
const FURTHEST: i32 = u16::MAX as i32 + FORGOTTEN as i32 + 1 + (1 << SCALE);

/// Bytes after which a packet of a stranger's is taken to have been another.
const PACKET_USUAL: u32 = 512;

/// The longest segment that fits an interface. Linux takes none for larger than an IP packet can be.
pub(super) fn largest_segment(address: SocketAddr, mtu: u32) -> u16 {
    match address.ip().to_canonical().is_ipv4() {
        true => (mtu.clamp(128, 65_535) - 40) as u16,
        false => (mtu.clamp(148, 65_536) - 60) as u16,
    }
}

/// The window that goes with the first segment of an end: whole segments, and not scaled (RFC 7323, 2.2).
pub(super) const fn first_window(segment: u16) -> u16 {
    u16::MAX / segment * segment
}

/// The options of a first segment, in Linux's order; how many bytes they have.
pub(super) fn first_options(options: &Options) -> ([u8; 20], usize) {
    let (mut out, mut length) = ([0; 20], 0);
    let mut put = |bytes: &[u8]| {
        out[length..length + bytes.len()].copy_from_slice(bytes);
        length += bytes.len();
    };
    if let Some(mss) = options.mss {
        let [high, low] = mss.to_be_bytes();
        put(&[2, 4, high, low]);
    }
    match (options.selective, options.timestamps) {
        (true, Some((value, echo))) => {
            put(&[4, 2]);
            put(&stamps(value, echo)[2..]);
        }
        (false, Some((value, echo))) => put(&stamps(value, echo)),
        (true, None) => put(&[1, 1, 4, 2]),
        (false, None) => {}
    }
    if let Some(scale) = options.scale {
        put(&[1, 3, 3, scale]);
    }
    (out, length)
}

/// What time it is for strangers.
#[derive(Clone, Copy)]
pub(super) struct Hour {
    /// The time of our timestamps, without what a flow adds.
    pub(super) clock: u32,
    /// The period of initial sequence numbers.
    pub(super) period: u32,
}

/// To a request for a connection.
pub(super) fn greet<H>(cookies: &Cookies, hop: H, mtu: u32, hour: Hour, segment: &Segment) -> Stamp<H> {
    let derived = cookies.derive(&Tuple::new(segment.destination, segment.source));
    let (ours, offered) = (largest_segment(segment.destination, mtu), &segment.options);
    // Without the option, what every host takes (RFC 9293, 3.7.1; RFC 8200, 5).
    let default = if segment.source.is_ipv4() { 536 } else { 1220 };
    let mss = offered.mss.unwrap_or(default).min(ours);
    let offer = Offer { number: segment.sequence, scale: offered.scale, mss };
    let options = Options {
        mss: Some(ours),
        scale: offered.scale.map(|_| SCALE),
        selective: offered.selective,
        timestamps: offered.timestamps.map(|(value, _)| (hour.clock.wrapping_add(derived.clock), value)),
    };
    let (bytes, length) = first_options(&options);
    let transport = Transport {
        sequence: cookies.seal(&derived, hour.period, offer),
        acknowledgement: segment.sequence.wrapping_add(1),
        flags: flag::SYN | flag::ACK,
        window: greeting_window(ours, options.timestamps.is_some()),
        options: &bytes[..length],
    };
    let network = Network { source: segment.destination, destination: segment.source, id: 0, label: derived.label };
    // Linux numbers no packet that belongs to no socket yet.
    Stamp::write(hop, &network, &transport, 0)
}

fn greeting_window(segment: u16, timestamps: bool) -> u16 {
    first_window(segment - if timestamps { STAMPS } else { 0 })
}

/// What a server finds out about a segment of a stranger.
pub(super) struct Stranger {
    /// It knows the number that we answered its request with: what it offered then.
    pub(super) offer: Option<Offer>,
    /// What its flow adds to the clock.
    pub(super) clock: u32,
    /// The label of its flow.
    pub(super) label: u32,
    /// The identification of its flow's next packet.
    pub(super) id: u16,
}

impl Stranger {
    pub(super) fn of(cookies: &Cookies, hour: Hour, tuple: &Tuple, sequence: u32, acknowledgement: u32) -> Self {
        let derived = cookies.derive(tuple);
        // No window of a first segment is larger. One in 60,000 that guess is right; it is told what it says itself.
        let near = |offer: &Offer| (1..=FURTHEST).contains(&ahead(sequence, offer.number));
        let offer = cookies.find(&derived, hour.period, acknowledgement.wrapping_sub(1), near);
        // It goes on with what comes, as a count of packets would.
        let passed = offer.map_or(0, |offer| sequence.wrapping_sub(offer.number) / PACKET_USUAL);
        let id = derived.id.wrapping_add(passed as u16);
        Self { offer, clock: derived.clock, label: derived.label, id }
    }

    /// Whether a segment without payload is a question (RFC 9293, 3.8.4 and 3.8.6.1): we have sent nothing that it could
    /// acknowledge but our first number, which is done with where data has come before it.
    pub(super) fn asks(&self, sequence: u32) -> bool {
        self.offer.is_some_and(|offer| ahead(sequence, offer.number) > FORGOTTEN as i32 + 1)
    }

    /// To data, or to an end, up to a number: it has come, and waits for someone who reads.
    pub(super) fn acknowledge<H: Copy>(&self, hour: Hour, mark: &Mark<H>, end: u32) -> Stamp<H> {
        let options = mark.timestamps.map(|(value, _)| stamps(hour.clock.wrapping_add(self.clock), value));
        let Some(offer) = self.offer else { return reset(mark, self.label) };
        let scale = offer.scale.map_or(0, |_| SCALE);
        // The window closes from the left, as of somebody who does not read.
        let edge = offer.number.wrapping_add(FORGOTTEN + 1 + u32::from(u16::MAX));
        let open = ahead(edge, end).max(0) as u32;
        // What is beyond the window has not come.
        let end = if open == 0 { edge } else { end };
        let transport = Transport {
            sequence: mark.acknowledgement,
            acknowledgement: end,
            flags: flag::ACK,
            window: open.div_ceil(1 << scale).min(u32::from(u16::MAX)) as u16,
            options: options.as_ref().map_or(&[], |options| &options[..]),
        };
        let network = Network { source: mark.local, destination: mark.remote, id: self.id, label: self.label };
        Stamp::write(mark.hop, &network, &transport, 0)
    }
}

/// To a segment with an acknowledgement that fits nothing (RFC 9293, 3.10.7.2).
pub(super) fn reset<H: Copy>(mark: &Mark<H>, label: u32) -> Stamp<H> {
    let transport =
        Transport { sequence: mark.acknowledgement, acknowledgement: 0, flags: flag::RST, window: 0, options: &[] };
    let network = Network { source: mark.local, destination: mark.remote, id: 0, label };
    Stamp::write(mark.hop, &network, &transport, 0)
}
