//! The header block of a data datagram: 16 bytes, encrypted as one AES-128 block.
//!
//! Plain, it is `session id 4 | counter 6 | flags 1 | zero 5`. The pair of session id and counter
//! never repeats within a link, so no two of its blocks are equal, and a block cipher alone hides
//! them all. Links to one server share a key, also across restarts: there a pair could repeat, but
//! a random id of 32 bits and a random first counter of 46 bits make that improbable. Whoever sees
//! it learns that two blocks are equal, and no more.

use aes::Aes128;
use aes::cipher::{BlockDecrypt, BlockEncrypt, KeyInit};

/// Length of a header block.
pub const HEADER_LEN: usize = 16;

/// Counters are 48 bits wide; none is used beyond this one.
pub const COUNTER_MAX: u64 = (1 << 48) - 1;

const KIND_MASK: u8 = 0b0000_0111;
const EPOCH: u8 = 0b0000_1000;
const PADDED: u8 = 0b0001_0000;

/// What a data datagram carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// One packet of the session.
    Session = 0,
    /// One control message of the link.
    Control = 1,
    /// One packet of the session without the zeros at its end, and two bytes of how many they were.
    Trimmed = 2,
}

/// An opened header block. Nothing in it is authenticated until the payload has been opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The id that the receiver gave to its end of the link.
    pub session: u32,
    /// The packet's number, and its AEAD nonce.
    pub counter: u64,
    /// What the payload is.
    pub kind: Kind,
    /// The lowest bit of the number of the link's keys: which of them the payload is sealed with.
    pub epoch: bool,
    /// Whether the payload ends in padding and two bytes of its length.
    pub padded: bool,
}

/// The key of one direction's header blocks.
pub struct HeaderKey(Aes128);

impl HeaderKey {
    /// Expands a key.
    pub fn new(key: &[u8; 16]) -> Self {
        Self(Aes128::new(key.into()))
    }

    /// Encrypts a header into the block that stands at the end of a datagram.
    pub fn seal(&self, header: Header) -> [u8; HEADER_LEN] {
        let mut block = [0; HEADER_LEN];
        block[..4].copy_from_slice(&header.session.to_be_bytes());
        block[4..10].copy_from_slice(&header.counter.to_be_bytes()[2..]);
        block[10] = header.kind as u8;
        block[10] |= if header.padded { PADDED } else { 0 } | if header.epoch { EPOCH } else { 0 };
        let mut block = block.into();
        self.0.encrypt_block(&mut block);
        block.into()
    }

    /// Decrypts the block at the end of `datagram`.
    ///
    /// `None`: too short, or not a header under this key (random bytes pass once in 2^46).
    pub fn open(&self, datagram: &[u8]) -> Option<Header> {
        if datagram.len() < super::OVERHEAD {
            return None;
        }
        let mut block: [u8; HEADER_LEN] = *datagram.last_chunk()?;
        self.0.decrypt_block((&mut block).into());
        if block[11..] != [0; 5] || block[10] & !(KIND_MASK | EPOCH | PADDED) != 0 {
            return None;
        }
        let kind = match block[10] & KIND_MASK {
            0 => Kind::Session,
            1 => Kind::Control,
            2 => Kind::Trimmed,
            _ => return None,
        };
        let mut counter = [0; 8];
        counter[2..].copy_from_slice(&block[4..10]);
        Some(Header {
            session: u32::from_be_bytes([block[0], block[1], block[2], block[3]]),
            counter: u64::from_be_bytes(counter),
            kind,
            epoch: block[10] & EPOCH != 0,
            padded: block[10] & PADDED != 0,
        })
    }
}
