//! The replay cache: which handshakes a server has accepted, also before its last restart.

use super::keys::PublicKey;
pub use crate::limits::{HANDSHAKES_PER_USER, HANDSHAKES_REMEMBERED};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;

/// How far a client's time may be from the server's, in nanoseconds (±120 s).
pub const SKEW_NS: u64 = 120 * 1_000_000_000;

/// How long after its own time a handshake is remembered: as long as it could pass as fresh, and
/// as long again for a clock that is set back meanwhile.
const KEEP_NS: u64 = 2 * SKEW_NS;

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

    /// Reads a whole journal. A last entry that a crash cut short is left out; whoever appends to
    /// such a journal must cut or rewrite it first, or all that follows is read shifted.
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
    fn rewrite(&mut self, _entries: &mut dyn Iterator<Item = Entry>) {}
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
    /// In order of expiry: one entry from the future must not keep the others.
    by_time: BTreeMap<(u64, [u8; 16]), Option<PublicKey>>,
    per_user: FxHashMap<PublicKey, usize>,
}

impl ReplayCache {
    /// Begins with what a journal holds; entries that have expired are left out. Those from the
    /// future stay: a machine may begin with its clock behind.
    pub fn restore(entries: impl Iterator<Item = Entry>, now_ns: u64) -> Self {
        let mut cache = Self::default();
        for entry in entries.filter(|entry| !has_expired(entry.time_ns, now_ns)) {
            cache.make_room(now_ns);
            if cache.by_time.len() < HANDSHAKES_REMEMBERED && cache.seen.insert(entry.digest) {
                cache.by_time.insert((entry.time_ns, entry.digest), None);
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
        self.make_room(now_ns);
        if self.seen.contains(&entry.digest) {
            return Err(Refused::Seen);
        }
        let count = self.per_user.get(&user).copied().unwrap_or(0);
        if count >= HANDSHAKES_PER_USER || self.by_time.len() >= HANDSHAKES_REMEMBERED {
            return Err(Refused::Full);
        }
        self.per_user.insert(user, count + 1);
        self.seen.insert(entry.digest);
        self.by_time.insert((entry.time_ns, entry.digest), Some(user));
        Ok(())
    }

    /// The entries that are still of use, for a journal that is written anew.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.by_time.keys().map(|&(time_ns, digest)| Entry { time_ns, digest })
    }

    /// How many handshakes are remembered.
    pub fn len(&self) -> usize {
        self.by_time.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.by_time.is_empty()
    }

    fn expire(&mut self, now_ns: u64) {
        while let Some((&key, _)) = self.by_time.first_key_value()
            && has_expired(key.0, now_ns)
        {
            self.forget(key);
        }
    }

    /// A full cache gives up what cannot pass as fresh for a long time to come: entries of a
    /// damaged journal must not lock everybody out until their day.
    fn make_room(&mut self, now_ns: u64) {
        while self.by_time.len() >= HANDSHAKES_REMEMBERED
            && let Some((&key, _)) = self.by_time.last_key_value()
            && key.0 > now_ns.saturating_add(KEEP_NS)
        {
            self.forget(key);
        }
    }

    fn forget(&mut self, key: (u64, [u8; 16])) {
        self.seen.remove(&key.1);
        if let Some(Some(user)) = self.by_time.remove(&key)
            && let Some(count) = self.per_user.get_mut(&user)
        {
            *count -= 1;
            if *count == 0 {
                self.per_user.remove(&user);
            }
        }
    }
}

fn has_expired(time_ns: u64, now_ns: u64) -> bool {
    time_ns.saturating_add(KEEP_NS) <= now_ns
}
