//! The replay cache: which handshakes a server has accepted, also before its last restart.

use super::keys::PublicKey;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::VecDeque;

/// How far a client's time may be from the server's, in nanoseconds (±120 s).
pub const SKEW_NS: u64 = 120 * 1_000_000_000;

/// How long after its own time a handshake is remembered: as long as it could pass as fresh, and
/// as long again for a clock that is set back meanwhile.
const KEEP_NS: u64 = 2 * SKEW_NS;

/// The most handshakes remembered for one user; beyond it the user's next one is refused until
/// older ones expire. At one handshake a second a user stays at half of it.
pub const PER_USER_MAX: usize = 512;

/// The most handshakes remembered in all.
pub const TOTAL_MAX: usize = 65_536;

/// One accepted handshake, as the journal keeps it: `time 8 | digest 16`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The client's time in the handshake, nanoseconds since 1970.
    pub time_ns: u64,
    /// The fingerprint of its Noise message.
    pub digest: [u8; 16],
}

impl Entry {
    /// Length of an encoded entry.
    pub const LEN: usize = 24;

    /// The journal's form.
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        out[..8].copy_from_slice(&self.time_ns.to_be_bytes());
        out[8..].copy_from_slice(&self.digest);
        out
    }

    /// Reads a whole journal. A last entry that a crash cut short is left out.
    pub fn decode_all(journal: &[u8]) -> impl Iterator<Item = Self> + '_ {
        journal.as_chunks::<{ Self::LEN }>().0.iter().map(|entry| {
            let (mut time, mut digest) = ([0; 8], [0; 16]);
            time.copy_from_slice(&entry[..8]);
            digest.copy_from_slice(&entry[8..]);
            Self { time_ns: u64::from_be_bytes(time), digest }
        })
    }
}

/// Where accepted handshakes are written down before they are answered.
pub trait Journal {
    /// Appends one entry. `false`: it could not be written, which is counted; the handshake goes
    /// on, for a full disk must not lock everybody out.
    fn append(&mut self, entry: &Entry) -> bool;

    /// Whether the journal has grown so long that it should be written anew.
    fn is_long(&self) -> bool {
        false
    }

    /// Writes the journal anew, with these entries only.
    fn rewrite(&mut self, _entries: &mut dyn Iterator<Item = &Entry>) {}
}

/// A journal that forgets: for clients, and for tests of other things.
pub struct NoJournal;

impl Journal for NoJournal {
    fn append(&mut self, _entry: &Entry) -> bool {
        true
    }
}

/// Why a handshake was not taken into the cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// This very message was accepted before.
    Seen,
    /// The user, or the whole server, has made too many handshakes lately.
    Full,
}

/// The accepted handshakes that could still pass as fresh.
#[derive(Default)]
pub struct ReplayCache {
    seen: FxHashSet<[u8; 16]>,
    /// In order of insertion, which is nearly the order of expiry.
    order: VecDeque<(Entry, Option<PublicKey>)>,
    per_user: FxHashMap<PublicKey, usize>,
}

impl ReplayCache {
    /// Begins with what a journal holds; entries that have expired are left out.
    pub fn restore(entries: impl Iterator<Item = Entry>, now_ns: u64) -> Self {
        let mut cache = Self::default();
        for entry in entries.filter(|entry| entry.time_ns.saturating_add(KEEP_NS) > now_ns) {
            if cache.order.len() < TOTAL_MAX && cache.seen.insert(entry.digest) {
                cache.order.push_back((entry, None));
            }
        }
        cache
    }

    /// Whether this message was accepted before. Cheap, and done before any Noise.
    pub fn contains(&self, digest: &[u8; 16]) -> bool {
        self.seen.contains(digest)
    }

    /// Takes in a handshake that is about to be answered.
    pub fn insert(&mut self, user: PublicKey, entry: Entry, now_ns: u64) -> Result<(), Refused> {
        self.expire(now_ns);
        if self.seen.contains(&entry.digest) {
            return Err(Refused::Seen);
        }
        let count = self.per_user.entry(user).or_default();
        if *count >= PER_USER_MAX || self.order.len() >= TOTAL_MAX {
            return Err(Refused::Full);
        }
        *count += 1;
        self.seen.insert(entry.digest);
        self.order.push_back((entry, Some(user)));
        Ok(())
    }

    /// The entries that are still of use, for a journal that is written anew.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.order.iter().map(|(entry, _)| entry)
    }

    /// How many handshakes are remembered.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    fn expire(&mut self, now_ns: u64) {
        while let Some((entry, user)) = self.order.front() {
            if entry.time_ns.saturating_add(KEEP_NS) > now_ns {
                break;
            }
            self.seen.remove(&entry.digest);
            if let Some(user) = user
                && let Some(count) = self.per_user.get_mut(user)
            {
                *count -= 1;
                if *count == 0 {
                    self.per_user.remove(user);
                }
            }
            self.order.pop_front();
        }
    }
}
