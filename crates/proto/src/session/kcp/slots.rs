//! Where the data of segments that are on their way lies: places of one size, used again and again.
//!
//! A place costs no allocation but now and then a page of them. What was freed last is used first,
//! while it is in the processor's caches.

use crate::link::DATAGRAM_LARGEST;

/// The longest data of a segment.
pub(super) const SLOT: usize = DATAGRAM_LARGEST as usize;

/// Places in a page: 46 KiB.
const PAGE: usize = 32;

/// Names a place that is in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Slot(u32);

/// The places of one link.
#[derive(Default)]
pub(super) struct Slots {
    pages: Vec<Box<[u8]>>,
    free: Vec<u32>,
}

impl Slots {
    /// Stores at most [`SLOT`] bytes.
    pub(super) fn store(&mut self, data: &[u8]) -> Slot {
        let index = self.free.pop().unwrap_or_else(|| self.grow());
        let (page, at) = place(index);
        self.pages[page][at..at + data.len()].copy_from_slice(data);
        Slot(index)
    }

    /// The first `length` bytes of a place.
    pub(super) fn get(&self, slot: Slot, length: usize) -> &[u8] {
        let (page, at) = place(slot.0);
        &self.pages[page][at..at + length]
    }

    /// The place is not used any more.
    pub(super) fn release(&mut self, slot: Slot) {
        self.free.push(slot.0);
    }

    /// Gives all pages back, if no place is used.
    pub(super) fn trim(&mut self) {
        if self.used() == 0 {
            *self = Self::default();
        }
    }

    /// Bytes of the places in use.
    pub(super) fn bytes(&self) -> u64 {
        (self.used() * SLOT) as u64
    }

    /// How many are in use.
    pub(super) fn used(&self) -> usize {
        self.pages.len() * PAGE - self.free.len()
    }

    fn grow(&mut self) -> u32 {
        let first = (self.pages.len() * PAGE) as u32;
        self.pages.push(vec![0; PAGE * SLOT].into_boxed_slice());
        self.free.extend((first + 1..first + PAGE as u32).rev());
        first
    }
}

/// The page of a place, and where in it.
fn place(index: u32) -> (usize, usize) {
    (index as usize / PAGE, index as usize % PAGE * SLOT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_used_again_and_pages_go_when_they_are_told_to() {
        let mut slots = Slots::default();
        let many: Vec<Slot> = (0..100u8).map(|byte| slots.store(&[byte; SLOT])).collect();
        assert_eq!((slots.used(), slots.pages.len()), (100, 4));
        for (byte, slot) in many.iter().enumerate() {
            assert_eq!(slots.get(*slot, SLOT), [byte as u8; SLOT]);
        }
        slots.release(many[7]);
        assert_eq!(slots.store(b"again"), many[7]);
        assert_eq!(slots.get(many[7], 5), b"again");
        slots.trim();
        assert_eq!(slots.used(), 100, "what is used stays");
        many.iter().for_each(|slot| slots.release(*slot));
        assert_eq!((slots.used(), slots.pages.len()), (0, 4));
        slots.trim();
        assert!(slots.pages.is_empty());
        let more: Vec<Slot> = (0..40u8).map(|byte| slots.store(&[byte])).collect();
        assert!((0..40u8).all(|byte| slots.get(more[usize::from(byte)], 1) == [byte]));
    }
}
