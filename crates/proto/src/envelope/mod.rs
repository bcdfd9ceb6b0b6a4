//! The envelope: seals and opens packets; secrecy, integrity, replay protection, disguise.
//!
//! Everything on the wire that opens for somebody is one of two datagrams, and both look like
//! random bytes:
//!
//! * a **handshake datagram** ([`handshake`]): one Noise message inside an outer AEAD, so that only
//!   holders of the deployment's secret can even see that it is one;
//! * a **data datagram** ([`data`]): payload, tag, and an encrypted header block at its *end*.
//!
//! The header stands at the end so that a session can write a packet where it will be sent from:
//! it leaves [`OVERHEAD`] spare bytes behind each packet, and sealing fills them in place. No
//! payload byte is copied between the session's buffer and the carrier.
//!
//! The normative description is `PROTOCOL.md` at the root of the project.

pub mod control;
pub mod data;
pub mod dissect;
pub mod handshake;
pub mod header;
pub mod hello;
pub mod key_log;
pub mod keys;
mod noise;
pub mod rekey;
pub mod replay;
pub mod window;

/// Bytes that the envelope adds to each packet: the AEAD's tag (16) and the header block (16).
pub const OVERHEAD: usize = TAG_LEN + header::HEADER_LEN;

/// Length of an AEAD tag (AES-128-GCM and ChaCha20-Poly1305 alike).
pub const TAG_LEN: usize = 16;

/// A version of the protocol, as it stands in every handshake datagram. A server speaks all of
/// them and answers in that of the request; a client speaks one, [`Version::CURRENT`] but in tests.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Version {
    /// The previous one: no rekey, no trimmed packets.
    V1 = 1,
    /// The current one.
    V2 = 2,
}

impl Version {
    /// The version that clients speak.
    pub const CURRENT: Self = Self::V2;

    /// The version of this wire value.
    pub fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::V1),
            2 => Some(Self::V2),
            _ => None,
        }
    }

    /// Whether links of this version change their keys, and carry packets without their zeros.
    pub fn has_rekey(self) -> bool {
        self >= Self::V2
    }
}
