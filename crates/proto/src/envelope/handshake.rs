//! The handshake: `Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s` in two datagrams.
//!
//! A handshake datagram is `nonce 24 | XChaCha20-Poly1305(version 1 | length 2 | noise | zeros)`
//! under the outer key of its direction: whoever lacks the deployment's secret sees random bytes
//! of random length, and cannot make one that the server would even look at twice.

use super::hello::{BadPayload, Hello, Welcome};
use super::keys::{KEY_LEN, LinkKeys, OuterKeys, PrivateKey, Psk, PublicKey, SplitKey};
use super::{TAG_LEN, VERSION};
use blake2::digest::consts::U16;
use blake2::{Blake2s, Digest};
use chacha20poly1305::aead::AeadInPlace;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use rand::{CryptoRng, RngExt, SeedableRng, rngs::StdRng};
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, HandshakeState};
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

const PATTERN: &str = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";
const PROLOGUE: &[u8] = b"ginnel/1";

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

/// Which way a handshake datagram goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Message 1.
    ToServer,
    /// Message 2.
    ToClient,
}

impl OuterKeys {
    fn of(&self, direction: Direction) -> XChaCha20Poly1305 {
        let key = match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        };
        XChaCha20Poly1305::new(key.into())
    }

    /// Wraps a Noise message into a datagram of `length` bytes, or more if it needs more.
    fn wrap(&self, direction: Direction, noise: &[u8], length: usize, rng: &mut impl CryptoRng) -> Vec<u8> {
        let length = length.max(OUTER_OVERHEAD + noise.len());
        let mut datagram = vec![0; length];
        rng.fill_bytes(&mut datagram[..NONCE_LEN]);
        let (nonce, rest) = datagram.split_at_mut(NONCE_LEN);
        let (body, tag_space) = rest.split_at_mut(length - NONCE_LEN - TAG_LEN);
        body[0] = VERSION;
        body[1..PREFIX_LEN].copy_from_slice(&(noise.len() as u16).to_be_bytes());
        body[PREFIX_LEN..PREFIX_LEN + noise.len()].copy_from_slice(noise);
        let sealed = self.of(direction).encrypt_in_place_detached((&*nonce).into(), b"", body);
        // Refuses only bodies beyond 2^38 bytes.
        tag_space.copy_from_slice(&sealed.expect("a datagram is short"));
        datagram
    }

    /// Unwraps a datagram to its Noise message.
    pub fn unwrap(&self, direction: Direction, datagram: &[u8]) -> Result<Vec<u8>, HandshakeError> {
        if datagram.len() < OUTER_OVERHEAD || datagram.len() > DATAGRAM_MAX {
            return Err(HandshakeError::NotOurs);
        }
        let (nonce, sealed) = datagram.split_at(NONCE_LEN);
        let (body, tag) = sealed.split_at(sealed.len() - TAG_LEN);
        let mut body = body.to_vec();
        self.of(direction)
            .decrypt_in_place_detached(nonce.into(), b"", &mut body, tag.into())
            .map_err(|_| HandshakeError::NotOurs)?;
        let noise_len = usize::from(u16::from_be_bytes([body[1], body[2]]));
        if body[0] != VERSION || PREFIX_LEN + noise_len > body.len() {
            return Err(HandshakeError::Malformed);
        }
        body.truncate(PREFIX_LEN + noise_len);
        body.drain(..PREFIX_LEN);
        Ok(body)
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
    noise: HandshakeState,
}

impl Initiation {
    /// Makes a new message 1 of random length. Every attempt is a new one: a datagram is never
    /// sent twice.
    pub fn new(keys: &ClientKeys, outer: &OuterKeys, hello: &Hello, rng: &mut impl CryptoRng) -> (Self, Vec<u8>) {
        let mut noise = builder(rng, &keys.psk, &keys.user, Some(&keys.server));
        let mut message = [0; DATAGRAM_MAX];
        let written = noise.write_message(&hello.encode(), &mut message);
        // Fails only out of turn or into a short buffer; it is our turn, and the buffer is ample.
        let written = written.expect("message 1 fits");
        debug_assert!(written <= REQUEST_NOISE_OVERHEAD + Hello::MAX);
        let length = rng.random_range(REQUEST_MIN..=DATAGRAM_MAX);
        (Self { noise }, outer.wrap(Direction::ToServer, &message[..written], length, rng))
    }

    /// Reads the Noise message of an answer. A message that is not the answer to *this*
    /// initiation changes nothing.
    pub fn complete(&mut self, noise: &[u8]) -> Result<(Welcome, LinkKeys), HandshakeError> {
        let mut payload = [0; DATAGRAM_MAX];
        let read = self.noise.read_message(noise, &mut payload).map_err(|_| HandshakeError::Forged)?;
        let welcome = Welcome::decode(&payload[..read])?;
        Ok((welcome, split(&mut self.noise)))
    }
}

/// A message 1 that a server has read and authenticated.
pub struct Request {
    noise: HandshakeState,
    /// What the client says.
    pub hello: Hello,
    /// Who the client is.
    pub user: PublicKey,
}

impl Request {
    /// Reads the Noise message of a request. Nothing of what it says has been judged yet.
    pub fn read(
        psk: &Psk,
        server: &PrivateKey,
        noise: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<Self, HandshakeError> {
        let mut state = builder(rng, psk, server, None);
        let mut payload = [0; DATAGRAM_MAX];
        let read = state.read_message(noise, &mut payload).map_err(|_| HandshakeError::Forged)?;
        let user = state.get_remote_static().and_then(|key| key.try_into().ok());
        let user = PublicKey(user.ok_or(HandshakeError::Forged)?);
        Ok(Self { hello: Hello::decode(&payload[..read])?, user, noise: state })
    }

    /// Makes message 2, never longer than `request_len`, the length of the datagram it answers.
    pub fn answer(
        mut self,
        outer: &OuterKeys,
        welcome: &Welcome,
        request_len: usize,
        rng: &mut impl CryptoRng,
    ) -> Option<(Vec<u8>, LinkKeys)> {
        let mut message = [0; DATAGRAM_MAX];
        let written = self.noise.write_message(&welcome.encode(), &mut message).ok()?;
        let least = OUTER_OVERHEAD + written;
        if least > request_len {
            return None;
        }
        let length = rng.random_range(least..=request_len);
        let datagram = outer.wrap(Direction::ToClient, &message[..written], length, rng);
        let keys = split(&mut self.noise);
        Some((datagram, keys))
    }
}

fn split(noise: &mut HandshakeState) -> LinkKeys {
    let (to_server, to_client) = noise.dangerously_get_raw_split();
    LinkKeys::derive(&SplitKey::new(to_server), &SplitKey::new(to_client))
}

fn builder(rng: &mut impl CryptoRng, psk: &Psk, local: &PrivateKey, remote: Option<&PublicKey>) -> HandshakeState {
    let mut seed = [0; KEY_LEN];
    rng.fill_bytes(&mut seed);
    let build = || {
        let params = PATTERN.parse()?;
        let builder = Builder::with_resolver(params, Box::new(SeededResolver(seed)))
            .prologue(PROLOGUE)?
            .psk(2, psk.expose())?
            .local_private_key(local.expose())?;
        match remote {
            Some(key) => builder.remote_public_key(&key.0)?.build_initiator(),
            None => builder.build_responder(),
        }
    };
    // Every input is a constant or has the one length that Noise accepts.
    build().expect("the pattern and the key lengths are right")
}

/// The default primitives, with randomness that comes from our caller: the same seed makes the
/// same handshake.
struct SeededResolver([u8; KEY_LEN]);

struct SeededRandom(StdRng);

impl Random for SeededRandom {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), snow::Error> {
        self.0.fill(dest);
        Ok(())
    }
}

impl CryptoResolver for SeededResolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(SeededRandom(StdRng::from_seed(self.0))))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        DefaultResolver.resolve_dh(choice)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}
