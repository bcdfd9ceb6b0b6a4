//! What a flood is made of.

use crate::arguments::{Flood, FloodKind};
use crate::wording::invalid;
use chacha20poly1305::aead::AeadInPlace;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use ginnel_proto::envelope::Version;
use ginnel_proto::envelope::handshake::{ClientKeys, DATAGRAM_MAX, Initiation};
use ginnel_proto::envelope::hello::{Hello, LinkIdentity, SessionKind};
use ginnel_proto::envelope::keys::{KEY_LEN, OuterKeys, PrivateKey, Psk, PublicKey};
use ginnel_proto::profile::Profile;
use rand::rngs::StdRng;
use rand::{Rng, RngExt};
use std::io::{self, Read};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// The longest datagram of random bytes: a full packet.
const LONGEST: usize = 1472;

/// Random bytes that datagrams are cut from: drawing them one by one would be the slowest part of a flood.
const NOISE: usize = 4 << 20;

/// Noise messages that are wrapped again and again.
const MESSAGES: usize = 8;

/// One datagram in so many has a Noise message that was made for it; it takes the place of the oldest.
const FRESH_EVERY: u64 = 64;

const NONCE_LEN: usize = 24;
const TAG_LEN: usize = 16;

/// A source of datagrams that does not end.
pub(super) enum Datagrams {
    Random { noise: Vec<u8>, rng: Box<StdRng> },
    Handshakes(Box<Handshakes>),
    Recorded { all: Vec<Vec<u8>>, next: usize },
}

impl Datagrams {
    pub(super) fn new(arguments: &Flood) -> io::Result<Self> {
        let mut rng = rand::make_rng::<StdRng>();
        match (arguments.kind, &arguments.key_file, &arguments.file) {
            (FloodKind::Random, _, _) => {
                let mut noise = vec![0; NOISE];
                rng.fill_bytes(&mut noise);
                Ok(Self::Random { noise, rng: Box::new(rng) })
            }
            (FloodKind::Handshake, Some(path), _) => Ok(Self::Handshakes(Box::new(Handshakes::new(keys(path)?, rng)))),
            (FloodKind::Replay, _, Some(path)) => {
                let bytes = std::fs::read(path).map_err(|error| about(path, &error))?;
                Ok(Self::Recorded { all: recorded(&bytes).map_err(|error| about(path, &error))?, next: 0 })
            }
            (FloodKind::Handshake, None, _) => Err(invalid("handshakes are made with --key-file".to_owned())),
            (FloodKind::Replay, _, None) => Err(invalid("what is replayed comes from --file".to_owned())),
        }
    }

    pub(super) fn next(&mut self) -> io::Result<&[u8]> {
        match self {
            Self::Random { noise, rng } => {
                let length = rng.random_range(1..=LONGEST);
                let at = rng.random_range(0..NOISE - length);
                Ok(&noise[at..at + length])
            }
            Self::Handshakes(handshakes) => handshakes.next(),
            Self::Recorded { all, next } => {
                *next = (*next + 1) % all.len();
                Ok(&all[*next])
            }
        }
    }
}

/// Requests of somebody who has the deployment's secret and no user's key.
///
/// Each has an outer nonce of its own, so that no two look alike and the server has to open each. Few of the Noise
/// messages inside are new, for to make one costs more than to refuse one.
pub(super) struct Handshakes {
    keys: ClientKeys,
    outer: OuterKeys,
    aead: XChaCha20Poly1305,
    /// What stands inside the outer layer.
    bodies: Vec<Vec<u8>>,
    sent: u64,
    datagram: Vec<u8>,
    rng: StdRng,
}

impl Handshakes {
    fn new(keys: ClientKeys, rng: StdRng) -> Self {
        let outer = OuterKeys::derive(&keys.psk, &keys.server);
        let aead = XChaCha20Poly1305::new((&outer.to_server).into());
        let datagram = Vec::with_capacity(DATAGRAM_MAX);
        Self { keys, outer, aead, bodies: Vec::new(), sent: 0, datagram, rng }
    }

    fn next(&mut self) -> io::Result<&[u8]> {
        let turn = (self.sent % MESSAGES as u64) as usize;
        if self.bodies.len() < MESSAGES {
            let body = self.body()?;
            self.bodies.push(body);
        } else if self.sent.is_multiple_of(FRESH_EVERY) {
            self.bodies[(self.sent / FRESH_EVERY) as usize % MESSAGES] = self.body()?;
        }
        self.sent += 1;
        let nonce: [u8; NONCE_LEN] = self.rng.random();
        self.datagram.clear();
        self.datagram.extend_from_slice(&nonce);
        self.datagram.extend_from_slice(&self.bodies[turn.min(self.bodies.len() - 1)]);
        let sealed = self.aead.encrypt_in_place_detached((&nonce).into(), b"", &mut self.datagram[NONCE_LEN..]);
        let tag = sealed.map_err(|_| invalid("a body that is too long".to_owned()))?;
        self.datagram.extend_from_slice(&tag);
        Ok(&self.datagram)
    }

    /// A new request, without its outer layer.
    fn body(&mut self) -> io::Result<Vec<u8>> {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let hello = Hello {
            time_ns: wall.as_nanos() as u64,
            identity: LinkIdentity { instance: self.rng.random(), member: 0 },
            epoch: 1,
            session: self.rng.random(),
            aes: true,
            kind: SessionKind::Quic,
            params: Vec::new(),
        };
        let size = Profile::plain().request_size;
        let (_, datagram) = Initiation::new(Version::CURRENT, &self.keys, &self.outer, &hello, size, &mut self.rng);
        let (nonce, sealed) = datagram.split_at(NONCE_LEN);
        let (body, tag) = sealed.split_at(sealed.len() - TAG_LEN);
        let mut body = body.to_vec();
        let opened = self.aead.decrypt_in_place_detached(nonce.into(), b"", &mut body, tag.into());
        opened.map_err(|_| invalid("a request that does not open: its outer layer is another".to_owned()))?;
        Ok(body)
    }
}

/// The deployment's secret and the server's public key, from a file or from standard input (`-`): one JSON object,
/// `{"psk": "…", "server": "…"}`, each 32 bytes in hexadecimal. The user is somebody whom the server does not know.
fn keys(path: &Path) -> io::Result<ClientKeys> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        io::stdin().take(1 << 16).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(1 << 16).read_to_string(&mut text))
    };
    read.map_err(|error| about(path, &error))?;
    // What serde says of a mistake could repeat some of the secret.
    let json: serde_json::Value = serde_json::from_str(&text).map_err(|_| about(path, &"this is no JSON"))?;
    let key = |name: &str| {
        let bytes = json[name].as_str().and_then(unhex);
        bytes.ok_or_else(|| about(path, &format_args!("{name:?} is not 32 bytes in hexadecimal")))
    };
    let user = PrivateKey::new(rand::rng().random());
    Ok(ClientKeys { psk: Psk::new(key("psk")?), server: PublicKey(key("server")?), user })
}

fn unhex(text: &str) -> Option<[u8; KEY_LEN]> {
    let digits: Vec<u8> =
        text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).copied().unwrap_or(0)).collect();
    if digits.len() == 2 * KEY_LEN { bytes.try_into().ok() } else { None }
}

/// Datagrams one after another, each behind its length in two bytes, big-endian.
fn recorded(mut bytes: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes(*length));
        let Some((datagram, rest)) = rest.split_at_checked(length) else {
            return Err(invalid(format!("datagram {} is cut short", all.len() + 1)));
        };
        all.push(datagram.to_vec());
        bytes = rest;
    }
    match (bytes, &all[..]) {
        ([_], _) => Err(invalid(format!("the length of datagram {} is cut short", all.len() + 1))),
        (_, []) => Err(invalid("there is no datagram in it".to_owned())),
        _ => Ok(all),
    }
}

fn about(path: &Path, error: &dyn std::fmt::Display) -> io::Error {
    invalid(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::{Handshakes, MESSAGES, recorded, unhex};
    use ginnel_proto::envelope::handshake::{ClientKeys, Request};
    use ginnel_proto::envelope::keys::{PrivateKey, Psk};
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use std::collections::HashSet;

    #[test]
    fn every_request_opens_and_says_something_that_the_server_must_read() {
        let (psk, server) = (Psk::new([1; 32]), PrivateKey::new([2; 32]));
        let keys = ClientKeys { psk: psk.clone(), server: server.public(), user: PrivateKey::new([3; 32]) };
        let mut rng = StdRng::seed_from_u64(1);
        let mut handshakes = Handshakes::new(keys, StdRng::seed_from_u64(2));
        let (mut nonces, mut messages) = (HashSet::new(), HashSet::new());
        for _ in 0..256 {
            let datagram = handshakes.next().unwrap().to_vec();
            nonces.insert(datagram[..24].to_vec());
            let (version, noise) = handshakes.outer.unwrap_request(&datagram).unwrap();
            let request = Request::read(version, &psk, &server, &noise, &mut rng).unwrap();
            assert_eq!(request.user, PrivateKey::new([3; 32]).public());
            messages.insert(noise);
        }
        assert_eq!(nonces.len(), 256);
        // The first ones, and three fresh ones.
        assert_eq!(messages.len(), MESSAGES + 3);
    }

    #[test]
    fn keys_are_hexadecimal() {
        assert_eq!(unhex(&"0fA1".repeat(16)), Some([0x0f, 0xa1].repeat(16).try_into().unwrap()));
        for text in ["", "0f", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), &"é".repeat(64)] {
            assert_eq!(unhex(text), None, "{text}");
        }
    }

    #[test]
    fn a_recording_is_read_to_its_end() {
        assert_eq!(recorded(b"\0\x03abc\0\0\0\x01d").unwrap(), [&b"abc"[..], b"", b"d"]);
        for (bytes, word) in [(&b""[..], "no datagram"), (b"\0", "cut short"), (b"\0\x01a\0\x02b", "datagram 2")] {
            let error = recorded(bytes).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
