//! The first payload of a client's flow: what an observer judges a connection by.

use super::Settings;
use rand::{Rng, RngExt, rngs::StdRng};

/// Printable characters and then random bytes, as many of both as are drawn, and no more than a segment takes. The
/// receiver drops it: it opens with no key.
pub(super) fn first_payload(settings: &Settings, largest: usize, rng: &mut StdRng) -> Vec<u8> {
    let printable = settings.printable.draw(rng);
    let mut payload = vec![0; settings.first_size.draw(rng).max(printable).clamp(1, largest.max(1))];
    rng.fill_bytes(&mut payload);
    for byte in payload.iter_mut().take(printable) {
        *byte = rng.random_range(b' '..=b'~');
    }
    payload
}
