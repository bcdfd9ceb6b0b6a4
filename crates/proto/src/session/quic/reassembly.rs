//! The order of one stream's bytes, where packets are lost.
//!
//! The library sorts what comes out of order, but ends the whole connection once one stream has
//! more than 1,024 pieces with gaps between them. On a long, fast path that loses packets that many
//! are in flight in the ordinary course of things. So a stream that runs into gaps takes its pieces
//! out of the library as they come, and is put in order here; the library is left with nothing.
//! On a path that loses nothing none of this runs.

use bytes::Bytes;
use std::collections::BTreeMap;

/// What a piece costs beside its bytes: its place in the map, and what an allocation wastes.
const PIECE_COST: usize = 128;

/// How a stream ended, as far as the library has told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// Cleanly, after what is here.
    Clean,
    /// The peer gave it up, with this code.
    Reset(u32),
}

/// The pieces of a stream that came before their turn.
#[derive(Debug, Default)]
pub(super) struct Reassembly {
    /// The number of the stream's next byte to be read.
    next: u64,
    /// Pieces by the number of their first byte. They do not overlap: the library sees to that.
    pieces: BTreeMap<u64, Bytes>,
    held: usize,
    /// Nothing more comes from the library.
    pub(super) end: Option<End>,
}

impl Reassembly {
    /// `next` bytes of the stream have been read.
    pub(super) fn new(next: u64) -> Self {
        Self { next, ..Self::default() }
    }

    /// The number of the next byte to be read.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Memory that waits here, bytes.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Takes note of bytes that came in their turn and were passed on.
    pub(super) fn passed(&mut self, bytes: usize) {
        self.next += bytes as u64;
    }

    /// Keeps a piece. It is copied: it is a part of a much larger batch of datagrams, which must
    /// not live as long as the piece has to wait.
    pub(super) fn keep(&mut self, offset: u64, piece: &[u8]) {
        self.held += piece.len() + PIECE_COST;
        self.pieces.insert(offset, Bytes::copy_from_slice(piece));
    }

    /// The next piece in its turn, or its first `max` bytes.
    pub(super) fn take(&mut self, max: usize) -> Option<Bytes> {
        let mut first = self.pieces.first_entry().filter(|first| *first.key() == self.next)?;
        if first.get().len() > max {
            let start = first.get_mut().split_to(max);
            let rest = first.remove();
            self.next += max as u64;
            self.held -= max;
            self.pieces.insert(self.next, rest);
            return Some(start);
        }
        let piece = first.remove();
        self.next += piece.len() as u64;
        self.held -= piece.len() + PIECE_COST;
        Some(piece)
    }

    /// Whether one more piece may be kept, with so much memory for all of them.
    pub(super) fn has_room(&self, room: usize) -> bool {
        self.held < room && self.pieces.len() < super::incoming::PIECES_MAX
    }

    /// Whether nothing that is here is in its turn.
    pub(super) fn is_behind_gap(&self) -> bool {
        self.pieces.first_key_value().is_none_or(|(first, _)| *first != self.next)
    }

    /// Drops everything: nobody will read it.
    pub(super) fn clear(&mut self) {
        self.pieces.clear();
        self.held = 0;
    }

    /// Whether all that came has been read.
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_the_order_the_bytes_come_out_in_theirs(
            lengths in prop::collection::vec(1usize..40, 1..60),
            order in prop::collection::vec(any::<u32>(), 60),
            max in 1usize..50,
        ) {
            let mut pieces = Vec::new();
            let mut offset = 7;
            for length in lengths {
                pieces.push((offset, length));
                offset += length as u64;
            }
            let total = offset;
            let mut order = order.into_iter();
            pieces.sort_by_cached_key(|_| order.next());
            let (mut reassembly, mut read) = (Reassembly::new(7), Vec::new());
            for (offset, length) in pieces {
                let bytes: Vec<u8> = (offset..offset + length as u64).map(|at| at as u8).collect();
                reassembly.keep(offset, &bytes);
                while let Some(piece) = reassembly.take(max) {
                    prop_assert!(piece.len() <= max);
                    read.extend_from_slice(&piece);
                }
            }
            prop_assert!(read.iter().copied().eq((7..total).map(|at| at as u8)));
            prop_assert_eq!((reassembly.held(), reassembly.is_empty(), reassembly.next()), (0, true, total));
        }
    }

    #[test]
    fn what_is_held_counts_more_than_its_bytes() {
        let mut reassembly = Reassembly::new(0);
        (0..1000).for_each(|at| reassembly.keep(10 + at * 2, b"x"));
        assert_eq!(reassembly.held(), 1000 * (1 + PIECE_COST));
        assert_eq!(reassembly.take(100), None);
        reassembly.clear();
        assert_eq!(reassembly.held(), 0);
    }
}
