//! New keys for a living link, from fresh ephemeral keys of both ends that travel inside it.

use super::keys::{Chain, KEY_LEN, PrivateKey, PublicKey, expand};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Which end's ephemeral public key is which.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ephemerals {
    /// The client's.
    pub client: PublicKey,
    /// The server's.
    pub server: PublicKey,
}

/// The keys of one epoch of a link. The header keys are the link's own and stay.
#[derive(ZeroizeOnDrop)]
pub struct EpochKeys {
    /// AEAD key, client → server.
    pub to_server: [u8; KEY_LEN],
    /// AEAD key, server → client.
    pub to_client: [u8; KEY_LEN],
    /// What the next keys will follow from.
    pub chain: Chain,
}

impl EpochKeys {
    /// The keys that follow `chain`. Whoever has both ephemeral private keys forgotten, and the old
    /// chain too, has made them unknowable from anything that is kept. `None`: the other end's key
    /// is of small order.
    pub fn derive(chain: &Chain, own: &PrivateKey, other: &PublicKey, ephemerals: &Ephemerals) -> Option<Self> {
        let mut agreed = own.agree(other)?;
        let label = [b"ginnel/2 rekey ", &ephemerals.client.0[..], &ephemerals.server.0].concat();
        let chain = Chain::new(expand(chain.expose(), &agreed, &label));
        agreed.zeroize();
        Some(Self {
            to_server: expand(b"", chain.expose(), b"ginnel/2 data to server"),
            to_client: expand(b"", chain.expose(), b"ginnel/2 data to client"),
            chain,
        })
    }
}
