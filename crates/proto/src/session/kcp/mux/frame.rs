//! Frames: what stands in a pipe, one after the other, after smux version 2.
//!
//! A header of eight bytes, little-endian: version, command, length (u16), stream (u32). Then so
//! many bytes as its length says. Every command but PSH has a length of its own.

use super::Violation;

/// Bytes of a frame before its data.
pub const HEADER_LEN: usize = 8;

/// The most data that one PSH carries, bytes.
pub const DATA_MAX: usize = u16::MAX as usize;

/// The longest frame that is not a PSH, bytes.
pub(super) const CONTROL_MAX: usize = HEADER_LEN + 8;

const VERSION: u8 = 2;

/// The commands on the wire.
mod command {
    pub(super) const SYN: u8 = 0;
    pub(super) const FIN: u8 = 1;
    pub(super) const PSH: u8 = 2;
    pub(super) const NOP: u8 = 3;
    pub(super) const UPD: u8 = 4;
    pub(super) const RST: u8 = 5;
    pub(super) const STP: u8 = 6;
    pub(super) const GRT: u8 = 7;
}

/// One frame. Streams are named by their number in the session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frame {
    /// A new stream.
    Syn(u32),
    /// The clean end of the sender's direction.
    Fin(u32),
    /// So many bytes of data follow: 1 … 65,535.
    Psh(u32, u16),
    /// Nothing.
    Nop,
    /// The sender has read so many bytes of the stream, modulo 2^32, and takes so many more.
    Upd(u32, u32, u32),
    /// The sender gives its direction up, with this code.
    Rst(u32, u32),
    /// The sender reads no more, with this code.
    Stp(u32, u32),
    /// The receiver may open so many streams in all.
    Grt(u32),
}

impl Frame {
    /// Bytes of the frame on the wire, without the data of a PSH.
    pub const fn wire_len(self) -> usize {
        HEADER_LEN
            + match self {
                Self::Syn(_) | Self::Fin(_) | Self::Psh(..) | Self::Nop => 0,
                Self::Rst(..) | Self::Stp(..) | Self::Grt(_) => 4,
                Self::Upd(..) => 8,
            }
    }

    /// Appends the frame; of a PSH, its header.
    pub fn encode(self, out: &mut Vec<u8>) {
        let (command, stream) = match self {
            Self::Syn(stream) => (command::SYN, stream),
            Self::Fin(stream) => (command::FIN, stream),
            Self::Psh(stream, _) => (command::PSH, stream),
            Self::Nop => (command::NOP, 0),
            Self::Upd(stream, ..) => (command::UPD, stream),
            Self::Rst(stream, _) => (command::RST, stream),
            Self::Stp(stream, _) => (command::STP, stream),
            Self::Grt(_) => (command::GRT, 0),
        };
        let length = if let Self::Psh(_, length) = self { length } else { (self.wire_len() - HEADER_LEN) as u16 };
        let mut bytes = [0; CONTROL_MAX];
        bytes[0] = VERSION;
        bytes[1] = command;
        bytes[2..4].copy_from_slice(&length.to_le_bytes());
        bytes[4..8].copy_from_slice(&stream.to_le_bytes());
        match self {
            Self::Upd(_, consumed, window) => {
                bytes[8..12].copy_from_slice(&consumed.to_le_bytes());
                bytes[12..16].copy_from_slice(&window.to_le_bytes());
            }
            Self::Rst(_, value) | Self::Stp(_, value) | Self::Grt(value) => {
                bytes[8..12].copy_from_slice(&value.to_le_bytes());
            }
            Self::Syn(_) | Self::Fin(_) | Self::Psh(..) | Self::Nop => {}
        }
        out.extend_from_slice(&bytes[..self.wire_len()]);
    }

    /// Reads the frame at the front of `bytes`; of a PSH, its header. `None`: it has not all come.
    /// A header that cannot be right is refused before what belongs to it has come.
    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, Violation> {
        let Some((&[version, command, l0, l1, s0, s1, s2, s3], data)) = bytes.split_first_chunk() else {
            return Ok(None);
        };
        let (length, stream) = (u16::from_le_bytes([l0, l1]), u32::from_le_bytes([s0, s1, s2, s3]));
        if version != VERSION {
            return Err(Violation::Version(version));
        }
        let expected = match command {
            command::SYN | command::FIN | command::NOP => 0,
            command::PSH => length.max(1),
            command::UPD => 8,
            command::RST | command::STP | command::GRT => 4,
            _ => return Err(Violation::Command(command)),
        };
        if length != expected {
            return Err(Violation::Length { command, length });
        }
        if matches!(command, command::NOP | command::GRT) != (stream == 0) {
            return Err(Violation::Stream(stream));
        }
        let number = |at: usize| data.get(at..)?.first_chunk().copied().map(u32::from_le_bytes);
        Ok(match command {
            command::SYN => Some(Self::Syn(stream)),
            command::FIN => Some(Self::Fin(stream)),
            command::PSH => Some(Self::Psh(stream, length)),
            command::NOP => Some(Self::Nop),
            command::UPD => number(0).zip(number(4)).map(|(consumed, window)| Self::Upd(stream, consumed, window)),
            command::RST => number(0).map(|code| Self::Rst(stream, code)),
            command::STP => number(0).map(|code| Self::Stp(stream, code)),
            _ => number(0).map(Self::Grt),
        })
    }
}
