//! Keys and their derivations: HKDF over BLAKE2s, one label per purpose (RFC 5869).

use blake2::Blake2s256;
use hkdf::SimpleHkdf;
use std::fmt;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Length of every secret and public key of this module, in bytes.
pub const KEY_LEN: usize = 32;

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
        pub struct $name([u8; KEY_LEN]);

        impl $name {
            /// Takes 32 bytes that come from a cryptographic source.
            pub fn new(bytes: [u8; KEY_LEN]) -> Self {
                Self(bytes)
            }

            /// The bytes themselves, for a derivation or to be handed to their owner.
            pub fn expose(&self) -> &[u8; KEY_LEN] {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

secret!(
    /// The deployment's secret, shared by a server and all its users.
    Psk
);
secret!(
    /// An X25519 private key: a server's, or a user's (RFC 7748).
    PrivateKey
);
secret!(
    /// What a link's next keys follow from, together with a fresh key agreement.
    Chain
);
secret!(
    /// A raw key of one direction, as Noise's split hands it out.
    SplitKey
);

/// An X25519 public key; a user's is the user's identity.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PublicKey(pub [u8; KEY_LEN]);

impl PrivateKey {
    /// What this key and another end's public key agree on (RFC 7748, section 6.1). `None`: a
    /// public key of small order, which agrees on nothing.
    pub fn agree(&self, other: &PublicKey) -> Option<[u8; KEY_LEN]> {
        let shared = x25519_dalek::x25519(self.0, other.0);
        // Every bit is looked at, whatever the first ones are: the secret is not to be timed.
        (shared.iter().fold(0, |any, byte| any | byte) != 0).then_some(shared)
    }

    /// The public key that belongs to this private key.
    pub fn public(&self) -> PublicKey {
        PublicKey(x25519_dalek::x25519(self.0, x25519_dalek::X25519_BASEPOINT_BYTES))
    }
}

/// Derives a user's private key from the server's, the user's name and a generation number.
///
/// The server can show a user's share link again without storing its key, and a new generation
/// revokes the old one.
pub fn derive_user_key(server: &PrivateKey, user: &str, generation: u32) -> PrivateKey {
    let mut info = b"ginnel/1 user ".to_vec();
    info.extend_from_slice(&generation.to_be_bytes());
    info.extend_from_slice(user.as_bytes());
    PrivateKey(expand(b"", server.expose(), &info))
}

/// The keys that everyone who holds the deployment's secret can derive.
#[derive(ZeroizeOnDrop)]
pub struct OuterKeys {
    /// Outer AEAD key of handshake datagrams, client → server.
    pub to_server: [u8; KEY_LEN],
    /// Outer AEAD key of handshake datagrams, server → client.
    pub to_client: [u8; KEY_LEN],
    /// Header key of data datagrams, client → server.
    pub header_to_server: [u8; 16],
}

impl OuterKeys {
    /// Derives the outer keys of one server.
    pub fn derive(psk: &Psk, server: &PublicKey) -> Self {
        Self {
            to_server: expand(&server.0, psk.expose(), b"ginnel/1 handshake to server"),
            to_client: expand(&server.0, psk.expose(), b"ginnel/1 handshake to client"),
            header_to_server: expand(&server.0, psk.expose(), b"ginnel/1 header to server"),
        }
    }
}

impl fmt::Debug for OuterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OuterKeys(…)")
    }
}

/// The keys of one link, from the split of its Noise handshake.
#[derive(ZeroizeOnDrop)]
pub struct LinkKeys {
    /// AEAD key, client → server. AES-128-GCM uses its first 16 bytes.
    pub to_server: [u8; KEY_LEN],
    /// AEAD key, server → client.
    pub to_client: [u8; KEY_LEN],
    /// Header key of data datagrams, server → client.
    pub header_to_client: [u8; 16],
    /// What the link's next keys will follow from.
    pub chain: Chain,
}

impl LinkKeys {
    /// Derives a link's keys from the two raw keys of the split: initiator's first.
    pub fn derive(to_server: &SplitKey, to_client: &SplitKey) -> Self {
        Self {
            to_server: expand(b"", to_server.expose(), b"ginnel/1 data"),
            to_client: expand(b"", to_client.expose(), b"ginnel/1 data"),
            header_to_client: expand(b"", to_client.expose(), b"ginnel/1 header to client"),
            chain: Chain::new(expand(to_server.expose(), to_client.expose(), b"ginnel/2 chain")),
        }
    }
}

impl fmt::Debug for LinkKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkKeys(…)")
    }
}

pub(super) fn expand<const N: usize>(salt: &[u8], secret: &[u8], label: &[u8]) -> [u8; N] {
    let mut key = [0; N];
    // HKDF refuses only outputs longer than 255 hashes; ours are one hash or less.
    let _ = SimpleHkdf::<Blake2s256>::new(Some(salt), secret).expand(label, &mut key);
    key
}
