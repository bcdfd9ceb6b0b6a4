//! When a link gets new keys, and how its ends agree on the moment.
//!
//! The client asks, with a fresh ephemeral key, once the link has been used for a while or has
//! carried much; the server answers with its own. The client seals with the new keys at once, the
//! server when it has opened something sealed with them; each end goes on opening what the other
//! has sealed with the former ones. Nothing waits for any of it. An idle link keeps its keys.

use super::Side;
use crate::envelope::control::Control;
use crate::envelope::data::{Opener, Sealer};
use crate::envelope::keys::{Chain, PrivateKey, PublicKey};
use crate::envelope::rekey::{Ephemerals, EpochKeys};
use crate::limits::{Limits, REKEY_AGAIN, REKEY_AGAIN_MAX};
use rand::{CryptoRng, RngExt};
use std::time::{Duration, Instant};

enum State {
    /// Nothing is going on.
    Rest,
    /// Client: it has asked. Asked again, when the link is used, from this time on.
    Asked { own: PrivateKey, again: Instant, wait: Duration },
    /// Client: it seals with the new keys, the server not yet.
    Ahead,
    /// Server: it has answered, and the client does not use the new keys yet.
    Offered { from: PublicKey, answer: PublicKey, keys: Box<EpochKeys> },
    /// Both ends use the new keys. What was sealed with the former ones is opened until this time.
    Settling(Instant),
}

/// Renews the keys of one link.
pub struct Rekey {
    side: Side,
    /// Of the keys in use; the handshake's are number 0.
    number: u32,
    /// What the next keys follow from; `None` where the version of the link has no rekey.
    chain: Option<Chain>,
    state: State,
    time: Duration,
    bytes: u64,
    overlap: Duration,
    /// A client asks once this has come and the link is used, or
    due: Instant,
    /// once so many bytes more have gone through it, in both directions.
    left: u64,
}

impl Rekey {
    /// Begins with the keys of the handshake.
    pub fn new(side: Side, chain: Option<Chain>, limits: &Limits, now: Instant, rng: &mut impl CryptoRng) -> Self {
        let mut rekey = Self {
            side,
            number: 0,
            chain,
            state: State::Rest,
            time: limits.rekey_time,
            bytes: limits.rekey_bytes,
            overlap: limits.rekey_overlap,
            due: now,
            left: 0,
        };
        rekey.count_anew(now, rng);
        rekey
    }

    /// Whether the version of the link has rekeys at all.
    pub fn is_spoken(&self) -> bool {
        self.chain.is_some()
    }

    /// The number of the keys that this end seals with.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The session has sent or received so many bytes. Returns what a client shall ask, if it is time to.
    pub fn used(&mut self, now: Instant, bytes: usize, rng: &mut impl CryptoRng) -> Option<Control> {
        self.left = self.left.saturating_sub(bytes as u64);
        if self.side == Side::Server || self.chain.is_none() {
            return None;
        }
        match &mut self.state {
            State::Rest if self.left == 0 || now >= self.due => {
                let own = PrivateKey::new(rng.random());
                let ask = Control::Rekey(self.number + 1, own.public());
                self.state = State::Asked { own, again: now + REKEY_AGAIN, wait: REKEY_AGAIN };
                Some(ask)
            }
            // The same key again: the server's answer to the first may be on its way.
            State::Asked { own, again, wait } if now >= *again => {
                *wait = (*wait * 2).min(REKEY_AGAIN_MAX);
                *again = now + *wait;
                Some(Control::Rekey(self.number + 1, own.public()))
            }
            _ => None,
        }
    }

    /// Server: the client asks for keys of this number. Returns the answer, if it deserves one.
    pub fn asked(
        &mut self,
        number: u32,
        from: PublicKey,
        opener: &mut Opener,
        rng: &mut impl CryptoRng,
    ) -> Option<Control> {
        let chain = self.chain.as_ref().filter(|_| self.side == Side::Server && number == self.number + 1)?;
        match &self.state {
            State::Rest => {}
            State::Offered { from: before, answer, .. } if *before == from => {
                return Some(Control::RekeyAnswer(number, *answer));
            }
            _ => return None,
        }
        let own = PrivateKey::new(rng.random());
        let answer = own.public();
        let keys = EpochKeys::derive(chain, &own, &from, &Ephemerals { client: from, server: answer })?;
        opener.expect(&keys.to_server);
        self.state = State::Offered { from, answer, keys: Box::new(keys) };
        Some(Control::RekeyAnswer(number, answer))
    }

    /// Client: the server's part of the new keys. They are used from now on; returned to be written
    /// down where that is asked for.
    pub fn answered(
        &mut self,
        number: u32,
        from: PublicKey,
        sealer: &mut Sealer,
        opener: &mut Opener,
    ) -> Option<EpochKeys> {
        let (State::Asked { own, .. }, Some(chain)) = (&self.state, &self.chain) else { return None };
        if number != self.number + 1 {
            return None;
        }
        let ephemerals = Ephemerals { client: own.public(), server: from };
        let keys = EpochKeys::derive(chain, own, &from, &ephemerals)?;
        opener.expect(&keys.to_client);
        self.number = number;
        sealer.rekey(&keys.to_server, number & 1 == 1);
        self.chain = Some(keys.chain.clone());
        self.state = State::Ahead;
        Some(keys)
    }

    /// The peer has used the next keys for the first time. Returns them where they are new to this
    /// end too: a client has used them before.
    pub fn taken_up(&mut self, now: Instant, sealer: &mut Sealer, rng: &mut impl CryptoRng) -> Option<Box<EpochKeys>> {
        self.count_anew(now, rng);
        let before = std::mem::replace(&mut self.state, State::Settling(now + self.overlap));
        let State::Offered { keys, .. } = before else { return None };
        self.number += 1;
        sealer.rekey(&keys.to_client, self.number & 1 == 1);
        self.chain = Some(keys.chain.clone());
        Some(keys)
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Settling(until) => Some(until),
            _ => None,
        }
    }

    /// Forgets the former keys when their time has come.
    pub fn handle_timeout(&mut self, now: Instant, opener: &mut Opener) {
        if self.poll_timeout().is_some_and(|until| until <= now) {
            opener.forget_former();
            self.state = State::Rest;
        }
    }

    /// The keys are new now: their age and what goes under them count from here.
    fn count_anew(&mut self, now: Instant, rng: &mut impl CryptoRng) {
        self.due = now + self.time.mul_f64(rng.random_range(0.75..1.25));
        self.left = (self.bytes as f64 * rng.random_range(0.5..1.0)) as u64;
    }
}
