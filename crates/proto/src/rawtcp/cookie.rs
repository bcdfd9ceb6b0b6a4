//! What a server remembers of a request for a connection, in the number that it answers with.
//!
//! The initial sequence number of the answer is a permutation, keyed with a secret of this start of the server, the flow's
//! addresses and the time to some minutes, of 24 bits of the client's number, its window scale and a class of its segment
//! size. To everybody else it is a random number, which one must have seen to acknowledge it (as with RFC 4987, 3.6; RFC
//! 6528), and another one each time that somebody asks later.

use super::tuple::Tuple;
use aes::Aes128;
use aes::cipher::{BlockEncrypt, KeyInit};
use blake2::Blake2sMac256;
use blake2::digest::Mac;

/// Segment sizes of which a server knows the largest that a client takes: what paths of 1500, 1492, 1480, 1472, 1460, 1440,
/// 1420, 1400, 1380, 1340, 1300 and 1280 bytes have, or the next below.
const CLASSES: [u16; 16] =
    [88, 536, 1024, 1180, 1220, 1240, 1260, 1300, 1340, 1360, 1380, 1400, 1420, 1432, 1440, 1460];

/// Rounds of the Feistel network: far more than the four that make it a permutation nobody can tell from a random one.
const ROUNDS: u8 = 8;

/// How long a number is the answer to the same request, seconds…
pub(super) const PERIOD: u64 = 256;

/// …and how many such times ago it may have been given: a connection that was silent for longer is not known any more.
const PERIODS: u32 = 16;

/// What stands for no window scale.
const UNSCALED: u8 = 15;

/// What a client has offered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Offer {
    /// Its initial sequence number; sealed, the lowest eight bits are lost, and zero.
    pub(super) number: u32,
    /// By how much its windows are to be shifted.
    pub(super) scale: Option<u8>,
    /// The longest segment for it; sealed, it may become less.
    pub(super) mss: u16,
}

/// What follows from a flow's addresses.
#[derive(Clone, Copy)]
pub(super) struct Derived {
    tweak: [u8; 16],
    /// What is added to the clock in its timestamps.
    pub(super) clock: u32,
    /// Its flow label.
    pub(super) label: u32,
    /// Where its packets' identifications begin.
    pub(super) id: u16,
}

/// Seals offers.
pub(super) struct Cookies {
    key: [u8; 32],
    cipher: Aes128,
}

impl Cookies {
    /// `seed`: drawn at the server's start, for a kernel that was started anew knows no connection either.
    pub(super) fn new(seed: &[u8; 32]) -> Self {
        let key = keyed(seed, b"raw tcp strangers");
        let hash = keyed(&key, b"raw tcp cookie");
        let mut cipher = [0; 16];
        cipher.copy_from_slice(&hash[..16]);
        Self { key, cipher: Aes128::new(&cipher.into()) }
    }

    /// What follows from the addresses alone: once for each packet of a stranger.
    pub(super) fn derive(&self, tuple: &Tuple) -> Derived {
        let hash = keyed(&self.key, &tuple.bytes());
        let mut tweak = [0; 16];
        tweak.copy_from_slice(&hash[..16]);
        let [clock, label] =
            [16, 20].map(|at| u32::from_be_bytes([hash[at], hash[at + 1], hash[at + 2], hash[at + 3]]));
        let id = u16::from_be_bytes([hash[24], hash[25]]);
        Derived { tweak, clock, label: label & 0xf_ffff, id }
    }

    /// The number for an answer in this period.
    pub(super) fn seal(&self, derived: &Derived, period: u32, offer: Offer) -> u32 {
        let class = CLASSES.iter().rposition(|class| *class <= offer.mss).unwrap_or(0) as u32;
        let scale = u32::from(offer.scale.unwrap_or(UNSCALED));
        let plain = offer.number & 0xffff_ff00 | scale << 4 | class;
        let (mut left, mut right) = ((plain >> 16) as u16, plain as u16);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ self.round(derived, period, round, right));
        }
        u32::from(left) << 16 | u32::from(right)
    }

    /// What was sealed in a number, lately, that is `good`.
    pub(super) fn find(
        &self,
        derived: &Derived,
        period: u32,
        number: u32,
        good: impl Fn(&Offer) -> bool,
    ) -> Option<Offer> {
        let periods = (period.saturating_sub(PERIODS - 1)..=period).rev();
        periods.map(|period| self.open(derived, period, number)).find(good)
    }

    /// What was sealed in a number. Every number opens: what comes out of one that was not sealed is random.
    fn open(&self, derived: &Derived, period: u32, number: u32) -> Offer {
        let (mut left, mut right) = ((number >> 16) as u16, number as u16);
        for round in (0..ROUNDS).rev() {
            (left, right) = (right ^ self.round(derived, period, round, left), left);
        }
        let scale = (right >> 4 & 15) as u8;
        Offer {
            number: u32::from(left) << 16 | u32::from(right & 0xff00),
            scale: (scale != UNSCALED).then_some(scale),
            mss: CLASSES[usize::from(right & 15)],
        }
    }

    fn round(&self, derived: &Derived, period: u32, round: u8, half: u16) -> u16 {
        let mut block = derived.tweak;
        let ([high, low], [a, b, c, d]) = (half.to_be_bytes(), period.to_be_bytes());
        for (byte, more) in block.iter_mut().zip([round, high, low, a, b, c, d]) {
            *byte ^= more;
        }
        let mut block = block.into();
        self.cipher.encrypt_block(&mut block);
        u16::from_be_bytes([block[0], block[1]])
    }
}

fn keyed(key: &[u8; 32], content: &[u8]) -> [u8; 32] {
    let mut hash = <Blake2sMac256 as KeyInit>::new(key.into());
    hash.update(content);
    hash.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng, rngs::StdRng};
    use std::net::SocketAddr;

    fn tuple(port: u16) -> Tuple {
        Tuple::new(SocketAddr::from(([192, 0, 2, 1], 443)), SocketAddr::from(([198, 51, 100, 7], port)))
    }

    #[test]
    fn an_offer_comes_back_and_nobody_else_reads_it() {
        let (cookies, others) = (Cookies::new(&[1; 32]), Cookies::new(&[2; 32]));
        let (mut rng, mut misread) = (StdRng::seed_from_u64(1), 0);
        for case in 0..2000_u32 {
            let derived = cookies.derive(&tuple(rng.random()));
            let scale = [None, Some((case % 15) as u8)][rng.random_range(0..2)];
            let offer = Offer { number: rng.random(), scale, mss: rng.random_range(88..=9000) };
            let period = rng.random_range(0..100);
            let sealed = cookies.seal(&derived, period, offer);
            let opened = cookies.open(&derived, period, sealed);
            assert_eq!((opened.number, opened.scale), (offer.number & !0xff, offer.scale));
            assert!(opened.mss <= offer.mss && (opened.mss == 1460 || CLASSES.contains(&opened.mss)));
            assert!(offer.mss > 1460 || CLASSES.iter().all(|class| *class <= opened.mss || *class > offer.mss));
            let wrong = others.open(&others.derive(&tuple(1)), period, sealed);
            misread += usize::from(wrong.number == opened.number);
            misread += usize::from(cookies.open(&cookies.derive(&tuple(0)), period, sealed).number == opened.number);
        }
        assert!(misread <= 2, "{misread} of 4000 were read by chance");
    }

    #[test]
    fn an_offer_is_known_for_an_hour_and_has_another_number_later() {
        let cookies = Cookies::new(&[4; 32]);
        let derived = cookies.derive(&tuple(1));
        let offer = Offer { number: 0x5555_5500, scale: Some(7), mss: 1460 };
        let sealed: Vec<u32> = (0..200).map(|period| cookies.seal(&derived, period, offer)).collect();
        let mut different = sealed.clone();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), sealed.len());
        for (made, number) in sealed.into_iter().enumerate() {
            for later in [0, 1, PERIODS - 1] {
                let found = cookies.find(&derived, made as u32 + later, number, |found| found.number == offer.number);
                assert_eq!(found, Some(offer));
            }
            let found = cookies.find(&derived, made as u32 + PERIODS, number, |found| *found == offer);
            assert_eq!(found, None);
        }
    }

    #[test]
    fn one_bit_of_the_number_or_of_the_port_changes_half_of_the_answer() {
        let cookies = Cookies::new(&[3; 32]);
        let offer = |number| Offer { number, scale: Some(10), mss: 1460 };
        let (mut changed, mut cases) = (0, 0);
        for port in 1..200 {
            let derived = cookies.derive(&tuple(port));
            let first = cookies.seal(&derived, 0, offer(0x1234_5600));
            for bit in 8..32 {
                changed += (first ^ cookies.seal(&derived, 0, offer(0x1234_5600 ^ 1 << bit))).count_ones();
                changed +=
                    (first ^ cookies.seal(&cookies.derive(&tuple(port + 1)), 0, offer(0x1234_5600))).count_ones();
                cases += 2;
            }
        }
        let mean = f64::from(changed) / f64::from(cases);
        assert!((15.5..16.5).contains(&mean), "{mean} of 32 bits");
    }
}
