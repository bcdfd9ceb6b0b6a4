//! A replay journal in memory, which outlives the server that writes it.

use ginnel_proto::envelope::replay::{Entry, Journal, ReplayCache};
use std::cell::RefCell;
use std::rc::Rc;

/// A journal; its clones are the same one.
#[derive(Clone, Default)]
pub struct MemoryJournal(Rc<RefCell<Vec<u8>>>);

impl MemoryJournal {
    /// The cache that a server begins with after reading this journal.
    pub fn restore(&self, now_ns: u64) -> ReplayCache {
        ReplayCache::restore(Entry::decode_all(&self.0.borrow()), now_ns)
    }

    /// How many handshakes were accepted.
    pub fn accepted(&self) -> usize {
        self.0.borrow().len() / Entry::LEN
    }
}

impl Journal for MemoryJournal {
    fn append(&mut self, entry: &Entry) -> bool {
        self.0.borrow_mut().extend_from_slice(&entry.encode());
        true
    }
}
