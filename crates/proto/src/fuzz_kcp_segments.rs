//! Fuzz body of KCP conversations: whatever a peer sends, and whatever the time is, an end neither panics
//! nor spins, sends no datagram that is too long, and holds no more than its window.

use crate::session::kcp::Settings;
use crate::session::kcp::mode::Mode;
use crate::session::kcp::plain::Plain;
use bytes::Bytes;
use std::time::{Duration, Instant};

const WINDOW: u16 = 64;
const MTU: u16 = 600;

/// First byte: the mode. The others say step by step what happens: bytes sent, time that passes, segments of
/// the peer, of which most are nearly good, and datagrams that need not be segments.
/// `now`: when it begins; only what passes from then on counts.
pub fn kcp_segments(mut now: Instant, data: &[u8]) {
    let mut input = Input(data);
    let mode = Mode::ALL[usize::from(input.byte()) % Mode::ALL.len()];
    let mut end = Plain::new(1, &Settings { mode, lanes: 1, window: WINDOW }, MTU, now);
    while !input.0.is_empty() {
        match input.byte() % 8 {
            0 => end.write(Bytes::from(vec![7; 100 * usize::from(input.byte())])),
            1 => now += Duration::from_micros(u64::from(input.byte()).pow(3)),
            2 => {
                let read = std::iter::from_fn(|| end.read(now)).count();
                assert!(read <= WINDOW.into(), "{read} segments for a window of {WINDOW}");
            }
            3 => {
                let length = usize::from(input.byte());
                let datagram = input.take(length);
                end.handle(now, Bytes::copy_from_slice(datagram));
            }
            _ => {
                let datagram = segments(&mut input);
                end.handle(now, datagram.into());
            }
        }
        settle(&mut end, &mut now);
        assert!(end.outstanding() <= usize::from(WINDOW) * usize::from(MTU) || mode == Mode::Auto);
    }
}

/// Sends all that may leave, and passes the time-outs that are due.
fn settle(end: &mut Plain, now: &mut Instant) {
    let mut datagram = Vec::new();
    for round in 0.. {
        assert!(round < 100, "it spins");
        for count in 0.. {
            datagram.clear();
            if !end.poll_transmit(*now, &mut datagram) {
                break;
            }
            assert!(count < 20_000, "it never stops sending");
            assert!((24..=usize::from(MTU)).contains(&datagram.len()), "{} bytes", datagram.len());
        }
        if end.poll_timeout().is_none_or(|at| at > *now) {
            return;
        }
        end.handle_timeout(*now);
    }
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A number that is small, or nearly 2^32, or any.
    fn number(&mut self) -> u32 {
        match self.byte() {
            small @ ..160 => (small % 80).into(),
            negative @ 160..224 => (160 - i32::from(negative)) as u32,
            byte => u32::from(byte) << 24 | u32::from(self.byte()) << 12 | u32::from(self.byte()),
        }
    }
}

/// One to four segments of conversation 1.
fn segments(input: &mut Input<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..=input.byte() % 4 {
        let command = 80 + input.byte() % 8;
        out.extend_from_slice(&1u32.to_le_bytes());
        out.extend_from_slice(&[command, input.byte()]);
        out.extend_from_slice(&u16::from_le_bytes([input.byte(), input.byte()]).to_le_bytes());
        for _ in 0..3 {
            out.extend_from_slice(&input.number().to_le_bytes());
        }
        // As many numbers as fit: ranges, or the head of a part, or just data.
        let length = usize::from(input.byte() % 24) * 4;
        let claimed = if input.byte() < 250 { length as u32 } else { input.number() };
        out.extend_from_slice(&claimed.to_le_bytes());
        (0..length / 4).for_each(|_| out.extend_from_slice(&input.number().to_le_bytes()));
    }
    out
}
