//! Data datagrams: sealed and opened in place, once each, and never moved by a forgery.

use bytes::BytesMut;
use ginnel_proto::envelope::data::{Aead, CounterExhausted, OpenError, Opened, Opener, Sealer};
use ginnel_proto::envelope::header::{COUNTER_MAX, HEADER_LEN, Header, HeaderKey, Kind};
use ginnel_proto::envelope::window::WINDOW;
use ginnel_proto::envelope::{OVERHEAD, TAG_LEN};

const KEY: [u8; 32] = [7; 32];
const HEADER: [u8; 16] = [8; 16];
const SESSION: u32 = 0xa1a2_a3a4;
const FIRST: u64 = 1 << 40;
const BOTH: [Aead; 2] = [Aead::Aes128Gcm, Aead::ChaCha20Poly1305];

struct Ends {
    sealer: Sealer,
    opener: Opener,
    header: HeaderKey,
}

impl Ends {
    fn new(aead: Aead) -> Self {
        Self::from(aead, FIRST)
    }

    fn from(aead: Aead, first: u64) -> Self {
        let sealer = Sealer::new(aead, &KEY, HeaderKey::new(&HEADER), SESSION, first);
        Self { sealer, opener: Opener::new(aead, &KEY), header: HeaderKey::new(&HEADER) }
    }

    fn seal(&mut self, kind: Kind, padded: bool, payload: &[u8]) -> BytesMut {
        let mut packet = [payload, &[0; OVERHEAD]].concat();
        self.sealer.seal(kind, padded, &mut packet).expect("counters are left");
        BytesMut::from(&packet[..])
    }

    /// Opens a copy: header, verdict, and the payload.
    fn open(&mut self, sealed: &BytesMut) -> (Header, Result<Opened, OpenError>, Vec<u8>) {
        let header = self.header.open(sealed).expect("a header");
        let mut datagram = sealed.clone();
        let verdict = self.opener.open(&header, &mut datagram);
        let payload = datagram[..datagram.len() - OVERHEAD].to_vec();
        (header, verdict, payload)
    }
}

#[test]
fn a_packet_opens_to_what_was_sealed() {
    for aead in BOTH {
        let mut ends = Ends::new(aead);
        for (number, length) in [0, 1, 15, 16, 17, 1168, 1440].into_iter().enumerate() {
            let payload: Vec<u8> = (0..length).map(|at| at as u8).collect();
            let sealed = ends.seal(Kind::Session, false, &payload);
            assert_eq!(sealed.len(), length + OVERHEAD);
            assert!(length < 16 || sealed[..length] != payload, "{aead:?} leaves {length} bytes in the clear");
            let (header, verdict, opened) = ends.open(&sealed);
            let counter = FIRST + number as u64;
            assert_eq!(header, Header { session: SESSION, counter, kind: Kind::Session, epoch: false, padded: false });
            assert_eq!((verdict, opened), (Ok(Opened { newest: true, next_key: false }), payload));
        }
    }
}

#[test]
fn padding_is_stripped_whatever_it_holds() {
    for aead in BOTH {
        let mut ends = Ends::new(aead);
        for padding in [0u16, 1, 119, 1000] {
            let mut plain = b"message".to_vec();
            plain.resize(7 + usize::from(padding), 0xcc);
            plain.extend_from_slice(&padding.to_be_bytes());
            let sealed = ends.seal(Kind::Control, true, &plain);
            let (header, verdict, opened) = ends.open(&sealed);
            assert!(header.padded && verdict.is_ok());
            assert_eq!(opened, b"message");
        }
    }
}

#[test]
fn padding_longer_than_its_packet_is_refused() {
    for plain in [&[][..], &[0], &[0, 1], &[9, 0, 2], &[1, 2, 3, 0xff, 0xff]] {
        let mut ends = Ends::new(Aead::Aes128Gcm);
        let sealed = ends.seal(Kind::Session, true, plain);
        assert_eq!(ends.open(&sealed).1, Err(OpenError::Malformed), "{plain:?}");
    }
    let mut ends = Ends::new(Aead::Aes128Gcm);
    let nothing = ends.seal(Kind::Session, true, &[0, 0]);
    assert_eq!(ends.open(&nothing).2, b"");
}

#[test]
fn every_packet_opens_once() {
    for aead in BOTH {
        let mut ends = Ends::new(aead);
        let sealed: Vec<_> = (0..5).map(|_| ends.seal(Kind::Session, false, b"once")).collect();
        for (at, newest) in [(1, true), (4, true), (0, false), (2, false)] {
            assert_eq!(ends.open(&sealed[at]).1, Ok(Opened { newest, next_key: false }), "{at}");
            assert_eq!(ends.open(&sealed[at]).1, Err(OpenError::Replayed), "{at}");
        }
        assert_eq!(ends.open(&sealed[3]).1, Ok(Opened { newest: false, next_key: false }));
    }
}

#[test]
fn what_has_left_the_window_is_refused() {
    let mut ends = Ends::new(Aead::Aes128Gcm);
    let early: Vec<_> = (0..2).map(|_| ends.seal(Kind::Session, false, b"early")).collect();
    for _ in 0..WINDOW - 2 {
        ends.seal(Kind::Session, false, b"");
    }
    let late = ends.seal(Kind::Session, false, b"late");
    assert_eq!(ends.open(&late).1, Ok(Opened { newest: true, next_key: false }));
    assert_eq!(ends.open(&early[0]).1, Err(OpenError::Replayed));
    assert_eq!(ends.open(&early[1]).1, Ok(Opened { newest: false, next_key: false }));
}

#[test]
fn every_bit_of_a_packet_is_authenticated_and_a_forgery_moves_nothing() {
    for aead in BOTH {
        let mut ends = Ends::new(aead);
        let sealed = ends.seal(Kind::Session, false, b"a payload of a few bytes");
        let header = ends.header.open(&sealed).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut forged = sealed.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            // With the header as it was, for a flipped one is hardly ever read as a header; and
            // with far newer counters, which would move the window out of everybody's reach.
            for counter in [header.counter, header.counter + 1, COUNTER_MAX] {
                let header = Header { counter, ..header };
                assert_eq!(ends.opener.open(&header, &mut forged.clone()), Err(OpenError::Forged), "bit {bit}");
            }
        }
        assert_eq!(ends.open(&sealed).1, Ok(Opened { newest: true, next_key: false }));
    }
}

#[test]
fn a_packet_belongs_to_its_header() {
    let mut ends = Ends::new(Aead::Aes128Gcm);
    let (one, two) = (ends.seal(Kind::Session, false, b"one"), ends.seal(Kind::Control, true, b"tw\0\0"));
    let block = |sealed: &BytesMut| sealed[sealed.len() - HEADER_LEN..].to_vec();
    let mut spliced = one.clone();
    let at = spliced.len() - HEADER_LEN;
    spliced[at..].copy_from_slice(&block(&two));
    assert_eq!(ends.open(&spliced).1, Err(OpenError::Forged));
    assert!(ends.open(&one).1.is_ok() && ends.open(&two).1.is_ok());
}

#[test]
fn each_aead_is_the_one_of_its_name() {
    let mut other = Opener::new(Aead::ChaCha20Poly1305, &KEY);
    let mut ends = Ends::new(Aead::Aes128Gcm);
    let sealed = ends.seal(Kind::Session, false, b"payload");
    let header = ends.header.open(&sealed).unwrap();
    assert_eq!(other.open(&header, &mut sealed.clone()), Err(OpenError::Forged));
}

#[test]
fn a_datagram_too_short_to_be_one_is_refused() {
    for length in 0..OVERHEAD {
        let mut opener = Opener::new(Aead::Aes128Gcm, &KEY);
        let header = Header { session: SESSION, counter: 1, kind: Kind::Session, epoch: false, padded: true };
        let refused = opener.open(&header, &mut BytesMut::zeroed(length));
        let expected = if length < HEADER_LEN { OpenError::Malformed } else { OpenError::Forged };
        assert_eq!(refused, Err(expected), "{length}");
    }
    assert_eq!(TAG_LEN + HEADER_LEN, OVERHEAD);
}

/// Three sets of keys: those in use, those that are expected, and those before.
#[test]
fn the_epoch_tells_which_key_opens() {
    let next = [77; 32];
    let mut ends = Ends::new(Aead::Aes128Gcm);
    let early = ends.seal(Kind::Session, false, b"early");
    ends.sealer.rekey(&next, true);
    let first = ends.seal(Kind::Session, false, b"first");
    assert_eq!(ends.open(&first).1, Err(OpenError::Forged), "nobody expects these keys");
    ends.opener.expect(&next);
    // Authentic, and padded by more than there is: nothing of it counts.
    let odd = ends.seal(Kind::Control, true, &[0, 200]);
    assert_eq!(ends.open(&odd).1, Err(OpenError::Malformed));
    assert_eq!(ends.open(&first).1, Ok(Opened { newest: true, next_key: true }));
    let second = ends.seal(Kind::Session, false, b"second");
    assert_eq!(ends.open(&second).1, Ok(Opened { newest: true, next_key: false }));
    let again = ends.open(&early);
    assert_eq!((again.1, &again.2[..]), (Ok(Opened { newest: false, next_key: false }), &b"early"[..]));
    ends.opener.forget_former();
    ends.sealer.rekey(&KEY, false);
    let late = ends.seal(Kind::Session, false, b"late");
    assert_eq!(ends.open(&late).1, Err(OpenError::Forged));
}

#[test]
fn counters_end_and_never_repeat() {
    for aead in BOTH {
        let mut ends = Ends::from(aead, COUNTER_MAX - 1);
        for counter in [COUNTER_MAX - 1, COUNTER_MAX] {
            let sealed = ends.seal(Kind::Session, false, b"last");
            let (header, verdict, _) = ends.open(&sealed);
            assert_eq!((header.counter, verdict), (counter, Ok(Opened { newest: true, next_key: false })));
        }
        let mut packet = vec![5; OVERHEAD + 4];
        for _ in 0..3 {
            assert_eq!(ends.sealer.seal(Kind::Session, false, &mut packet), Err(CounterExhausted));
        }
        assert_eq!(packet, [5; OVERHEAD + 4], "nothing is sealed under a counter that was used");
    }
}
