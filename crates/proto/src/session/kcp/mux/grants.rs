//! How many streams each end may open.
//!
//! Both count streams from the beginning of the session: a grant says how many may be opened in
//! all, so that a grant which is overtaken by a later one on another lane does no harm.

use super::Violation;
use rustc_hash::FxHashSet;

/// Streams of the peer that have come although older ones have not: SYNs overtake each other where
/// they are on different lanes. With more than this the older ones do not exist.
const OVERTAKEN_MAX: usize = 1 << 16;

/// Streams that this end opens.
#[derive(Debug)]
pub(super) struct Ours {
    /// The number of the next one.
    next: u64,
    opened: u32,
    allowed: u32,
    /// Somebody wanted one and there was none to give.
    wanted: bool,
}

impl Ours {
    pub(super) fn new(is_client: bool, allowed: u32) -> Self {
        Self { next: if is_client { 1 } else { 2 }, opened: 0, allowed, wanted: false }
    }

    /// The number of a new stream.
    pub(super) fn open(&mut self) -> Option<u32> {
        let id = u32::try_from(self.next).ok().filter(|_| self.opened < self.allowed);
        match id {
            Some(_) => {
                self.next += 2;
                self.opened += 1;
            }
            None => self.wanted = true,
        }
        id
    }

    /// Takes in a grant. `true`: now there is one for whoever wanted one.
    pub(super) fn grant(&mut self, allowed: u32) -> bool {
        self.allowed = self.allowed.max(allowed);
        self.opened < self.allowed && std::mem::take(&mut self.wanted)
    }

    /// There will never be another stream.
    pub(super) fn is_used_up(&self) -> bool {
        self.next > u32::MAX.into()
    }
}

/// Streams that the peer opens.
#[derive(Debug)]
pub(super) struct Theirs {
    /// The parity of their numbers.
    parity: u32,
    /// How many may be open at once.
    most: u32,
    open: u32,
    opened: u32,
    granted: u32,
    /// How many could still be opened when `granted` was last told.
    given: u32,
    /// All streams before this one have come, counted from 0.
    complete: u32,
    /// Those beyond it that have come.
    overtook: FxHashSet<u32>,
}

impl Theirs {
    pub(super) fn new(is_client: bool, most: u32, granted: u32) -> Self {
        Self {
            parity: if is_client { 0 } else { 1 },
            most,
            open: 0,
            opened: 0,
            granted,
            given: granted,
            complete: 0,
            overtook: FxHashSet::default(),
        }
    }

    /// Takes in a new stream, or finds that it must not be.
    pub(super) fn open(&mut self, id: u32) -> Result<(), Violation> {
        if id % 2 != self.parity {
            return Err(Violation::Parity(id));
        }
        if self.opened >= self.granted {
            return Err(Violation::Granted(self.granted));
        }
        self.see(id)?;
        self.opened += 1;
        self.open += 1;
        Ok(())
    }

    /// No number comes twice, even where the stream is long gone.
    fn see(&mut self, id: u32) -> Result<(), Violation> {
        let index = id.div_ceil(2).checked_sub(1).ok_or(Violation::Order(id))?;
        // Numbers are used one after the other, so that a higher one was granted to nobody.
        if index >= self.granted {
            return Err(Violation::Granted(self.granted));
        }
        if index < self.complete || self.overtook.contains(&index) || self.overtook.len() >= OVERTAKEN_MAX {
            return Err(Violation::Order(id));
        }
        if index > self.complete {
            self.overtook.insert(index);
            return Ok(());
        }
        self.complete += 1;
        while !self.overtook.is_empty() && self.overtook.remove(&self.complete) {
            self.complete += 1;
        }
        Ok(())
    }

    /// One of them is gone.
    pub(super) fn close(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    /// The most that may be granted now: so many that never more than `most` are open.
    fn grantable(&self) -> u32 {
        self.opened.saturating_add(self.most.saturating_sub(self.open))
    }

    /// Whether it is time to grant more: half of what was given is used up, and there is more to give.
    pub(super) fn is_due(&self) -> bool {
        let left = self.granted.saturating_sub(self.opened);
        left <= self.given / 2 && self.grantable() > self.granted
    }

    /// Grants all that may be.
    pub(super) fn grant(&mut self) -> u32 {
        self.granted = self.granted.max(self.grantable());
        self.given = self.granted.saturating_sub(self.opened);
        self.granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_end_with_their_field() {
        for (is_client, last) in [(true, u32::MAX), (false, u32::MAX - 1)] {
            let mut ours = Ours::new(is_client, u32::MAX);
            ours.next = last.into();
            assert!(!ours.is_used_up());
            assert_eq!(ours.open(), Some(last));
            assert!(ours.is_used_up());
            assert_eq!(ours.open(), None);
        }
    }
}
