//! The handshake that QUIC runs inside the envelope: transport parameters, and null keys.
//!
//! The envelope is the secure channel; QUIC inside it protects nothing a second time. Every
//! packet that arrives here has been authenticated. The messages below mirror the levels of TLS
//! 1.3 (RFC 9001 section 4), each prefixed by its length: the client's parameters at the Initial
//! level, then an empty message of the server; the server's parameters at the Handshake level,
//! then an empty message of the client.

use crate::envelope::OVERHEAD;
use bytes::BytesMut;
use quinn_proto::crypto::{
    AeadKey, ClientConfig, CryptoError, ExportKeyingMaterialError, HandshakeTokenKey, HeaderKey, HmacKey, KeyPair,
    Keys, PacketKey, ServerConfig, Session, UnsupportedVersion,
};
use quinn_proto::transport_parameters::TransportParameters;
use quinn_proto::{ConnectError, ConnectionId, Side, TransportError, TransportErrorCode};
use std::any::Any;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

/// Protects nothing but the packet's number. The rest of its tag is the room that the envelope
/// needs behind each packet, so that packets are sealed where they were written. It also keeps the
/// library's check for stateless resets off the end of our frames: the last bytes of a packet are
/// never ours.
///
/// QUIC sends only the low bits of a packet's number and relies on the AEAD to notice when the
/// receiver guessed the others wrong (RFC 9000 section 17.1), as it does for a packet that was
/// held back while hundreds overtook it. The envelope cannot notice that: without the check, one
/// delayed packet would acknowledge another that was never received.
struct NullKey;

/// The same for packets that a link may shrink: behind the tag, as many bytes more as are asked for
/// at the time. Whoever seals such a packet cuts them off, so the peer sees an ordinary tag.
struct RoomyKey(Arc<Room>);

/// How many bytes packets leave free behind their tag: what is asked for, and what the last one has.
#[derive(Default)]
pub(super) struct Room {
    asked: AtomicUsize,
    last: AtomicUsize,
}

impl Room {
    /// Has packets leave so many bytes free from now on, those of the handshake excepted.
    pub(super) fn leave(&self, bytes: usize) {
        self.asked.store(bytes, Relaxed);
        self.last.store(0, Relaxed);
    }

    /// What the last packet has left free.
    pub(super) fn left(&self) -> usize {
        self.last.load(Relaxed)
    }
}

/// Bytes of the check: the packet's number without its lowest 8 bits, which are always sent.
const NUMBER_CHECK: usize = 2;

const NULL_TAG: usize = NUMBER_CHECK + OVERHEAD;

fn number_check(packet: u64) -> [u8; NUMBER_CHECK] {
    ((packet >> 8) as u16).to_be_bytes()
}

impl HeaderKey for NullKey {
    fn decrypt(&self, _pn_offset: usize, _packet: &mut [u8]) {}
    fn encrypt(&self, _pn_offset: usize, _packet: &mut [u8]) {}
    fn sample_size(&self) -> usize {
        0
    }
}

impl PacketKey for NullKey {
    fn encrypt(&self, packet: u64, buf: &mut [u8], _header_len: usize) {
        if let Some(tag) = buf.last_chunk_mut::<NULL_TAG>() {
            tag[..NUMBER_CHECK].copy_from_slice(&number_check(packet));
        }
    }

    fn decrypt(&self, packet: u64, _header: &[u8], payload: &mut BytesMut) -> Result<(), CryptoError> {
        let (rest, tag) = payload.split_last_chunk::<NULL_TAG>().ok_or(CryptoError)?;
        if tag[..NUMBER_CHECK] != number_check(packet) {
            return Err(CryptoError);
        }
        let length = rest.len();
        payload.truncate(length);
        Ok(())
    }

    fn tag_len(&self) -> usize {
        NULL_TAG
    }

    fn confidentiality_limit(&self) -> u64 {
        u64::MAX
    }

    fn integrity_limit(&self) -> u64 {
        u64::MAX
    }
}

impl PacketKey for RoomyKey {
    fn encrypt(&self, packet: u64, buf: &mut [u8], header_len: usize) {
        let room = self.0.asked.load(Relaxed);
        self.0.last.store(room, Relaxed);
        let length = buf.len() - room;
        PacketKey::encrypt(&NullKey, packet, &mut buf[..length], header_len);
    }

    fn decrypt(&self, packet: u64, header: &[u8], payload: &mut BytesMut) -> Result<(), CryptoError> {
        PacketKey::decrypt(&NullKey, packet, header, payload)
    }

    fn tag_len(&self) -> usize {
        NULL_TAG + self.0.asked.load(Relaxed)
    }

    fn confidentiality_limit(&self) -> u64 {
        u64::MAX
    }

    fn integrity_limit(&self) -> u64 {
        u64::MAX
    }
}

/// Keys of the handshake's packets.
fn keys() -> Keys {
    let header = KeyPair { local: Box::new(NullKey) as _, remote: Box::new(NullKey) as _ };
    Keys { header, packet: KeyPair { local: Box::new(NullKey), remote: Box::new(NullKey) } }
}

/// Keys of all other packets.
fn roomy_keys(room: &Arc<Room>) -> KeyPair<Box<dyn PacketKey>> {
    KeyPair { local: Box::new(RoomyKey(room.clone())), remote: Box::new(NullKey) }
}

/// How far the handshake's own flight has been written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flight {
    Initial,
    HandshakeKeys,
    Handshake,
    Done,
}

struct NullSession {
    side: Side,
    local: TransportParameters,
    /// On a client: the server's, first as the Noise handshake told them, then its own.
    remote: Option<TransportParameters>,
    /// Client: the remote parameters came with the Noise handshake, so data can go at once.
    early: bool,
    inbox: Vec<u8>,
    received: u32,
    flight: Flight,
    room: Arc<Room>,
}

/// A message never exceeds this; what claims to is a fault of the peer.
const MESSAGE_MAX: usize = 512;

/// Each end sends so many messages; another one is a fault of the peer.
const MESSAGES: u32 = 2;

impl NullSession {
    fn new(side: Side, local: TransportParameters, remote: Option<TransportParameters>, room: Arc<Room>) -> Self {
        let early = remote.is_some() || side.is_server();
        Self { side, local, remote, early, inbox: Vec::new(), received: 0, flight: Flight::Initial, room }
    }

    /// Which of the peer's messages holds its parameters: a client's first, a server's second.
    fn params_message(&self) -> u32 {
        if self.side.is_client() { 2 } else { 1 }
    }

    fn take_message(&mut self) -> Result<Option<Vec<u8>>, TransportError> {
        let Some((length, _)) = self.inbox.split_first_chunk::<2>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes(*length));
        if length > MESSAGE_MAX {
            return Err(fault(TransportErrorCode::PROTOCOL_VIOLATION));
        }
        if self.inbox.len() < 2 + length {
            return Ok(None);
        }
        Ok(Some(self.inbox.drain(..2 + length).skip(2).collect()))
    }
}

impl Session for NullSession {
    fn initial_keys(&self, _dst_cid: &ConnectionId, _side: Side) -> Keys {
        keys()
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        None
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        None
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        self.early.then(|| (Box::new(NullKey) as _, Box::new(NullKey) as _))
    }

    fn early_data_accepted(&self) -> Option<bool> {
        Some(self.early)
    }

    fn is_handshaking(&self) -> bool {
        self.received < MESSAGES
    }

    fn read_handshake(&mut self, bytes: &[u8]) -> Result<bool, TransportError> {
        self.inbox.extend_from_slice(bytes);
        let mut learnt = false;
        while let Some(message) = self.take_message()? {
            if self.received == MESSAGES {
                return Err(fault(TransportErrorCode::PROTOCOL_VIOLATION));
            }
            self.received += 1;
            if self.received == self.params_message() {
                self.remote = Some(read_params(self.side, &message)?);
                learnt = true;
            }
        }
        Ok(learnt)
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        Ok(self.remote)
    }

    fn write_handshake(&mut self, out: &mut Vec<u8>) -> Option<Keys> {
        let client = self.side.is_client();
        match (self.flight, self.received) {
            (Flight::Initial, _) if client => {
                put_message(out, &write_params(&self.local));
                self.flight = Flight::HandshakeKeys;
                None
            }
            (Flight::Initial, 1..) => {
                put_message(out, b"");
                self.flight = Flight::Handshake;
                Some(keys())
            }
            (Flight::HandshakeKeys, 1..) => {
                self.flight = Flight::Handshake;
                Some(keys())
            }
            (Flight::Handshake, received) if !client || received >= MESSAGES => {
                let message = if client { Vec::new() } else { write_params(&self.local) };
                put_message(out, &message);
                self.flight = Flight::Done;
                Some(Keys { packet: roomy_keys(&self.room), ..keys() })
            }
            _ => None,
        }
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        Some(roomy_keys(&self.room))
    }

    fn is_valid_retry(&self, _orig_dst_cid: &ConnectionId, _header: &[u8], _payload: &[u8]) -> bool {
        false
    }

    fn export_keying_material(
        &self,
        _output: &mut [u8],
        _label: &[u8],
        _context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        Err(ExportKeyingMaterialError)
    }
}

fn put_message(out: &mut Vec<u8>, message: &[u8]) {
    debug_assert!(message.len() <= MESSAGE_MAX);
    out.extend_from_slice(&(message.len() as u16).to_be_bytes());
    out.extend_from_slice(message);
}

/// Encodes transport parameters (RFC 9000 section 18).
pub(super) fn write_params(params: &TransportParameters) -> Vec<u8> {
    let mut out = Vec::new();
    params.write(&mut out);
    out
}

/// Reads the parameters that the peer of `side` sent.
pub(super) fn read_params(side: Side, mut message: &[u8]) -> Result<TransportParameters, TransportError> {
    let read = TransportParameters::read(side, &mut message);
    read.map_err(|_| fault(TransportErrorCode::TRANSPORT_PARAMETER_ERROR))
}

fn fault(code: TransportErrorCode) -> TransportError {
    TransportError { code, frame: None, reason: String::new() }
}

/// Starts the client's side of the null handshake.
pub(super) struct Client {
    /// The server's parameters, as its Noise message told them.
    pub(super) remote: Option<TransportParameters>,
    /// Receives our own parameters, for whoever only wants to know them.
    pub(super) learn: Option<Arc<Mutex<Vec<u8>>>>,
    /// What packets leave free behind them.
    pub(super) room: Arc<Room>,
}

impl ClientConfig for Client {
    fn start_session(
        self: Arc<Self>,
        _version: u32,
        _server_name: &str,
        params: &TransportParameters,
    ) -> Result<Box<dyn Session>, ConnectError> {
        if let Some(learn) = &self.learn
            && let Ok(mut learn) = learn.lock()
        {
            *learn = write_params(params);
        }
        Ok(Box::new(NullSession::new(Side::Client, *params, self.remote, self.room.clone())))
    }
}

/// Starts the server's side.
pub(super) struct Server {
    /// What packets leave free behind them.
    pub(super) room: Arc<Room>,
}

impl ServerConfig for Server {
    fn initial_keys(&self, _version: u32, _dst_cid: &ConnectionId) -> Result<Keys, UnsupportedVersion> {
        Ok(keys())
    }

    fn retry_tag(&self, _version: u32, _orig_dst_cid: &ConnectionId, _packet: &[u8]) -> [u8; 16] {
        [0; 16]
    }

    fn start_session(self: Arc<Self>, _version: u32, params: &TransportParameters) -> Box<dyn Session> {
        Box::new(NullSession::new(Side::Server, *params, None, self.room.clone()))
    }
}

/// Signs stateless resets and retry tokens, which we never send: their only use here is to be
/// unpredictable, so that no packet can be taken for a reset.
pub(super) struct ResetKey(pub(super) ring::hmac::Key);

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature: &mut [u8]) {
        let tag = ring::hmac::sign(&self.0, data);
        let length = signature.len().min(tag.as_ref().len());
        signature[..length].copy_from_slice(&tag.as_ref()[..length]);
    }

    fn signature_len(&self) -> usize {
        32
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        ring::hmac::verify(&self.0, data, signature).map_err(|_| CryptoError)
    }
}

/// Refuses every address token: none is ever issued.
pub(super) struct NoTokens;

impl HandshakeTokenKey for NoTokens {
    fn aead_from_hkdf(&self, _random_bytes: &[u8]) -> Box<dyn AeadKey> {
        Box::new(Self)
    }
}

impl AeadKey for NoTokens {
    fn seal(&self, _data: &mut Vec<u8>, _additional_data: &[u8]) -> Result<(), CryptoError> {
        Ok(())
    }

    fn open<'a>(&self, _data: &'a mut [u8], _additional_data: &[u8]) -> Result<&'a mut [u8], CryptoError> {
        Err(CryptoError)
    }
}

#[cfg(test)]
mod tests;
