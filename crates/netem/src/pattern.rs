//! A stream's content: each byte follows from its position, so that a misplaced one is seen.

use bytes::Bytes;

/// The content of one direction of one stream. It never repeats within any test's reach.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pattern(pub u64);

/// Bytes compared at once.
const BLOCK: usize = 4096;

impl Pattern {
    /// The bytes at `position` and after it.
    pub fn bytes(self, position: u64, length: usize) -> Bytes {
        let mut out = vec![0; length];
        self.fill(position, &mut out);
        out.into()
    }

    /// Panics at the first byte of `data` that does not belong at `position`.
    pub fn check(self, position: u64, data: &[u8]) {
        let mut expected = [0; BLOCK];
        for (index, block) in data.chunks(BLOCK).enumerate() {
            let at = position + (index * BLOCK) as u64;
            let expected = &mut expected[..block.len()];
            self.fill(at, expected);
            if block != expected {
                let wrong = block.iter().zip(&*expected).take_while(|(a, b)| a == b).count() as u64;
                panic!("byte {} is not the one that was sent", at + wrong);
            }
        }
    }

    fn fill(self, position: u64, out: &mut [u8]) {
        let head = (8 - position as usize % 8) % 8;
        let (head, rest) = out.split_at_mut(head.min(out.len()));
        if !head.is_empty() {
            let skip = position as usize % 8;
            head.copy_from_slice(&self.word(position / 8)[skip..skip + head.len()]);
        }
        let first = position.div_ceil(8);
        for (index, word) in (first..).zip(rest.chunks_mut(8)) {
            word.copy_from_slice(&self.word(index)[..word.len()]);
        }
    }

    /// Eight bytes: the index, mixed (the finisher of `splitmix64`).
    fn word(self, index: u64) -> [u8; 8] {
        let mut word = (self.0 << 40).wrapping_add(index).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (word ^ (word >> 27)).to_le_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_same_however_it_is_cut() {
        let whole = Pattern(7).bytes(0, 10_000);
        for (from, to) in [(0, 1), (3, 5), (7, 9), (1, 9_999), (8, 16), (4_095, 8_200)] {
            assert_eq!(Pattern(7).bytes(from as u64, to - from), whole[from..to], "{from}..{to}");
            Pattern(7).check(from as u64, &whole[from..to]);
        }
    }

    #[test]
    #[should_panic(expected = "byte 4100 is not")]
    fn sees_a_byte_out_of_place() {
        let mut data = Pattern(7).bytes(0, 10_000).to_vec();
        data[4_100] ^= 1;
        Pattern(7).check(0, &data);
    }

    #[test]
    #[should_panic(expected = "is not the one")]
    fn sees_the_content_of_another_stream() {
        Pattern(7).check(0, &Pattern(8).bytes(0, 100));
    }
}
