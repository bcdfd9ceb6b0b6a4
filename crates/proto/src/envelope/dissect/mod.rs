//! Says what a captured datagram is, as far as the keys at hand show it.
//!
//! Whoever has none sees random bytes, and so does this. Each key shows one thing more: a
//! deployment's secret, which datagrams are its handshakes, and the headers on the way to its
//! server; the server's private key, what stands in its clients' requests; the key log of an end
//! ([`key_log`](super::key_log)), everything in the links that are in it. Nothing is judged: a
//! replayed datagram is shown as often as it comes.
//!
//! What comes is bad input: nothing grows with it but tables with a bound.

mod links;

use super::control::Control;
use super::data::Aead;
use super::handshake::{Direction, HandshakeError, Nonce, Request, nonce_of};
use super::header::{Header, HeaderKey};
use super::hello::Hello;
use super::key_log::LoggedKeys;
use super::keys::{OuterKeys, PrivateKey, Psk, PublicKey};
use super::{OVERHEAD, Version};
use crate::limits::{DISSECTED_REQUESTS, DISSECTED_SERVERS};
use crate::link::{DATAGRAM_LARGEST, Side};
use links::Links;
use rand::{SeedableRng, rngs::StdRng};
use std::collections::VecDeque;

/// What a datagram is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// None of the keys shows anything: junk, another deployment's, or what needs a key that is not here.
    Unknown,
    /// A handshake's first message.
    Request(Requested),
    /// Its second.
    Answer {
        /// Which of the datagrams that were handed in it answers; 1 is the first.
        request: u64,
        /// Which server's; 0 is the first that was added.
        server: usize,
        /// What stands in its outer layer; `None`: nothing that is known.
        outer: Option<Outer>,
    },
    /// A data datagram.
    Data(Data),
}

/// What the outer layer of a handshake says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outer {
    /// The version of the protocol.
    pub version: Version,
    /// Bytes of the Noise message; what follows is padding.
    pub noise: usize,
}

/// A request, as far as the keys show it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Requested {
    /// Which server it goes to; 0 is the first that was added.
    pub server: usize,
    /// What stands in its outer layer; `None`: nothing that is known.
    pub outer: Option<Outer>,
    /// What the client says, and who it is. `None` without the server's private key; an error for a
    /// message that this key does not open, or that says nothing.
    pub contents: Option<Result<(PublicKey, Hello), HandshakeError>>,
}

/// A data datagram.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Data {
    /// The end that it goes to.
    pub to: Side,
    /// Its header.
    pub header: Header,
    /// What is in it.
    pub payload: Result<Opened, Sealed>,
}

/// Why a payload is not shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sealed {
    /// There are no keys of this link.
    NoKeys,
    /// There are, and it opens with none of them: keys are missing, or it is a forgery.
    OtherKeys,
    /// It opens, and its padding, or its zeros, are more than there can be.
    Malformed,
}

/// An opened payload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opened {
    /// Session ids of the link: the server's and the client's.
    pub link: (u32, u32),
    /// The AEAD.
    pub aead: Aead,
    /// The number of the keys.
    pub number: u32,
    /// Bytes of padding.
    pub padding: usize,
    /// Zeros at the end of a session packet that were not sent, and stand in `plaintext`.
    pub zeros: usize,
    /// A packet of the session without the room for the envelope behind it, or a control message.
    pub plaintext: Vec<u8>,
    /// The control message, if it is one that is known.
    pub control: Option<Control>,
}

struct Server {
    psk: Psk,
    outer: OuterKeys,
    header: HeaderKey,
    private: Option<PrivateKey>,
}

/// Opens datagrams of any link and direction.
#[derive(Default)]
pub struct Dissector {
    servers: Vec<Server>,
    links: Links,
    /// The latest last: nonce, server, and which datagram it was.
    requests: VecDeque<(Nonce, usize, u64)>,
    seen: u64,
}

impl Dissector {
    /// Adds a server with the secret of its deployment; more than one where the secret is being
    /// changed. `false`: there are as many as there may be.
    pub fn add_server(&mut self, psk: Psk, server: &PublicKey) -> bool {
        self.add(psk, server, None)
    }

    /// The same with the server's private key.
    pub fn add_own_server(&mut self, psk: Psk, private: PrivateKey) -> bool {
        self.add(psk, &private.public(), Some(private))
    }

    fn add(&mut self, psk: Psk, server: &PublicKey, private: Option<PrivateKey>) -> bool {
        if self.servers.len() >= DISSECTED_SERVERS {
            return false;
        }
        let outer = OuterKeys::derive(&psk, server);
        let header = HeaderKey::new(&outer.header_to_server);
        self.servers.push(Server { psk, outer, header, private });
        true
    }

    /// Adds keys of a link.
    pub fn add_keys(&mut self, keys: LoggedKeys) {
        self.links.add(keys);
    }

    /// Says what a datagram is. Header blocks are tried first: one block each.
    pub fn dissect(&mut self, datagram: &[u8]) -> Found {
        self.seen += 1;
        if let Some(header) = self.servers.iter().find_map(|server| server.header.open(datagram)) {
            return Found::Data(self.links.open_to_server(header, datagram));
        }
        if let Some(data) = self.links.open_to_client(datagram) {
            return Found::Data(data);
        }
        if let Some(request) = self.request(datagram) {
            return Found::Request(request);
        }
        self.answer(datagram).unwrap_or(Found::Unknown)
    }

    /// How long the segments are of what was captured before segmentation: many data datagrams of
    /// one link in one piece, all of this length but the last. `None`: it is no such thing.
    pub fn segment(&self, piece: &[u8]) -> Option<usize> {
        let to_server = self.servers.iter().find_map(|server| Some((&server.header, server.header.open(piece)?)));
        let (key, last) = to_server.or_else(|| self.links.header_to_client(piece))?;
        let lengths = OVERHEAD..=usize::from(DATAGRAM_LARGEST).min(piece.len() - 1);
        lengths.into_iter().find(|length| {
            let behind = (piece.len().div_ceil(*length) - 1) as u64;
            key.open(&piece[..*length])
                .is_some_and(|first| first.session == last.session && first.counter + behind == last.counter)
        })
    }

    fn request(&mut self, datagram: &[u8]) -> Option<Requested> {
        let opened = self.servers.iter().enumerate().find_map(|(index, server)| {
            match server.outer.unwrap(Direction::Request, datagram) {
                Err(HandshakeError::NotOurs) => None,
                other => Some((index, other.ok())),
            }
        });
        let (server, opened) = opened?;
        if self.requests.len() >= DISSECTED_REQUESTS {
            self.requests.pop_front();
        }
        self.requests.push_back((nonce_of(datagram), server, self.seen));
        let Some((version, noise)) = opened else { return Some(Requested { server, outer: None, contents: None }) };
        let outer = Some(Outer { version, noise: noise.len() });
        let Server { psk, private, .. } = &self.servers[server];
        let contents = private.as_ref().map(|private| {
            // A responder draws nothing before it answers.
            let read = Request::read(version, psk, private, &noise, &mut StdRng::from_seed([0; 32]));
            read.map(|request| (request.user, request.hello))
        });
        Some(Requested { server, outer, contents })
    }

    fn answer(&self, datagram: &[u8]) -> Option<Found> {
        self.requests.iter().rev().find_map(|(nonce, server, request)| {
            let opened = self.servers[*server].outer.unwrap(Direction::AnswerTo(nonce), datagram);
            let outer = match opened {
                Err(HandshakeError::NotOurs) => return None,
                other => other.ok().map(|(version, noise)| Outer { version, noise: noise.len() }),
            };
            Some(Found::Answer { request: *request, server: *server, outer })
        })
    }
}
