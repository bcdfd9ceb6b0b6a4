//! The envelope: seals and opens packets; secrecy, integrity, replay protection, disguise.
//!
//! Everything on the wire is one of two datagrams, and both look like random bytes:
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
pub mod handshake;
pub mod header;
pub mod hello;
pub mod keys;
mod noise;
pub mod replay;
pub mod window;

/// Bytes that the envelope adds to each packet: the AEAD's tag (16) and the header block (16).
pub const OVERHEAD: usize = TAG_LEN + header::HEADER_LEN;

/// Length of an AEAD tag (AES-128-GCM and ChaCha20-Poly1305 alike).
pub const TAG_LEN: usize = 16;

/// The protocol's version, as it stands in every handshake datagram and in every key's label.
pub const VERSION: u8 = 1;
