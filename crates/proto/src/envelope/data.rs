//! Data datagrams: `ciphertext | tag 16 | header 16`, sealed and opened in place.

use super::header::{COUNTER_MAX, HEADER_LEN, Header, HeaderKey, Kind};
use super::window::Window;
use super::{OVERHEAD, TAG_LEN};
use bytes::BytesMut;
use ring::aead::{AES_128_GCM, Aad, Algorithm, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use thiserror::Error;

/// The AEAD of a link, agreed in its handshake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Aead {
    /// AES-128-GCM (RFC 5116), where both ends have AES in hardware.
    Aes128Gcm = 0,
    /// ChaCha20-Poly1305 (RFC 8439), everywhere else.
    ChaCha20Poly1305 = 1,
}

impl Aead {
    /// The AEAD of this wire value.
    pub fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Aes128Gcm),
            1 => Some(Self::ChaCha20Poly1305),
            _ => None,
        }
    }

    /// The word that people read and write.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes128Gcm => "aes-128-gcm",
            Self::ChaCha20Poly1305 => "chacha20-poly1305",
        }
    }

    /// The AEAD of this word.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Aes128Gcm, Self::ChaCha20Poly1305].into_iter().find(|aead| aead.name() == name)
    }

    fn key(self, key: &[u8; 32]) -> LessSafeKey {
        let algorithm: &'static Algorithm = match self {
            Self::Aes128Gcm => &AES_128_GCM,
            Self::ChaCha20Poly1305 => &CHACHA20_POLY1305,
        };
        // Refuses only a wrong key length, and the slice has the algorithm's own.
        let unbound = UnboundKey::new(algorithm, &key[..algorithm.key_len()]);
        LessSafeKey::new(unbound.expect("a key of the algorithm's own length"))
    }
}

/// The counters of a link are used up (2^48 packets): it must be replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("the link's packet counter is used up")]
pub struct CounterExhausted;

/// Why a data datagram was not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum OpenError {
    /// Seen before, or older than the window.
    #[error("a packet that was seen before")]
    Replayed,
    /// The AEAD does not match.
    #[error("a packet that fails authentication")]
    Forged,
    /// Authentic, but its padding is longer than its payload.
    #[error("a packet whose padding is longer than itself")]
    Malformed,
}

/// Seals the packets that one end of a link sends.
pub struct Sealer {
    aead: Aead,
    key: LessSafeKey,
    epoch: bool,
    header: HeaderKey,
    session: u32,
    next: u64,
}

impl Sealer {
    /// `session` is the id that the peer chose; `first` the counter of the first packet, drawn
    /// at random below 2^46 so that no counter tells a packet's age.
    pub fn new(aead: Aead, key: &[u8; 32], header: HeaderKey, session: u32, first: u64) -> Self {
        Self { aead, key: aead.key(key), epoch: false, header, session, next: first }
    }

    /// Seals with other keys from now on. Counters go on.
    pub fn rekey(&mut self, key: &[u8; 32], epoch: bool) {
        self.key = self.aead.key(key);
        self.epoch = epoch;
    }

    /// Seals in place. The last [`OVERHEAD`] bytes of `packet` are spare; what is before them is
    /// the payload.
    pub fn seal(&mut self, kind: Kind, padded: bool, packet: &mut [u8]) -> Result<(), CounterExhausted> {
        let counter = self.next;
        if counter > COUNTER_MAX {
            return Err(CounterExhausted);
        }
        self.next += 1;
        let header = self.header.seal(Header { session: self.session, counter, kind, epoch: self.epoch, padded });
        debug_assert!(packet.len() >= OVERHEAD);
        let (payload, spare) = packet.split_at_mut(packet.len() - OVERHEAD);
        let tag = self.key.seal_in_place_separate_tag(nonce(counter), Aad::from(&header), payload);
        // Refuses only payloads beyond 2^36 bytes.
        let tag = tag.map_err(|_| CounterExhausted)?;
        spare[..TAG_LEN].copy_from_slice(tag.as_ref());
        spare[TAG_LEN..].copy_from_slice(&header);
        Ok(())
    }
}

/// Opens the packets that one end of a link receives.
pub struct Opener {
    aead: Aead,
    key: LessSafeKey,
    epoch: bool,
    /// The key of the other epoch.
    other: Other,
    window: Window,
}

/// The key beside the one in use.
enum Other {
    None,
    /// The peer may begin to use it.
    Next(LessSafeKey),
    /// What was sealed with it may still be on its way.
    Former(LessSafeKey),
}

/// What [`Opener::open`] found besides the payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opened {
    /// The packet is newer than all before it.
    pub newest: bool,
    /// It is the first under the next key, which is the one in use from now on.
    pub next_key: bool,
}

impl Opener {
    /// An opener that has seen no packet yet.
    pub fn new(aead: Aead, key: &[u8; 32]) -> Self {
        Self { aead, key: aead.key(key), epoch: false, other: Other::None, window: Window::default() }
    }

    /// The peer may use this key of the other epoch from now on. An older key of that epoch opens
    /// nothing more.
    pub fn expect(&mut self, key: &[u8; 32]) {
        self.other = Other::Next(self.aead.key(key));
    }

    /// Forgets the key before the one in use.
    pub fn forget_former(&mut self) {
        if matches!(self.other, Other::Former(_)) {
            self.other = Other::None;
        }
    }

    /// Opens in place. Afterwards `datagram` is the payload without its padding, followed by
    /// [`OVERHEAD`] bytes of no meaning. The window moves only when the packet is authentic.
    pub fn open(&mut self, header: &Header, datagram: &mut BytesMut) -> Result<Opened, OpenError> {
        if !self.window.is_fresh(header.counter) {
            return Err(OpenError::Replayed);
        }
        let sealed_len = datagram.len().checked_sub(HEADER_LEN).ok_or(OpenError::Malformed)?;
        let (sealed, block) = datagram.split_at_mut(sealed_len);
        let key = match &self.other {
            _ if header.epoch == self.epoch => &self.key,
            Other::Next(key) | Other::Former(key) => key,
            Other::None => return Err(OpenError::Forged),
        };
        let opened = key.open_in_place(nonce(header.counter), Aad::from(&*block), sealed);
        let payload = opened.map_err(|_| OpenError::Forged)?;
        let payload_len = without_padding(header, payload)?;
        let next_key = header.epoch != self.epoch && self.take_up_next();
        let newest = self.window.record(header.counter);
        datagram.truncate(payload_len + OVERHEAD);
        Ok(Opened { newest, next_key })
    }

    /// The peer uses the next key, if there is one: this end opens with it from now on.
    fn take_up_next(&mut self) -> bool {
        match std::mem::replace(&mut self.other, Other::None) {
            Other::Next(next) => {
                self.other = Other::Former(std::mem::replace(&mut self.key, next));
                self.epoch = !self.epoch;
                true
            }
            other => {
                self.other = other;
                false
            }
        }
    }
}

/// Opens packets for somebody who looks on: under one key, in any order, as often as asked.
pub struct Onlooker(LessSafeKey);

impl Onlooker {
    /// Expands a key.
    pub fn new(aead: Aead, key: &[u8; 32]) -> Self {
        Self(aead.key(key))
    }

    /// The payload without its padding, and how many bytes of padding there were.
    pub fn open(&self, header: &Header, datagram: &[u8]) -> Result<(Vec<u8>, usize), OpenError> {
        let (sealed, block) = datagram.split_last_chunk::<HEADER_LEN>().ok_or(OpenError::Malformed)?;
        let mut sealed = sealed.to_vec();
        let opened = self.0.open_in_place(nonce(header.counter), Aad::from(block), &mut sealed);
        let length = opened.map_err(|_| OpenError::Forged)?.len();
        let kept = without_padding(header, &sealed[..length])?;
        sealed.truncate(kept);
        Ok((sealed, if header.padded { length - kept - 2 } else { 0 }))
    }
}

fn without_padding(header: &Header, payload: &[u8]) -> Result<usize, OpenError> {
    if !header.padded {
        return Ok(payload.len());
    }
    let length = payload.last_chunk::<2>().ok_or(OpenError::Malformed)?;
    let padding = usize::from(u16::from_be_bytes(*length));
    payload.len().checked_sub(padding + 2).ok_or(OpenError::Malformed)
}

fn nonce(counter: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}
