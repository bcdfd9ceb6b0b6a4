//! The key log: keys of a link as lines of text, for whoever is to read a capture of it.
//!
//! Payload has forward secrecy: nobody can read it later unless an end of the link has written its
//! keys down. This is how it does, when it is told to and at no other time.

use super::data::Aead;
use super::keys::{KEY_LEN, LinkKeys};
use super::rekey::EpochKeys;
use crate::link::Side;
use std::fmt::{self, Write};
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// What a line of keys begins with.
pub const LABEL: &str = "GINNEL_KEYS";

/// One set of keys of a link: those of its handshake, or those that followed.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct LoggedKeys {
    /// The end that wrote them down.
    #[zeroize(skip)]
    pub role: Side,
    /// The server's session id: what datagrams to it bear.
    pub server_session: u32,
    /// The client's session id: what datagrams to it bear.
    pub client_session: u32,
    /// What they are the keys of.
    #[zeroize(skip)]
    pub aead: Aead,
    /// The number of the keys; the handshake's are 0.
    pub number: u32,
    /// AEAD key, client → server.
    pub to_server: [u8; KEY_LEN],
    /// AEAD key, server → client.
    pub to_client: [u8; KEY_LEN],
    /// Header key, server → client; that of the other direction follows from the deployment's secret.
    pub header_to_client: [u8; 16],
}

impl fmt::Debug for LoggedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoggedKeys(…)")
    }
}

/// A line that begins as one of ours and goes on as none. Says which field, never what stands there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("{0}")]
pub struct BadLine(&'static str);

impl LoggedKeys {
    /// The keys that a handshake has left.
    pub fn of_handshake(role: Side, (server_session, client_session): (u32, u32), aead: Aead, keys: &LinkKeys) -> Self {
        Self {
            role,
            server_session,
            client_session,
            aead,
            number: 0,
            to_server: keys.to_server,
            to_client: keys.to_client,
            header_to_client: keys.header_to_client,
        }
    }

    /// The keys that follow in the same link.
    pub fn followed_by(&self, number: u32, keys: &EpochKeys) -> Self {
        let mut next = self.clone();
        (next.number, next.to_server, next.to_client) = (number, keys.to_server, keys.to_client);
        next
    }

    /// The line, without its end: label, role, server's and client's session id, AEAD, number, keys
    /// to the server and to the client, header key to the client.
    pub fn to_line(&self) -> Zeroizing<String> {
        let role = match self.role {
            Side::Client => "client",
            Side::Server => "server",
        };
        let (server, client, number) = (self.server_session, self.client_session, self.number);
        // Long enough from the start: a string that grows leaves copies behind.
        let mut line = Zeroizing::new(String::with_capacity(256));
        // Writing to a string does not fail.
        let _ = write!(line, "{LABEL} {role} {server:08x} {client:08x} {} {number}", self.aead.name());
        for key in [&self.to_server[..], &self.to_client, &self.header_to_client] {
            line.push(' ');
            for byte in key {
                let _ = write!(line, "{byte:02x}");
            }
        }
        line
    }

    /// Reads a line. `None`: it is empty, a remark, or has another label, and is to be passed over.
    pub fn parse(line: &str) -> Result<Option<Self>, BadLine> {
        let mut fields = line.split_ascii_whitespace();
        if fields.next() != Some(LABEL) {
            return Ok(None);
        }
        let mut field = |what| fields.next().ok_or(BadLine(what));
        let role = match field("the role is missing")? {
            "client" => Side::Client,
            "server" => Side::Server,
            _ => return Err(BadLine("the role is neither client nor server")),
        };
        let id = |text| bytes::<4>(text).map(u32::from_be_bytes);
        let server = id(field("the server's session id is missing")?);
        let client = id(field("the client's session id is missing")?);
        let aead = Aead::from_name(field("the AEAD is missing")?);
        let number = field("the number of the keys is missing")?.parse().ok();
        let to_server = bytes(field("the key to the server is missing")?);
        let to_client = bytes(field("the key to the client is missing")?);
        let header = bytes(field("the header key is missing")?);
        let keys = Self {
            role,
            server_session: server.ok_or(BadLine("the server's session id has not 8 hexadecimal digits"))?,
            client_session: client.ok_or(BadLine("the client's session id has not 8 hexadecimal digits"))?,
            aead: aead.ok_or(BadLine("the AEAD is unknown"))?,
            number: number.ok_or(BadLine("the number of the keys is no number"))?,
            to_server: to_server.ok_or(BadLine("the key to the server has not 64 hexadecimal digits"))?,
            to_client: to_client.ok_or(BadLine("the key to the client has not 64 hexadecimal digits"))?,
            header_to_client: header.ok_or(BadLine("the header key has not 32 hexadecimal digits"))?,
        };
        if fields.next().is_some() { Err(BadLine("it goes on after its last field")) } else { Ok(Some(keys)) }
    }
}

/// Bytes from exactly as many hexadecimal digits.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
    }
    Some(bytes)
}
