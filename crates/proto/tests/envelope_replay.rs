//! The replay cache: what was accepted is known while it could pass as fresh, within bounds.

mod fixtures;

use fixtures::{SECOND_NS, WALL_NS};
use ginnel_proto::envelope::keys::PublicKey;
use ginnel_proto::envelope::replay::{
    Entry, HANDSHAKES_PER_USER, HANDSHAKES_REMEMBERED, Refused, ReplayCache, SKEW_NS,
};

const KEEP_NS: u64 = 2 * SKEW_NS;

fn entry(number: u64, time_ns: u64) -> Entry {
    let mut digest = [0; 16];
    digest[..8].copy_from_slice(&number.to_be_bytes());
    Entry { time_ns, digest }
}

fn user(number: u8) -> PublicKey {
    PublicKey([number; 32])
}

#[test]
fn a_handshake_is_taken_once() {
    let mut cache = ReplayCache::default();
    let first = entry(1, WALL_NS);
    assert!(!cache.contains(&first.digest) && cache.is_empty());
    assert_eq!(cache.insert(user(1), first, WALL_NS), Ok(()));
    assert!(cache.contains(&first.digest));
    assert_eq!(cache.insert(user(1), first, WALL_NS), Err(Refused::Seen));
    assert_eq!(cache.insert(user(2), entry(1, WALL_NS + 1), WALL_NS), Err(Refused::Seen), "also by another user");
    assert_eq!(cache.insert(user(1), entry(2, WALL_NS), WALL_NS), Ok(()));
    assert_eq!(cache.len(), 2);
}

#[test]
fn it_is_remembered_for_as_long_as_it_could_pass_as_fresh_and_as_long_again() {
    let mut cache = ReplayCache::default();
    // From a clock that is as far ahead as may be, and one as far behind.
    let (ahead, behind) = (entry(1, WALL_NS + SKEW_NS), entry(2, WALL_NS - SKEW_NS));
    cache.insert(user(1), ahead, WALL_NS).unwrap();
    cache.insert(user(1), behind, WALL_NS).unwrap();
    let mut probe = 10;
    let mut at = |cache: &mut ReplayCache, now: u64| {
        probe += 1;
        cache.insert(user(2), entry(probe, now), now).unwrap();
        (cache.contains(&ahead.digest), cache.contains(&behind.digest))
    };
    assert_eq!(at(&mut cache, behind.time_ns + KEEP_NS - 1), (true, true));
    // What came earlier but lives longer keeps nothing else.
    assert_eq!(at(&mut cache, behind.time_ns + KEEP_NS), (true, false));
    assert_eq!(at(&mut cache, ahead.time_ns + KEEP_NS - 1), (true, false));
    assert_eq!(at(&mut cache, ahead.time_ns + KEEP_NS), (false, false));
}

#[test]
fn one_user_fills_a_share_and_gets_it_back() {
    let mut cache = ReplayCache::default();
    for number in 0..HANDSHAKES_PER_USER as u64 {
        assert_eq!(cache.insert(user(1), entry(number, WALL_NS + number), WALL_NS), Ok(()));
    }
    assert_eq!(cache.insert(user(1), entry(1 << 40, WALL_NS), WALL_NS), Err(Refused::Full));
    assert!(!cache.contains(&entry(1 << 40, 0).digest), "what is refused is not remembered");
    assert_eq!(cache.insert(user(2), entry(1 << 41, WALL_NS), WALL_NS), Ok(()));
    let later = WALL_NS + KEEP_NS + 9;
    assert_eq!(cache.insert(user(1), entry(1 << 42, later), later), Ok(()));
    assert_eq!(cache.len(), HANDSHAKES_PER_USER - 10 + 1, "ten of its own and the one of user 2 have expired");
}

#[test]
fn all_users_together_have_a_bound() {
    let mut cache = ReplayCache::default();
    let fill = (0..HANDSHAKES_REMEMBERED as u64).map(|number| (user((number / 400) as u8), entry(number, WALL_NS)));
    for (user, entry) in fill {
        assert_eq!(cache.insert(user, entry, WALL_NS), Ok(()));
    }
    assert_eq!(cache.insert(user(255), entry(1 << 40, WALL_NS), WALL_NS), Err(Refused::Full));
    assert_eq!(cache.len(), HANDSHAKES_REMEMBERED);
    let later = WALL_NS + KEEP_NS;
    assert_eq!(cache.insert(user(255), entry(1 << 40, later), later), Ok(()));
    assert_eq!(cache.len(), 1);
}

#[test]
fn a_journal_brings_everything_back_but_its_torn_tail() {
    let mut cache = ReplayCache::default();
    let mut journal = Vec::new();
    for number in 0..100 {
        let entry = entry(number, WALL_NS + (number * 7919 % 100) * SECOND_NS);
        cache.insert(user(1), entry, WALL_NS).unwrap();
        journal.extend_from_slice(&entry.encode());
    }
    for torn in 0..Entry::LEN {
        let whole = if torn == 0 { 100 } else { 99 };
        let journal = &journal[..journal.len() - (Entry::LEN - torn) % Entry::LEN];
        let restored = ReplayCache::restore(Entry::decode_all(journal), WALL_NS);
        assert_eq!(restored.len(), whole);
        assert!((0..whole as u64).all(|number| restored.contains(&entry(number, 0).digest)));
        assert!(restored.entries().all(|entry| cache.contains(&entry.digest)));
    }
    // What a journal is written anew from is what it was.
    let again: Vec<u8> = cache.entries().flat_map(|entry| entry.encode()).collect();
    assert_eq!(again.len(), journal.len());
    assert_eq!(ReplayCache::restore(Entry::decode_all(&again), WALL_NS).len(), 100);
}

#[test]
fn a_journal_is_restored_without_what_has_expired_or_stands_twice() {
    let (old, young) = (entry(1, WALL_NS - KEEP_NS), entry(2, WALL_NS - KEEP_NS + 1));
    let restored = ReplayCache::restore([old, young, young].into_iter(), WALL_NS);
    assert_eq!(restored.entries().collect::<Vec<_>>(), [young]);
}

#[test]
fn a_clock_that_was_behind_at_the_start_forgets_nothing() {
    let (accepted, start) = (entry(1, WALL_NS), WALL_NS - 86_400 * SECOND_NS);
    let mut cache = ReplayCache::restore([accepted].into_iter(), start);
    cache.insert(user(1), entry(2, start), start).unwrap();
    cache.insert(user(1), entry(3, WALL_NS + SKEW_NS), WALL_NS + SKEW_NS).unwrap();
    assert!(cache.contains(&accepted.digest));
    assert!(!cache.contains(&entry(2, 0).digest));
}

#[test]
fn a_damaged_journal_locks_nobody_out() {
    // Entries "from the future" keep no real one from expiring …
    let damaged = (0..3).map(|number| entry(number, u64::MAX - number));
    let mut cache = ReplayCache::restore(damaged, WALL_NS);
    cache.insert(user(1), entry(10, WALL_NS), WALL_NS).unwrap();
    let later = WALL_NS + KEEP_NS;
    cache.insert(user(1), entry(11, later), later).unwrap();
    assert!(!cache.contains(&entry(10, 0).digest));
    // … and a whole cache of them gives way to real ones, which stay.
    let damaged = (0..2 * HANDSHAKES_REMEMBERED as u64).map(|number| entry(number, u64::MAX - number));
    let mut cache = ReplayCache::restore(damaged, WALL_NS);
    assert!(cache.len() <= HANDSHAKES_REMEMBERED);
    for number in 0..100 {
        assert_eq!(cache.insert(user(1), entry(1 << 40 | number, WALL_NS), WALL_NS), Ok(()));
    }
    assert!((0..100).all(|number| cache.contains(&entry(1 << 40 | number, 0).digest)));
    assert!(cache.len() <= HANDSHAKES_REMEMBERED);
}
