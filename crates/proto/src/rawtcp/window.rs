//! The window that an end lets its peer fill.

use rand::{RngExt, rngs::StdRng};

/// By how many bits our windows are shifted: what Linux takes where `tcp_rmem` lets buffers grow to 32 MiB.
pub(super) const SCALE: u8 = 10;

/// The least and the most that is open, with a scale.
const LEAST: u32 = 16 << 20;
const MOST: u32 = 32 << 20;

/// Received bytes after which it is drawn anew how much is open.
const DRAWN_EVERY: u32 = 1 << 20;

/// How far a number may be from where a flow is and still belong to it: more than any window of ours.
pub(super) const FAR: i32 = 64 << 20;

/// By how much `a` is ahead of `b`, as sequence numbers go (RFC 9293, 3.4).
pub(super) const fn ahead(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b) as i32
}

/// How far the peer may go. The right edge never comes back (RFC 9293, 3.8.6).
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    edge: u32,
    size: u32,
    drawn_at: u32,
    scaled: bool,
}

impl Window {
    /// Open from a number on.
    pub(super) fn new(received: u32, scaled: bool, rng: &mut StdRng) -> Self {
        let mut window = Self { edge: received, size: 0, drawn_at: received, scaled };
        window.draw(received, rng);
        window
    }

    fn draw(&mut self, received: u32, rng: &mut StdRng) {
        self.size = if self.scaled { rng.random_range(LEAST..=MOST) } else { u32::from(u16::MAX) };
        self.drawn_at = received;
    }

    /// What to tell the peer, of which so much has come.
    pub(super) fn tell(&mut self, received: u32, rng: &mut StdRng) -> u16 {
        if received.wrapping_sub(self.drawn_at) >= DRAWN_EVERY {
            self.draw(received, rng);
        }
        let wanted = received.wrapping_add(self.size);
        if ahead(wanted, self.edge) > 0 {
            self.edge = wanted;
        }
        let scale = if self.scaled { SCALE } else { 0 };
        // Rounded up, lest the edge move back by what the scale cannot say.
        let told = self.edge.wrapping_sub(received).div_ceil(1 << scale).min(u32::from(u16::MAX));
        self.edge = received.wrapping_add(told << scale);
        told as u16
    }

    /// How much is open, or is to be.
    pub(super) fn size(&self) -> u32 {
        self.size
    }

    /// Whether a segment with this number may be one of the peer's.
    pub(super) fn covers(&self, received: u32, sequence: u32) -> bool {
        ahead(sequence, received) > -FAR && ahead(sequence, self.edge) <= 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn the_edge_never_comes_back_and_the_window_moves_between_its_bounds() {
        for (scaled, bounds) in [(true, 16384..=32768), (false, 65535..=65535)] {
            let mut rng = StdRng::seed_from_u64(2);
            let mut received = 0xffff_0000_u32;
            let mut window = Window::new(received, scaled, &mut rng);
            let (mut edge, mut seen) = (received, Vec::new());
            for _ in 0..20_000 {
                let told = window.tell(received, &mut rng);
                let now = received.wrapping_add(u32::from(told) << if scaled { SCALE } else { 0 });
                assert!(ahead(now, edge) >= 0, "the edge has moved back");
                assert!(window.covers(received, now) && !window.covers(received, now.wrapping_add(1)));
                assert!(bounds.contains(&told), "{told}");
                (edge, received) = (now, received.wrapping_add(rng.random_range(0..40_000)));
                seen.push(told);
            }
            seen.sort_unstable();
            assert!(!scaled || seen[seen.len() - 1] - seen[0] > 12_000, "it hardly moves");
        }
    }
}
