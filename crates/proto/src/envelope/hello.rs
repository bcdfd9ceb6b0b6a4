//! What the two Noise messages of a handshake carry: [`Hello`] and [`Welcome`].

use super::data::Aead;
use thiserror::Error;

/// The longest session parameters a handshake message may carry, in bytes.
pub const PARAMS_MAX: usize = 160;

/// The session inside a link, as named on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum SessionKind {
    /// QUIC with null packet protection.
    #[default]
    Quic = 0,
    /// KCP with a mux.
    Kcp = 1,
}

impl SessionKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Quic, Self::Kcp];

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }

    /// The word that people read and write.
    pub fn name(self) -> &'static str {
        match self {
            Self::Quic => "quic",
            Self::Kcp => "kcp",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Which of a client's links this is: only the same identity replaces an older link, by a
/// higher epoch. Two devices with one share link differ in `instance`, and so do two clients in
/// one process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LinkIdentity {
    /// Drawn once per hub, which is once per start of a client.
    pub instance: [u8; 16],
    /// Numbers the links of a pool.
    pub member: u16,
}

/// The payload of message 1, client → server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hello {
    /// The client's idea of the server's time, nanoseconds since 1970.
    pub time_ns: u64,
    /// Which link of which client.
    pub identity: LinkIdentity,
    /// Rises with every handshake of a client's hub.
    pub epoch: u32,
    /// The id that the server shall send to.
    pub session: u32,
    /// The client has AES in hardware.
    pub aes: bool,
    /// The session inside.
    pub kind: SessionKind,
    /// The session's own parameters; at most [`PARAMS_MAX`] bytes.
    pub params: Vec<u8>,
}

/// The payload of message 2, server → client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Welcome {
    /// The server's time, nanoseconds since 1970.
    pub time_ns: u64,
    /// The id that the client shall send to.
    pub session: u32,
    /// The AEAD of the link.
    pub aead: Aead,
    /// The session's own parameters; at most [`PARAMS_MAX`] bytes.
    pub params: Vec<u8>,
}

/// An authentic handshake message that says nothing we understand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("a handshake payload that does not parse")]
pub struct BadPayload;

impl Hello {
    /// Length without parameters.
    const FIXED: usize = 8 + 16 + 2 + 4 + 4 + 1 + 1 + 1;
    /// The longest encoding.
    pub const MAX: usize = Self::FIXED + PARAMS_MAX;

    /// Writes the payload.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::FIXED + self.params.len());
        out.extend_from_slice(&self.time_ns.to_be_bytes());
        out.extend_from_slice(&self.identity.instance);
        out.extend_from_slice(&self.identity.member.to_be_bytes());
        out.extend_from_slice(&self.epoch.to_be_bytes());
        out.extend_from_slice(&self.session.to_be_bytes());
        out.push(u8::from(self.aes));
        out.push(self.kind as u8);
        put_params(&mut out, &self.params);
        out
    }

    /// Reads the payload.
    pub fn decode(payload: &[u8]) -> Result<Self, BadPayload> {
        let mut rest = payload;
        let hello = Self {
            time_ns: u64::from_be_bytes(take(&mut rest)?),
            identity: LinkIdentity { instance: take(&mut rest)?, member: u16::from_be_bytes(take(&mut rest)?) },
            epoch: u32::from_be_bytes(take(&mut rest)?),
            session: u32::from_be_bytes(take(&mut rest)?),
            // The other bits are for capabilities that later versions may add.
            aes: take::<1>(&mut rest)?[0] & 1 == 1,
            kind: SessionKind::from_byte(take::<1>(&mut rest)?[0]).ok_or(BadPayload)?,
            params: take_params(&mut rest)?,
        };
        if rest.is_empty() { Ok(hello) } else { Err(BadPayload) }
    }
}

impl Welcome {
    /// Length without parameters.
    const FIXED: usize = 8 + 4 + 1 + 1;
    /// The longest encoding.
    pub const MAX: usize = Self::FIXED + PARAMS_MAX;

    /// Writes the payload.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::FIXED + self.params.len());
        out.extend_from_slice(&self.time_ns.to_be_bytes());
        out.extend_from_slice(&self.session.to_be_bytes());
        out.push(self.aead as u8);
        put_params(&mut out, &self.params);
        out
    }

    /// Reads the payload.
    pub fn decode(payload: &[u8]) -> Result<Self, BadPayload> {
        let mut rest = payload;
        let welcome = Self {
            time_ns: u64::from_be_bytes(take(&mut rest)?),
            session: u32::from_be_bytes(take(&mut rest)?),
            aead: Aead::from_byte(take::<1>(&mut rest)?[0]).ok_or(BadPayload)?,
            params: take_params(&mut rest)?,
        };
        if rest.is_empty() { Ok(welcome) } else { Err(BadPayload) }
    }
}

fn put_params(out: &mut Vec<u8>, params: &[u8]) {
    debug_assert!(params.len() <= PARAMS_MAX);
    out.push(params.len() as u8);
    out.extend_from_slice(params);
}

fn take_params(rest: &mut &[u8]) -> Result<Vec<u8>, BadPayload> {
    let length = usize::from(take::<1>(rest)?[0]);
    if length > PARAMS_MAX {
        return Err(BadPayload);
    }
    let (params, after) = rest.split_at_checked(length).ok_or(BadPayload)?;
    *rest = after;
    Ok(params.to_vec())
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], BadPayload> {
    let (field, after) = rest.split_first_chunk().ok_or(BadPayload)?;
    *rest = after;
    Ok(*field)
}
