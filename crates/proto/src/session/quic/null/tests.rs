use super::*;
use crate::limits::Limits;
use crate::session::quic::QuicConfig;
use rand::{SeedableRng, rngs::StdRng};
use std::time::Instant;

fn params() -> Vec<u8> {
    QuicConfig::new(&Limits::default(), Instant::now(), &mut StdRng::seed_from_u64(1)).params().to_vec()
}

fn ends() -> (NullSession, NullSession) {
    let (client, server) =
        (read_params(Side::Server, &params()).unwrap(), read_params(Side::Client, &params()).unwrap());
    let room = Arc::default;
    (NullSession::new(Side::Client, client, None, room()), NullSession::new(Side::Server, server, None, room()))
}

/// What an end writes now, and whether new keys come with it.
fn write(end: &mut NullSession) -> (Vec<u8>, bool) {
    let mut out = Vec::new();
    let keys = end.write_handshake(&mut out).is_some();
    (out, keys)
}

fn message(params: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_message(&mut out, params);
    out
}

#[test]
fn the_messages_follow_the_levels_of_tls() {
    let (mut client, mut server) = ends();
    let own = write_params(&client.local);
    assert_eq!(write(&mut client), (message(&own), false), "Initial: the client's parameters");
    assert_eq!(write(&mut client), (vec![], false));
    assert_eq!(write(&mut server), (vec![], false), "the server waits");
    assert!(matches!(server.read_handshake(&message(&own)), Ok(true)));
    assert!(server.is_handshaking());
    assert_eq!(write(&mut server), (message(b""), true), "Initial: empty; then keys of the Handshake level");
    let own = write_params(&server.local);
    assert_eq!(write(&mut server), (message(&own), true), "Handshake: the server's parameters; then 1-RTT keys");
    assert!(matches!(client.read_handshake(&message(b"")), Ok(false)));
    assert_eq!(write(&mut client), (vec![], true), "Handshake keys");
    assert!(client.is_handshaking());
    assert!(matches!(client.read_handshake(&message(&own)), Ok(true)));
    assert_eq!(write(&mut client), (message(b""), true), "Handshake: empty; then 1-RTT keys");
    assert!(matches!(server.read_handshake(&message(b"")), Ok(false)));
    assert!(!client.is_handshaking() && !server.is_handshaking());
    assert_eq!((write(&mut client), write(&mut server)), ((vec![], false), (vec![], false)));
}

#[test]
fn messages_may_come_in_pieces() {
    let (_, mut server) = ends();
    let whole = message(&params());
    for byte in &whole[..whole.len() - 1] {
        assert!(matches!(server.read_handshake(&[*byte]), Ok(false)));
        assert!(server.transport_parameters().unwrap().is_none());
    }
    assert!(matches!(server.read_handshake(&whole[whole.len() - 1..]), Ok(true)));
    assert!(server.transport_parameters().unwrap().is_some());
    assert!(server.inbox.is_empty());
}

#[test]
fn a_message_that_claims_too_much_is_refused_before_it_comes() {
    let (_, mut server) = ends();
    let claimed = (MESSAGE_MAX as u16 + 1).to_be_bytes();
    assert!(server.read_handshake(&claimed).is_err());
}

#[test]
fn a_third_message_is_refused() {
    let (_, mut server) = ends();
    assert!(matches!(server.read_handshake(&message(&params())), Ok(true)));
    assert!(matches!(server.read_handshake(&message(b"")), Ok(false)));
    assert!(server.read_handshake(&message(b"")).is_err());
    assert!(!server.is_handshaking(), "and changes nothing");
    // Also when all come at once.
    let (_, mut server) = ends();
    let endless = [message(&params()), message(b"").repeat(8000)].concat();
    assert!(server.read_handshake(&endless).is_err());
}

#[test]
fn parameters_that_do_not_parse_are_refused() {
    let (_, mut server) = ends();
    assert!(server.read_handshake(&message(&[0xff; 9])).is_err());
}

/// A packet as an end writes it and the envelope leaves it: with anything in its last bytes.
fn packet(number: u64, length: usize) -> BytesMut {
    let mut packet = BytesMut::zeroed(length + NULL_TAG);
    packet[..length].fill(7);
    PacketKey::encrypt(&NullKey, number, &mut packet, 0);
    packet[length + NUMBER_CHECK..].fill(0xee);
    packet
}

#[test]
fn a_null_packet_loses_its_tag_and_nothing_else() {
    for (length, number) in [(0, 0), (1, 255), (100, 256), (1400, (1 << 62) - 1)] {
        let mut packet = packet(number, length);
        assert!(PacketKey::decrypt(&NullKey, number, b"header", &mut packet).is_ok());
        assert_eq!(packet, vec![7; length]);
    }
    for length in 0..NULL_TAG {
        assert!(PacketKey::decrypt(&NullKey, 0, b"header", &mut BytesMut::zeroed(length)).is_err());
    }
}

/// The low bits of a number are sent, one byte of them at least; a receiver that completes them
/// wrongly is off by a multiple of what they hold.
#[test]
fn a_packet_under_a_wrong_number_is_refused() {
    for number in [0, 700, 0x12_3456] {
        for off in [1 << 8, 3 << 8, 1 << 16, 5 << 16, 1 << 23] {
            let refused = PacketKey::decrypt(&NullKey, number + off, b"header", &mut packet(number, 20));
            assert!(refused.is_err(), "{number} for {}", number + off);
        }
    }
}

#[test]
fn no_token_is_accepted_and_no_two_reset_tokens_are_alike() {
    let mut sealed = [1; 64];
    assert!(NoTokens.aead_from_hkdf(b"").open(&mut sealed, b"").is_err());
    let sign = |key: u8, data: &[u8]| {
        let key = ResetKey(ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &[key; 64]));
        let mut signature = [0; 32];
        key.sign(data, &mut signature);
        assert!(key.verify(data, &signature).is_ok());
        signature
    };
    assert_ne!(sign(1, b"one"), sign(1, b"two"));
    assert_ne!(sign(1, b"one"), sign(2, b"one"));
}
