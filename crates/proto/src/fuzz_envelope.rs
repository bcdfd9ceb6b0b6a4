//! Fuzz bodies of the envelope: one function per decoder that takes arbitrary bytes and panics if a
//! promise is broken. The promises: never a panic of the decoder's own, never more memory than the
//! input has, what was read is written as it was, and wrong input changes nothing.
//!
//! They assert on purpose and are called by tests only: `tests/fuzz_envelope.rs` feeds them from
//! proptest on every test run, `fuzz/` at the root of the repository from a coverage-guided fuzzer.
//! Behind keys, a fuzzer meets nothing but refusal; so each body also looks at its input as at
//! plaintext that somebody with the keys has sealed.

use crate::envelope::control::{CONTROL_MAX, Control, PADDING};
use crate::envelope::data::{Aead, OpenError, Opener, Sealer};
use crate::envelope::dissect::{Data, Dissector, Found, Sealed};
use crate::envelope::handshake::{ClientKeys, DATAGRAM_MAX, Direction, HandshakeError, Initiation, Request};
use crate::envelope::header::{HEADER_LEN, Header, HeaderKey, Kind};
use crate::envelope::hello::{Hello, LinkIdentity, PARAMS_MAX, SessionKind, Welcome};
use crate::envelope::key_log::LoggedKeys;
use crate::envelope::keys::{OuterKeys, PrivateKey, Psk};
use crate::envelope::replay::{Entry, HANDSHAKES_REMEMBERED, ReplayCache};
use crate::envelope::{OVERHEAD, TAG_LEN, Version};
use crate::fuzz::Body;
use crate::link::Side;
use crate::link::shape::untrim;
use crate::profile::Span;
use aes::Aes128;
use aes::cipher::{BlockEncrypt, KeyInit};
use bytes::BytesMut;
use rand::{SeedableRng, rngs::StdRng};

/// Every body of this module with its name, which is also its fuzz target's.
pub const BODIES: &[(&str, Body)] = &[
    ("envelope_answer", envelope_answer),
    ("envelope_control", envelope_control),
    ("envelope_data", envelope_data),
    ("envelope_dissect", envelope_dissect),
    ("envelope_header", envelope_header),
    ("envelope_hello", envelope_hello),
    ("envelope_journal", envelope_journal),
    ("envelope_key_log", envelope_key_log),
    ("envelope_request", envelope_request),
    ("envelope_trimmed", envelope_trimmed),
    ("envelope_welcome", envelope_welcome),
];

/// Bytes of a request.
const SIZE: Span = Span::new(265, 1200);

const HEADER_KEY: [u8; HEADER_LEN] = [8; HEADER_LEN];

/// Sixteen bytes of a plain header block, or a datagram.
pub fn envelope_header(data: &[u8]) {
    let key = HeaderKey::new(&HEADER_KEY);
    let check = |datagram: &[u8]| match key.open(datagram) {
        Some(header) => assert_eq!(datagram[datagram.len() - HEADER_LEN..], key.seal(header)),
        None => assert!(datagram.len() < OVERHEAD || !is_header(datagram)),
    };
    check(data);
    if let Some(plain) = data.first_chunk::<HEADER_LEN>() {
        let mut block = (*plain).into();
        Aes128::new(&HEADER_KEY.into()).encrypt_block(&mut block);
        check(&[&[0; TAG_LEN][..], &block].concat());
    }
}

/// Whether the last block of a datagram is a header that we would write.
fn is_header(datagram: &[u8]) -> bool {
    use aes::cipher::BlockDecrypt;
    let Some(block) = datagram.last_chunk::<HEADER_LEN>() else { return false };
    let mut block = (*block).into();
    Aes128::new(&HEADER_KEY.into()).decrypt_block(&mut block);
    block[11..] == [0; 5] && matches!(block[10] & !0x18, 0x00..=0x02)
}

/// First byte: which AEAD, and whether the payload is padded. The others: a datagram, and the
/// payload of one.
pub fn envelope_data(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else { return };
    let aead = if choice & 1 == 0 { Aead::Aes128Gcm } else { Aead::ChaCha20Poly1305 };
    let padded = choice & 2 != 0;
    let (mut opener, header) = (Opener::new(aead, &[7; 32]), HeaderKey::new(&HEADER_KEY));
    let mut sealer = Sealer::new(aead, &[7; 32], HeaderKey::new(&HEADER_KEY), 1, 5);
    let mut sealed = [data, &[0; OVERHEAD]].concat();
    if sealer.seal(Kind::Session, padded, &mut sealed).is_err() {
        panic!("the counters have only begun");
    }
    let Some(own) = header.open(&sealed) else { panic!("a header of our own") };
    // As it came: a forgery, under its own header if it has one and under any other.
    let far = Header { counter: own.counter + 1_000_000, ..own };
    for header in header.open(data).into_iter().chain([own, far]) {
        assert!(opener.open(&header, &mut BytesMut::from(data)).is_err());
    }
    // Nothing of it has moved the window: what is authentic opens, and once.
    let expected = padding_end(data, padded);
    let mut datagram = BytesMut::from(&sealed[..]);
    match (opener.open(&own, &mut datagram), expected) {
        (Ok(opened), Some(length)) => {
            assert!(opened.newest);
            assert_eq!(datagram.len(), length + OVERHEAD);
            assert_eq!(datagram[..length], data[..length]);
            let again = opener.open(&own, &mut BytesMut::from(&sealed[..]));
            assert_eq!(again, Err(OpenError::Replayed));
        }
        (Err(OpenError::Malformed), None) => {}
        other => panic!("{other:?}"),
    }
}

/// Where a payload ends without its padding.
fn padding_end(payload: &[u8], padded: bool) -> Option<usize> {
    if !padded {
        return Some(payload.len());
    }
    let (rest, length) = payload.split_last_chunk::<2>()?;
    rest.len().checked_sub(usize::from(u16::from_be_bytes(*length)))
}

struct Ends {
    keys: ClientKeys,
    server: PrivateKey,
    outer: OuterKeys,
    rng: StdRng,
}

fn ends() -> Ends {
    let (psk, server) = (Psk::new([1; 32]), PrivateKey::new([2; 32]));
    let outer = OuterKeys::derive(&psk, &server.public());
    let keys = ClientKeys { psk, server: server.public(), user: PrivateKey::new([3; 32]) };
    Ends { keys, server, outer, rng: StdRng::seed_from_u64(1) }
}

/// A handshake datagram to a server, and the Noise message of one.
pub fn envelope_request(data: &[u8]) {
    let Ends { keys, server, outer, mut rng } = ends();
    let mut read = |version, noise: &[u8]| {
        if let Ok(request) = Request::read(version, &keys.psk, &server, noise, &mut rng) {
            assert!(request.hello.params.len() <= PARAMS_MAX);
            let length = data.len().max(noise.len());
            if let Some((answer, _)) = request.answer(&outer, &welcome(), data, &mut rng) {
                assert!(answer.len() <= length);
            }
        }
    };
    match outer.unwrap_request(data) {
        Ok((version, noise)) => {
            assert!(noise.len() < data.len());
            read(version, &noise);
        }
        Err(HandshakeError::NotOurs | HandshakeError::Malformed) => {}
        Err(other) => panic!("{other:?}"),
    }
    read(Version::V1, data);
    read(Version::V2, data);
    if data.len() <= DATAGRAM_MAX - 43 {
        let wrapped = outer.wrap(Version::V2, Direction::Request, data, 0, &mut StdRng::seed_from_u64(2));
        assert_eq!(outer.unwrap_request(&wrapped), Ok((Version::V2, data.to_vec())));
    }
}

/// A handshake datagram to a client, and the Noise message of one; the right answer still counts.
pub fn envelope_answer(data: &[u8]) {
    let Ends { keys, server, outer, mut rng } = ends();
    let (mut initiation, request) = Initiation::new(Version::V2, &keys, &outer, &hello(), SIZE, &mut rng);
    let Some(nonce) = request.first_chunk().copied() else { panic!("a nonce") };
    assert!(initiation.complete(&outer, data).is_err());
    let wrapped = outer.wrap(Version::V2, Direction::AnswerTo(&nonce), data, 0, &mut rng);
    assert!(initiation.complete(&outer, &wrapped).is_err());
    let read = outer.unwrap_request(&request);
    let read = read.and_then(|(version, noise)| Request::read(version, &keys.psk, &server, &noise, &mut rng));
    let Ok(Some((answer, _))) = read.map(|read| read.answer(&outer, &welcome(), &request, &mut rng)) else {
        panic!("a good request has an answer")
    };
    let heard = initiation.complete(&outer, &answer);
    assert_eq!(heard.map(|(welcome, _)| welcome), Ok(welcome()));
}

fn hello() -> Hello {
    Hello {
        time_ns: 1,
        identity: LinkIdentity { instance: [5; 16], member: 1 },
        epoch: 1,
        session: 1,
        aes: true,
        kind: SessionKind::Quic,
        params: Vec::new(),
    }
}

fn welcome() -> Welcome {
    Welcome { time_ns: 2, session: 2, aead: Aead::Aes128Gcm, params: vec![6; PARAMS_MAX] }
}

/// The payload of message 1.
pub fn envelope_hello(data: &[u8]) {
    let Ok(hello) = Hello::decode(data) else { return };
    assert!(data.len() <= Hello::MAX);
    // Capabilities that this version does not know are read and forgotten.
    let mut known = data.to_vec();
    known[34] &= 1;
    assert_eq!(hello.encode(), known);
    assert_eq!(Hello::decode(&known), Ok(hello));
}

/// The payload of message 2.
pub fn envelope_welcome(data: &[u8]) {
    let Ok(welcome) = Welcome::decode(data) else { return };
    assert!(data.len() <= Welcome::MAX);
    assert_eq!(welcome.encode(), data);
}

/// A control message without its padding.
pub fn envelope_control(data: &[u8]) {
    let Some(control) = Control::decode(data) else { return };
    assert!(data.len() <= CONTROL_MAX);
    let mut padded = Vec::new();
    control.encode_padded(PADDING, &mut StdRng::seed_from_u64(1), &mut padded);
    assert_eq!(padding_end(&padded, true), Some(data.len()));
    assert_eq!(padded[..data.len()], *data);
}

/// A session packet without the zeros at its end.
pub fn envelope_trimmed(data: &[u8]) {
    let packet = BytesMut::from(&[data, &[0xff; OVERHEAD]].concat()[..]);
    let Some((rest, zeros)) = data.split_last_chunk::<2>() else {
        assert!(untrim(packet, 1472).is_none());
        return;
    };
    let zeros = usize::from(u16::from_be_bytes(*zeros));
    match untrim(packet, 1472) {
        Some(whole) => {
            assert!(whole.len() <= 1472);
            assert_eq!(whole.len(), rest.len() + zeros + OVERHEAD);
            assert_eq!(whole[..rest.len()], *rest);
            assert!(whole[rest.len()..].iter().all(|byte| *byte == 0));
        }
        None => assert!(rest.len() + zeros + OVERHEAD > 1472),
    }
}

/// The link whose datagrams the bodies below know.
fn logged(number: u32) -> LoggedKeys {
    LoggedKeys {
        role: Side::Client,
        server_session: 1,
        client_session: 2,
        aead: Aead::Aes128Gcm,
        number,
        to_server: [4; 32],
        to_client: [number as u8; 32],
        header_to_client: HEADER_KEY,
    }
}

/// First byte: kind, epoch and padding. The others: a datagram, and the payload of one, before a dissector with all
/// keys.
pub fn envelope_dissect(data: &[u8]) {
    let Ends { keys, server, .. } = ends();
    let mut dissector = Dissector::default();
    assert!(dissector.add_own_server(keys.psk, server));
    (0..4).for_each(|number| dissector.add_keys(logged(number)));
    let before = dissector.dissect(data);
    assert!(!matches!(before, Found::Data(Data { payload: Ok(_), .. })), "nobody can forge");
    if let Some(length) = dissector.segment(data) {
        assert!((OVERHEAD..data.len()).contains(&length));
    }
    let Some((&choice, data)) = data.split_first() else { return };
    let (padded, epoch) = (choice & 1 != 0, choice & 2 != 0);
    let kind = [Kind::Session, Kind::Control, Kind::Trimmed, Kind::Session][usize::from(choice >> 2 & 3)];
    let number = 2 + u32::from(epoch);
    let mut sealer = Sealer::new(Aead::Aes128Gcm, &[0; 32], HeaderKey::new(&HEADER_KEY), 2, 9);
    sealer.rekey(&[number as u8; 32], epoch);
    let mut sealed = [data, &[0; OVERHEAD]].concat();
    if sealer.seal(kind, padded, &mut sealed).is_err() {
        panic!("the counters have only begun");
    }
    let Found::Data(found) = dissector.dissect(&sealed) else { panic!("a header of our own") };
    assert_eq!((found.to, found.header.kind), (Side::Client, kind));
    match (found.payload, padding_end(data, padded)) {
        (Ok(opened), Some(length)) => {
            assert_eq!((opened.link, opened.number), ((1, 2), number));
            let sent = if kind == Kind::Trimmed { length - 2 } else { length };
            assert_eq!(opened.plaintext.len(), sent + opened.zeros);
            assert_eq!(opened.plaintext[..sent], data[..sent]);
        }
        (Err(Sealed::Malformed), end) => assert!(end.is_none() || kind == Kind::Trimmed),
        other => panic!("{other:?}"),
    }
}

/// A line of a key log.
pub fn envelope_key_log(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(Some(keys)) = LoggedKeys::parse(&text) {
        assert_eq!(LoggedKeys::parse(&keys.to_line()), Ok(Some(keys)));
    }
}

/// A journal of accepted handshakes.
pub fn envelope_journal(data: &[u8]) {
    let entries: Vec<Entry> = Entry::decode_all(data).collect();
    let again: Vec<u8> = entries.iter().flat_map(Entry::encode).collect();
    assert_eq!(again, data[..data.len() / Entry::LEN * Entry::LEN]);
    let now_ns = entries.first().map_or(0, |entry| entry.time_ns);
    let cache = ReplayCache::restore(entries.iter().copied(), now_ns);
    assert!(cache.len() <= entries.len().min(HANDSHAKES_REMEMBERED));
    assert!(entries.first().is_none_or(|first| cache.contains(&first.digest)) || now_ns > u64::MAX / 2);
}
