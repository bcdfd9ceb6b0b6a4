//! Control messages: what keeps a link alive, tells its ends where they are, renews its keys and ends it.

use super::OVERHEAD;
use super::keys::{KEY_LEN, PublicKey};
use crate::profile::Span;
use rand::Rng;

/// The longest control message, in bytes.
pub const CONTROL_MAX: usize = 1 + 4 + KEY_LEN;

/// Padding added to control messages at random, in bytes, at least and at most: no two of them
/// need have one length. A profile may narrow it.
pub const PADDING: Span = Span::new(24, 119);

/// Bytes of a sealed control message with a token, beside its padding.
const TOKEN_DATAGRAM: usize = 1 + 8 + 2 + OVERHEAD;

/// Padding that makes a datagram of 1,180 to 1,200 bytes: hardly shorter than a full one before
/// the path is known, and no longer than what every path is taken to carry.
const WIDE: Span = Span::new(1180 - TOKEN_DATAGRAM as u16, 1200 - TOKEN_DATAGRAM as u16);

/// The longest datagram of a control message with a token, the wide and the long ones excepted.
pub const DATAGRAM_MAX: usize = TOKEN_DATAGRAM + PADDING.high as usize;

/// A client that moves while it is idle is heard of by one probe: even the shortest must allow
/// the longest challenge in return, by the rule of three times the bytes received.
const _: () = assert!(3 * (TOKEN_DATAGRAM + PADDING.low as usize) >= DATAGRAM_MAX);

/// One control message of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Control {
    /// Asks the peer for an [`Echo`](Self::Echo): is it there, and how far?
    Probe([u8; 8]),
    /// The answer to a probe.
    Echo([u8; 8]),
    /// Asks whoever uses a new address to prove that it receives there.
    Challenge([u8; 8]),
    /// The proof.
    ChallengeEcho([u8; 8]),
    /// The sender has closed the link. The code says why; see [`close`].
    Close(u8),
    /// The client's part of the link's keys of this number.
    Rekey(u32, PublicKey),
    /// The server's part of them.
    RekeyAnswer(u32, PublicKey),
    /// Asks for an echo as long as a full datagram, and is as long.
    WideProbe([u8; 8]),
    /// The answer to that.
    WideEcho([u8; 8]),
    /// Asks for an echo, in a datagram of this length.
    LongProbe([u8; 8], u16),
    /// The answer to that, of any length.
    LongEcho([u8; 8]),
}

/// Codes of [`Control::Close`].
pub mod close {
    /// The end was stopped by its owner.
    pub const SHUTDOWN: u8 = 0;
    /// The user's key is no longer accepted.
    pub const REVOKED: u8 = 1;
    /// A newer link of the same identity took its place.
    pub const REPLACED: u8 = 2;
    /// The session inside failed.
    pub const SESSION_FAILED: u8 = 3;
    /// The user has as many links as one may have, and this one was silent for long.
    pub const CROWDED: u8 = 4;
    /// The deployment's secret that the client uses is no longer accepted.
    pub const RETIRED: u8 = 5;
}

impl Control {
    /// Writes the message, so much padding as is drawn from `padding`, and the padding's length.
    pub fn encode_padded(&self, padding: Span, rng: &mut impl Rng, out: &mut Vec<u8>) {
        match self {
            Self::Probe(token) => put(out, 0, token),
            Self::Echo(token) => put(out, 1, token),
            Self::Challenge(token) => put(out, 2, token),
            Self::ChallengeEcho(token) => put(out, 3, token),
            Self::Close(code) => put(out, 4, &[*code]),
            Self::Rekey(number, key) => put_key(out, 5, *number, key),
            Self::RekeyAnswer(number, key) => put_key(out, 6, *number, key),
            Self::WideProbe(token) => put(out, 7, token),
            Self::WideEcho(token) => put(out, 8, token),
            Self::LongProbe(token, length) => {
                put(out, 9, token);
                out.extend_from_slice(&length.to_be_bytes());
            }
            Self::LongEcho(token) => put(out, 10, token),
        }
        let padding = match *self {
            Self::WideProbe(_) | Self::WideEcho(_) => WIDE.draw(rng),
            Self::LongProbe(_, length) => usize::from(length).saturating_sub(out.len() + 2 + OVERHEAD),
            _ => padding.draw(rng),
        };
        out.resize(out.len() + padding, 0);
        out.extend_from_slice(&(padding as u16).to_be_bytes());
    }

    /// Reads a message without its padding. `None`: unknown or of a wrong length, to be ignored.
    pub fn decode(message: &[u8]) -> Option<Self> {
        let (&kind, body) = message.split_first()?;
        let token = || <[u8; 8]>::try_from(body).ok();
        match kind {
            0 => token().map(Self::Probe),
            1 => token().map(Self::Echo),
            2 => token().map(Self::Challenge),
            3 => token().map(Self::ChallengeEcho),
            4 => <[u8; 1]>::try_from(body).ok().map(|[code]| Self::Close(code)),
            5 => take_key(body).map(|(number, key)| Self::Rekey(number, key)),
            6 => take_key(body).map(|(number, key)| Self::RekeyAnswer(number, key)),
            7 => token().map(Self::WideProbe),
            8 => token().map(Self::WideEcho),
            9 => {
                let (token, length) = body.split_first_chunk::<8>()?;
                Some(Self::LongProbe(*token, u16::from_be_bytes(length.try_into().ok()?)))
            }
            10 => token().map(Self::LongEcho),
            _ => None,
        }
    }
}

fn put(out: &mut Vec<u8>, kind: u8, body: &[u8]) {
    out.push(kind);
    out.extend_from_slice(body);
}

fn put_key(out: &mut Vec<u8>, kind: u8, number: u32, key: &PublicKey) {
    out.push(kind);
    out.extend_from_slice(&number.to_be_bytes());
    out.extend_from_slice(&key.0);
}

fn take_key(body: &[u8]) -> Option<(u32, PublicKey)> {
    let (number, key) = body.split_first_chunk()?;
    Some((u32::from_be_bytes(*number), PublicKey(key.try_into().ok()?)))
}
