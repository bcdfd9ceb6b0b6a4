//! The Noise machine (`snow`), set up for one pattern, with our caller's randomness.

use super::Version;
use super::keys::{KEY_LEN, LinkKeys, PrivateKey, Psk, PublicKey, SplitKey};
use rand::{CryptoRng, RngExt, SeedableRng, rngs::StdRng};
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, HandshakeState};

const PATTERN: &str = "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s";

/// What the two ends must agree on before anything else: a version that somebody changed on the
/// way authenticates nothing.
fn prologue(version: Version) -> &'static [u8] {
    match version {
        Version::V1 => b"ginnel/1",
        Version::V2 => b"ginnel/2",
    }
}

/// Which part an end plays in a handshake.
#[derive(Clone, Copy)]
pub(super) enum Part<'a> {
    /// Begins, towards the server with this key.
    InitiatorTo(&'a PublicKey),
    /// Answers.
    Responder,
}

/// A handshake before its first message. Randomness is drawn from `rng` here, and never later: the
/// same seed makes the same handshake.
pub(super) fn start(
    version: Version,
    rng: &mut impl CryptoRng,
    psk: &Psk,
    local: &PrivateKey,
    part: Part<'_>,
) -> HandshakeState {
    let mut seed = [0; KEY_LEN];
    rng.fill_bytes(&mut seed);
    let build = || {
        let params = PATTERN.parse()?;
        let resolver = Resolver { seed, contributory: matches!(part, Part::Responder) };
        let builder = Builder::with_resolver(params, Box::new(resolver))
            .prologue(prologue(version))?
            .psk(2, psk.expose())?
            .local_private_key(local.expose())?;
        match part {
            Part::InitiatorTo(server) => builder.remote_public_key(&server.0)?.build_initiator(),
            Part::Responder => builder.build_responder(),
        }
    };
    // Every input is a constant or has the one length that Noise accepts.
    build().expect("the pattern and the key lengths are right")
}

/// The keys of the link that a finished handshake makes.
pub(super) fn split(noise: &mut HandshakeState) -> LinkKeys {
    let (to_server, to_client) = noise.dangerously_get_raw_split();
    LinkKeys::derive(&SplitKey::new(to_server), &SplitKey::new(to_client))
}

/// The default primitives, but with seeded randomness and, for a responder, with X25519 that
/// refuses what contributes nothing.
struct Resolver {
    seed: [u8; KEY_LEN],
    contributory: bool,
}

struct SeededRandom(StdRng);

impl Random for SeededRandom {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), snow::Error> {
        self.0.fill(dest);
        Ok(())
    }
}

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(SeededRandom(StdRng::from_seed(self.seed))))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        let dh = DefaultResolver.resolve_dh(choice)?;
        Some(if self.contributory { Box::new(Contributory(dh)) } else { dh })
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

/// X25519 that refuses an all-zero secret (RFC 7748 section 6.1), which the library lets pass: a
/// public key of small order needs no private key, so nobody may authenticate with one.
struct Contributory(Box<dyn Dh>);

impl Dh for Contributory {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn pub_len(&self) -> usize {
        self.0.pub_len()
    }

    fn priv_len(&self) -> usize {
        self.0.priv_len()
    }

    fn set(&mut self, privkey: &[u8]) {
        self.0.set(privkey);
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), snow::Error> {
        self.0.generate(rng)
    }

    fn pubkey(&self) -> &[u8] {
        self.0.pubkey()
    }

    fn privkey(&self) -> &[u8] {
        self.0.privkey()
    }

    fn dh(&self, pubkey: &[u8], out: &mut [u8]) -> Result<(), snow::Error> {
        self.0.dh(pubkey, out)?;
        // Every bit is looked at, whatever the first ones are: the secret is not to be timed.
        let any = out.iter().fold(0, |any, byte| any | byte);
        if any == 0 { Err(snow::Error::Dh) } else { Ok(()) }
    }

    fn dh_len(&self) -> usize {
        self.0.dh_len()
    }
}
