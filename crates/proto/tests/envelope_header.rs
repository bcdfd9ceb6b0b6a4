//! Header blocks: what is no header under the key is refused before anything else is looked at.

use aes::Aes128;
use aes::cipher::{BlockEncrypt, KeyInit};
use ginnel_proto::envelope::OVERHEAD;
use ginnel_proto::envelope::header::{COUNTER_MAX, HEADER_LEN, Header, HeaderKey, Kind};

const KEY: [u8; 16] = *b"a header's key..";

/// A datagram whose plain header block is given.
fn datagram(plain: [u8; HEADER_LEN]) -> Vec<u8> {
    let mut block = plain.into();
    Aes128::new(&KEY.into()).encrypt_block(&mut block);
    let mut datagram = vec![0xee; OVERHEAD - HEADER_LEN];
    datagram.extend_from_slice(&block);
    datagram
}

const PLAIN: [u8; HEADER_LEN] = [0xa1, 0xa2, 0xa3, 0xa4, 1, 2, 3, 4, 5, 6, 0x11, 0, 0, 0, 0, 0];

#[test]
fn a_header_is_what_it_was() {
    let key = HeaderKey::new(&KEY);
    for counter in [0, 1, 0x0102_0304_0506, COUNTER_MAX] {
        for (kind, epoch, padded) in [
            (Kind::Session, false, false),
            (Kind::Session, true, true),
            (Kind::Control, false, true),
            (Kind::Trimmed, true, false),
        ] {
            let header = Header { session: 0xfffe_fdfc, counter, kind, epoch, padded };
            let mut datagram = vec![0; OVERHEAD];
            datagram[OVERHEAD - HEADER_LEN..].copy_from_slice(&key.seal(header));
            assert_eq!(key.open(&datagram), Some(header));
        }
    }
}

#[test]
fn its_fields_stand_where_the_protocol_says() {
    let header =
        Header { session: 0xa1a2_a3a4, counter: 0x0102_0304_0506, kind: Kind::Control, epoch: false, padded: true };
    assert_eq!(HeaderKey::new(&KEY).open(&datagram(PLAIN)), Some(header));
}

#[test]
fn every_zero_is_checked() {
    for at in 11..16 {
        for bit in 0..8 {
            let mut plain = PLAIN;
            plain[at] = 1 << bit;
            assert_eq!(HeaderKey::new(&KEY).open(&datagram(plain)), None, "byte {at} bit {bit}");
        }
    }
}

#[test]
fn unknown_kinds_and_flags_are_refused() {
    let known: Vec<u8> = (0..=255)
        .filter(|flags| {
            let mut plain = PLAIN;
            plain[10] = *flags;
            HeaderKey::new(&KEY).open(&datagram(plain)).is_some()
        })
        .collect();
    let flags = [0x00, 0x08, 0x10, 0x18].into_iter().flat_map(|flags| (0..3).map(move |kind| flags | kind));
    assert_eq!(known, flags.collect::<Vec<u8>>());
}

#[test]
fn a_datagram_needs_room_for_tag_and_header() {
    let key = HeaderKey::new(&KEY);
    let whole = datagram(PLAIN);
    for length in 0..OVERHEAD {
        assert_eq!(key.open(&whole[OVERHEAD - length..]), None, "{length}");
    }
    assert!(key.open(&whole).is_some());
}

#[test]
fn another_key_reads_nothing() {
    let mut other = KEY;
    for bit in 0..128 {
        other[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(HeaderKey::new(&other).open(&datagram(PLAIN)), None, "bit {bit}");
        other[bit / 8] ^= 1 << (bit % 8);
    }
}
