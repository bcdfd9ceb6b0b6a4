//! KCP's unit on the wire: a header of 24 bytes, little-endian, and what follows it.
//!
//! As in the reference implementation (`ikcp.c`): `conv 4 | cmd 1 | frg 1 | wnd 2 | ts 4 | sn 4 |
//! una 4 | len 4`. A packet holds one segment after the other. Commands 85 and 86 are ginnel's own
//! and are only sent to a peer that has said it knows them.

use bytes::{Buf, Bytes};
use std::cmp::Ordering;
use thiserror::Error;

/// Length of a header, bytes.
pub const HEADER: usize = 24;

/// What a segment is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Command {
    /// Data.
    Push = 81,
    /// One segment has arrived: its serial number and its time stamp, as it came.
    Ack = 82,
    /// How large is the window?
    Ask = 83,
    /// As large as the header says.
    Tell = 84,
    /// Ranges of serial numbers have arrived.
    Ranges = 85,
    /// A part of a segment that is longer than the path now carries.
    Part = 86,
}

impl Command {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            81 => Self::Push,
            82 => Self::Ack,
            83 => Self::Ask,
            84 => Self::Tell,
            85 => Self::Ranges,
            86 => Self::Part,
            _ => return None,
        })
    }
}

/// The header of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// The conversation (`conv`).
    pub conversation: u32,
    /// What it is for (`cmd`).
    pub command: Command,
    /// How many fragments of the same message follow (`frg`). A stream has none.
    pub fragment: u8,
    /// So many segments the sender takes in beyond `next` (`wnd`).
    pub window: u16,
    /// Milliseconds of the sender's clock, or the peer's in an acknowledgement (`ts`).
    pub time: u32,
    /// Serial number (`sn`).
    pub serial: u32,
    /// The sender has everything before this serial number (`una`).
    pub next: u32,
}

/// A packet that does not hold segments.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("no KCP segment")]
pub struct Malformed;

impl Segment {
    /// Writes the header of a segment with `length` bytes after it.
    pub fn write(&self, length: usize, out: &mut Vec<u8>) {
        let mut header = [0; HEADER];
        header[0..4].copy_from_slice(&self.conversation.to_le_bytes());
        header[4] = self.command as u8;
        header[5] = self.fragment;
        header[6..8].copy_from_slice(&self.window.to_le_bytes());
        header[8..12].copy_from_slice(&self.time.to_le_bytes());
        header[12..16].copy_from_slice(&self.serial.to_le_bytes());
        header[16..20].copy_from_slice(&self.next.to_le_bytes());
        header[20..24].copy_from_slice(&(length as u32).to_le_bytes());
        out.extend_from_slice(&header);
    }

    /// Takes the next segment off a packet. `None`: there is none any more, only padding, which a
    /// conversation of 0 begins.
    pub fn read(packet: &mut Bytes) -> Result<Option<(Self, Bytes)>, Malformed> {
        if packet.is_empty() {
            return Ok(None);
        }
        let header: &[u8; HEADER] = match packet.first_chunk() {
            Some(header) => header,
            None if packet.iter().all(|byte| *byte == 0) => return Ok(None),
            None => return Err(Malformed),
        };
        let segment = Self {
            conversation: word(header, 0),
            command: match Command::from_byte(header[4]) {
                Some(command) => command,
                None if word(header, 0) == 0 => return Ok(None),
                None => return Err(Malformed),
            },
            fragment: header[5],
            window: u16::from_le_bytes([header[6], header[7]]),
            time: word(header, 8),
            serial: word(header, 12),
            next: word(header, 16),
        };
        let length = word(header, 20) as usize;
        if length > packet.len() - HEADER {
            return Err(Malformed);
        }
        packet.advance(HEADER);
        Ok(Some((segment, packet.split_to(length))))
    }
}

fn word(header: &[u8; HEADER], at: usize) -> u32 {
    u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}

/// The order of two serial numbers or times, which wrap around: the nearer way counts.
pub fn order(left: u32, right: u32) -> Ordering {
    (left.wrapping_sub(right) as i32).cmp(&0)
}

/// Whether a serial number or time comes before another.
pub fn is_before(left: u32, right: u32) -> bool {
    order(left, right) == Ordering::Less
}
