//! The handshake: `Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s` in two datagrams.
//!
//! A handshake datagram is `nonce 24 | XChaCha20-Poly1305(version 1 | length 2 | noise | zeros)`
//! under the outer key of its direction: whoever lacks the deployment's secret sees random bytes
//! of random length, and cannot make one that the server would even look at twice. An answer names
//! the nonce of its request as associated data: to any other request it is random bytes too, so
//! that recorded answers cost a client one cheap check each, not a Noise message.

use super::hello::{BadPayload, Hello, Welcome};
use super::keys::{LinkKeys, OuterKeys, PrivateKey, Psk, PublicKey};
use super::noise::{Part, split, start};
use super::{TAG_LEN, Version};
use crate::profile::Span;
use blake2::digest::consts::U16;
use blake2::{Blake2s, Digest};
use chacha20poly1305::aead::AeadInPlace;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use rand::{CryptoRng, RngExt};
use snow::HandshakeState;
use thiserror::Error;

/// The longest handshake datagram: it passes wherever IPv6 does.
pub const DATAGRAM_MAX: usize = 1200;

/// The shortest that a client sends: long enough for any answer to be no longer than it.
pub const REQUEST_MIN: usize = OUTER_OVERHEAD + RESPONSE_NOISE_OVERHEAD + Welcome::MAX;

const NONCE_LEN: usize = 24;
const PREFIX_LEN: usize = 3;
const OUTER_OVERHEAD: usize = NONCE_LEN + PREFIX_LEN + TAG_LEN;
/// Message 1 of IKpsk2 beyond its payload: ephemeral, encrypted static, tag.
const REQUEST_NOISE_OVERHEAD: usize = 32 + 32 + TAG_LEN + TAG_LEN;
/// Message 2 beyond its payload: ephemeral, tag.
const RESPONSE_NOISE_OVERHEAD: usize = 32 + TAG_LEN;

/// Why a handshake datagram was not accepted. None of these is ever told to the peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum HandshakeError {
    /// Too short, too long, or not under our outer key: noise, a scan, another deployment.
    #[error("a datagram that is not ours")]
    NotOurs,
    /// Under our outer key, but of a version we do not speak, or malformed.
    #[error("a handshake of an unknown version or form")]
    Malformed,
    /// The Noise message does not authenticate: wrong server key, wrong secret.
    #[error("a handshake that fails authentication")]
    Forged,
    /// Authentic, but its payload does not parse.
    #[error(transparent)]
    Payload(#[from] BadPayload),
}

/// Which way a handshake datagram goes, and what it is bound to.
#[derive(Clone, Copy)]
pub(crate) enum Direction<'a> {
    /// Message 1.
    Request,
    /// Message 2, the answer to the request with this nonce.
    AnswerTo(&'a Nonce),
}

pub(crate) type Nonce = [u8; NONCE_LEN];

impl OuterKeys {
    /// The AEAD of a direction and its associated data.
    fn of<'a>(&self, direction: Direction<'a>) -> (XChaCha20Poly1305, &'a [u8]) {
        let (key, bound): (_, &[u8]) = match direction {
            Direction::Request => (&self.to_server, b""),
            Direction::AnswerTo(nonce) => (&self.to_client, nonce),
        };
        (XChaCha20Poly1305::new(key.into()), bound)
    }

    /// Wraps a Noise message into a datagram of `length` bytes, or more if it needs more.
    pub(crate) fn wrap(
        &self,
        version: Version,
        direction: Direction<'_>,
        noise: &[u8],
        length: usize,
        rng: &mut impl CryptoRng,
    ) -> Vec<u8> {
        let length = length.max(OUTER_OVERHEAD + noise.len());
        let mut datagram = vec![0; length];
        rng.fill_bytes(&mut datagram[..NONCE_LEN]);
        let (nonce, rest) = datagram.split_at_mut(NONCE_LEN);
        let (body, tag_space) = rest.split_at_mut(length - NONCE_LEN - TAG_LEN);
        body[0] = version as u8;
        body[1..PREFIX_LEN].copy_from_slice(&(noise.len() as u16).to_be_bytes());
        body[PREFIX_LEN..PREFIX_LEN + noise.len()].copy_from_slice(noise);
        let (aead, bound) = self.of(direction);
        let sealed = aead.encrypt_in_place_detached((&*nonce).into(), bound, body);
        // Refuses only bodies beyond 2^38 bytes.
        tag_space.copy_from_slice(&sealed.expect("a datagram is short"));
        datagram
    }

    /// Unwraps a datagram to its Noise message.
    pub(crate) fn unwrap(
        &self,
        direction: Direction<'_>,
        datagram: &[u8],
    ) -> Result<(Version, Vec<u8>), HandshakeError> {
        if datagram.len() < OUTER_OVERHEAD || datagram.len() > DATAGRAM_MAX {
            return Err(HandshakeError::NotOurs);
        }
        let (nonce, sealed) = datagram.split_at(NONCE_LEN);
        let (body, tag) = sealed.split_at(sealed.len() - TAG_LEN);
        let mut body = body.to_vec();
        let (aead, bound) = self.of(direction);
        aead.decrypt_in_place_detached(nonce.into(), bound, &mut body, tag.into())
            .map_err(|_| HandshakeError::NotOurs)?;
        let noise_len = usize::from(u16::from_be_bytes([body[1], body[2]]));
        let version = Version::from_byte(body[0]).ok_or(HandshakeError::Malformed)?;
        if PREFIX_LEN + noise_len > body.len() {
            return Err(HandshakeError::Malformed);
        }
        body.truncate(PREFIX_LEN + noise_len);
        body.drain(..PREFIX_LEN);
        Ok((version, body))
    }

    /// Unwraps a request to its version and its Noise message. Cheap, and all that a stranger's bytes are put
    /// through.
    pub fn unwrap_request(&self, datagram: &[u8]) -> Result<(Version, Vec<u8>), HandshakeError> {
        self.unwrap(Direction::Request, datagram)
    }
}

/// A fingerprint of one Noise message, for the replay cache. The message, not the datagram: who
/// holds the deployment's secret could wrap a recorded message anew.
pub fn digest(noise: &[u8]) -> [u8; 16] {
    Blake2s::<U16>::digest(noise).into()
}

/// What a client needs to know of a server, and of itself.
#[derive(Clone, Debug)]
pub struct ClientKeys {
    /// The deployment's secret.
    pub psk: Psk,
    /// The server's identity.
    pub server: PublicKey,
    /// The user's own key.
    pub user: PrivateKey,
}

/// A handshake that a client has begun: one message 1, waiting for its message 2.
pub struct Initiation {
    version: Version,
    noise: HandshakeState,
    nonce: Nonce,
}

impl Initiation {
    /// Makes a new message 1, of a length that is drawn from `size`. Every attempt is a new one: a
    /// datagram is never sent twice.
    pub fn new(
        version: Version,
        keys: &ClientKeys,
        outer: &OuterKeys,
        hello: &Hello,
        size: Span,
        rng: &mut impl CryptoRng,
    ) -> (Self, Vec<u8>) {
        let mut noise = start(version, rng, &keys.psk, &keys.user, Part::InitiatorTo(&keys.server));
        let mut message = [0; DATAGRAM_MAX];
        let written = noise.write_message(&hello.encode(), &mut message);
        // Fails only out of turn or into a short buffer; it is our turn, and the buffer is ample.
        let written = written.expect("message 1 fits");
        debug_assert!(written <= REQUEST_NOISE_OVERHEAD + Hello::MAX);
        let length = size.draw(rng).clamp(REQUEST_MIN, DATAGRAM_MAX);
        let datagram = outer.wrap(version, Direction::Request, &message[..written], length, rng);
        (Self { version, noise, nonce: nonce_of(&datagram) }, datagram)
    }

    /// Reads an answer. A datagram that is not the answer to *this* initiation changes nothing.
    pub fn complete(&mut self, outer: &OuterKeys, datagram: &[u8]) -> Result<(Welcome, LinkKeys), HandshakeError> {
        let (version, noise) = outer.unwrap(Direction::AnswerTo(&self.nonce), datagram)?;
        if version != self.version {
            return Err(HandshakeError::Malformed);
        }
        let mut payload = [0; DATAGRAM_MAX];
        let read = self.noise.read_message(&noise, &mut payload).map_err(|_| HandshakeError::Forged)?;
        let welcome = Welcome::decode(&payload[..read])?;
        Ok((welcome, split(&mut self.noise)))
    }
}

/// A message 1 that a server has read and authenticated.
pub struct Request {
    /// The version that the client speaks, and that the answer is in.
    pub version: Version,
    noise: HandshakeState,
    /// What the client says.
    pub hello: Hello,
    /// Who the client is.
    pub user: PublicKey,
}

impl Request {
    /// Reads the Noise message of a request. Nothing of what it says has been judged yet.
    pub fn read(
        version: Version,
        psk: &Psk,
        server: &PrivateKey,
        noise: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<Self, HandshakeError> {
        let mut state = start(version, rng, psk, server, Part::Responder);
        let mut payload = [0; DATAGRAM_MAX];
        let read = state.read_message(noise, &mut payload).map_err(|_| HandshakeError::Forged)?;
        let user = state.get_remote_static().and_then(|key| key.try_into().ok());
        let user = PublicKey(user.ok_or(HandshakeError::Forged)?);
        Ok(Self { version, hello: Hello::decode(&payload[..read])?, user, noise: state })
    }

    /// Makes message 2, never longer than `request`, the datagram that it answers. `None`: the
    /// request is too short for that.
    pub fn answer(
        mut self,
        outer: &OuterKeys,
        welcome: &Welcome,
        request: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Option<(Vec<u8>, LinkKeys)> {
        let mut message = [0; DATAGRAM_MAX];
        let written = self.noise.write_message(&welcome.encode(), &mut message).ok()?;
        let least = OUTER_OVERHEAD + written;
        if least > request.len() {
            return None;
        }
        let length = rng.random_range(least..=request.len());
        let datagram =
            outer.wrap(self.version, Direction::AnswerTo(&nonce_of(request)), &message[..written], length, rng);
        let keys = split(&mut self.noise);
        Some((datagram, keys))
    }
}

/// The nonce that a handshake datagram begins with.
pub(crate) fn nonce_of(datagram: &[u8]) -> Nonce {
    datagram.first_chunk().copied().unwrap_or_default()
}
