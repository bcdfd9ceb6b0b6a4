//! Control messages, and the payloads of the two handshake messages.

mod fixtures;

use fixtures::{hello, rng, welcome};
use ginnel_proto::envelope::OVERHEAD;
use ginnel_proto::envelope::control::{CONTROL_MAX, Control, PADDING};
use ginnel_proto::envelope::hello::{BadPayload, Hello, PARAMS_MAX, Welcome};
use ginnel_proto::envelope::keys::PublicKey;
use std::collections::HashSet;

const TOKEN: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];
const ALL: [Control; 11] = [
    Control::Probe(TOKEN),
    Control::Echo(TOKEN),
    Control::Challenge(TOKEN),
    Control::ChallengeEcho(TOKEN),
    Control::Close(3),
    Control::Rekey(9, PublicKey([7; 32])),
    Control::RekeyAnswer(9, PublicKey([8; 32])),
    Control::WideProbe(TOKEN),
    Control::WideEcho(TOKEN),
    Control::LongProbe(TOKEN, 1400),
    Control::LongEcho(TOKEN),
];

/// What the opener of a padded packet leaves.
fn stripped(padded: &[u8]) -> &[u8] {
    let (plain, length) = padded.split_last_chunk::<2>().unwrap();
    &plain[..plain.len() - usize::from(u16::from_be_bytes(*length))]
}

#[test]
fn a_control_message_is_what_it_was_and_of_no_one_length() {
    let mut rng = rng(1);
    for control in ALL {
        let mut lengths = HashSet::new();
        for _ in 0..500 {
            let mut padded = Vec::new();
            control.encode_padded(PADDING, &mut rng, &mut padded);
            assert_eq!(Control::decode(stripped(&padded)), Some(control));
            assert!(stripped(&padded).len() <= CONTROL_MAX);
            lengths.insert(padded.len());
        }
        if let Control::LongProbe(_, length) = control {
            // Its datagram has the length that it names.
            assert_eq!(lengths, HashSet::from([usize::from(length) - OVERHEAD]));
            continue;
        }
        assert!(lengths.len() > 18, "{control:?} has {} lengths", lengths.len());
    }
}

#[test]
fn a_control_message_of_another_kind_or_length_says_nothing() {
    let mut rng = rng(1);
    for control in ALL {
        let mut padded = Vec::new();
        control.encode_padded(PADDING, &mut rng, &mut padded);
        let message = stripped(&padded);
        for length in 0..message.len() {
            assert_eq!(Control::decode(&message[..length]), None);
        }
        assert_eq!(Control::decode(&[message, &[0]].concat()), None);
    }
    for kind in 11..=255 {
        assert_eq!(Control::decode(&[kind]), None);
        assert_eq!(Control::decode(&[&[kind][..], &TOKEN].concat()), None);
    }
}

#[test]
fn hello_and_welcome_are_what_they_were() {
    for length in [0, 1, PARAMS_MAX] {
        let hello = Hello { params: vec![9; length], ..hello() };
        assert_eq!(Hello::decode(&hello.encode()), Ok(hello.clone()));
        assert!(hello.encode().len() <= Hello::MAX);
        let welcome = Welcome { params: vec![9; length], ..welcome() };
        assert_eq!(Welcome::decode(&welcome.encode()), Ok(welcome.clone()));
        assert!(welcome.encode().len() <= Welcome::MAX);
    }
}

#[test]
fn a_payload_cut_short_or_with_more_behind_it_is_refused() {
    let (hello, welcome) = (hello().encode(), welcome().encode());
    for length in 0..hello.len() {
        assert_eq!(Hello::decode(&hello[..length]), Err(BadPayload), "{length}");
    }
    for length in 0..welcome.len() {
        assert_eq!(Welcome::decode(&welcome[..length]), Err(BadPayload), "{length}");
    }
    assert_eq!(Hello::decode(&[&hello[..], &[0]].concat()), Err(BadPayload));
    assert_eq!(Welcome::decode(&[&welcome[..], &[0]].concat()), Err(BadPayload));
}

#[test]
fn a_payload_says_only_what_is_known() {
    let with = |payload: Vec<u8>, at: usize, value: u8| {
        let mut payload = payload;
        payload[at] = value;
        payload
    };
    assert_eq!(Hello::decode(&with(hello().encode(), 35, 2)), Err(BadPayload), "a third session");
    assert_eq!(Welcome::decode(&with(welcome().encode(), 12, 2)), Err(BadPayload), "a third AEAD");
    let long = PARAMS_MAX as u8 + 1;
    let mut hello_long = with(hello().encode(), 36, long);
    hello_long.resize(37 + usize::from(long), 0);
    assert_eq!(Hello::decode(&hello_long), Err(BadPayload), "parameters too long");
    // Capabilities that this version does not know are no fault.
    assert_eq!(Hello::decode(&with(hello().encode(), 34, 0xff)), Ok(hello()));
    assert_eq!(Hello::decode(&with(hello().encode(), 34, 0xfe)), Ok(Hello { aes: false, ..hello() }));
}
