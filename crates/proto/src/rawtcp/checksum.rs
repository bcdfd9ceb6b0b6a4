//! The Internet checksum (RFC 1071).

/// A sum of 16-bit words, not yet folded.
#[derive(Clone, Copy, Default)]
pub(super) struct Sum(u64);

impl Sum {
    /// Adds bytes that begin at an even place; an odd last one counts as the upper half of a word.
    pub(super) fn add(self, bytes: &[u8]) -> Self {
        // Words of 32 bits give the same after folding, for 2^16 is 1 there. No packet is long enough to overflow.
        let (words, rest) = bytes.as_chunks::<4>();
        let mut sum: u64 = words.iter().map(|word| u64::from(u32::from_be_bytes(*word))).sum();
        let mut last = [0; 4];
        last[..rest.len()].copy_from_slice(rest);
        sum += u64::from(u32::from_be_bytes(last));
        Self(self.0 + sum)
    }

    /// Adds one word.
    pub(super) fn word(self, word: u16) -> Self {
        Self(self.0 + u64::from(word))
    }

    /// The sum as one word: what offload wants of the pseudo header, and 0xffff over a packet that is right.
    pub(super) fn fold(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }

    /// The checksum.
    pub(super) fn finish(self) -> u16 {
        !self.fold()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_1071() {
        let sum = Sum::default().add(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!((sum.fold(), sum.finish()), (0xddf2, !0xddf2));
    }

    #[test]
    fn pieces_of_even_length_add_up_and_an_odd_byte_is_an_upper_half() {
        let bytes: Vec<u8> = (0..=254).collect();
        let words = bytes.chunks(2).fold(Sum::default(), |sum, pair| {
            sum.word(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]))
        });
        for cut in (0..bytes.len()).step_by(2) {
            let sum = Sum::default().add(&bytes[..cut]).add(&bytes[cut..]);
            assert_eq!(sum.fold(), words.fold(), "cut at {cut}");
        }
    }
}
