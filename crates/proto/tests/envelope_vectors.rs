//! Golden vectors of the envelope: what stands in `vectors/envelope.json` is what the code makes,
//! what the code reads, and what PROTOCOL.md says.
//!
//! Nobody edits that file by hand: `GINNEL_VECTORS=write cargo test -p ginnel-proto --test
//! envelope_vectors the_code_makes` writes it anew, and a change in it is a change of the protocol.

mod fixtures;
mod vectors;

use bytes::BytesMut;
use fixtures::{Deployment, WALL_NS, hello, rng, welcome};
use ginnel_proto::envelope::control::{Control, PADDING};
use ginnel_proto::envelope::data::{Aead, Opener, Sealer};
use ginnel_proto::envelope::handshake::{Request, digest};
use ginnel_proto::envelope::header::{COUNTER_MAX, Header, HeaderKey, Kind};
use ginnel_proto::envelope::hello::{Hello, PARAMS_MAX, Welcome};
use ginnel_proto::envelope::keys::Chain;
use ginnel_proto::envelope::keys::{LinkKeys, OuterKeys, PrivateKey, Psk, PublicKey, SplitKey, derive_user_key};
use ginnel_proto::envelope::rekey::{Ephemerals, EpochKeys};
use ginnel_proto::envelope::replay::Entry;
use ginnel_proto::envelope::{OVERHEAD, TAG_LEN, Version};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use std::path::Path;
use vectors::{array, bytes, cases, load, number, text};

const FILE: &str = "envelope.json";

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes that count up from `first`.
fn counting<const N: usize>(first: u8) -> [u8; N] {
    std::array::from_fn(|at| first.wrapping_add(at as u8))
}

fn deployment() -> Deployment {
    let server = PrivateKey::new(counting(0x20));
    let user = derive_user_key(&server, "laptop", 1);
    Deployment::of(counting(0x00), *server.expose(), *user.expose())
}

// What the code makes.

fn generate() -> Value {
    json!({
        "about": "The envelope. All bytes are hexadecimal; PROTOCOL.md says what each of them is. \
                  Written by tests/envelope_vectors.rs, never by hand.",
        "keys": keys(),
        "headers": headers(),
        "data": data(),
        "hello": [hello_case(&hello()), hello_case(&Hello { aes: false, params: vec![7; PARAMS_MAX], ..hello() })],
        "welcome": [welcome_case(&welcome()), welcome_case(&Welcome {
            aead: Aead::ChaCha20Poly1305, params: Vec::new(), ..welcome()
        })],
        "handshakes": [handshake(Version::V1), handshake(Version::V2)],
        "rekey": rekey(),
        "control": controls(),
        "replay": [replay(WALL_NS, counting(0xd0)), replay(u64::MAX, [0xff; 16])],
    })
}

fn keys() -> Value {
    let deployment = deployment();
    let (psk, server, outer) = (&deployment.psk, &deployment.server, &deployment.outer);
    let link = LinkKeys::derive(&SplitKey::new(counting(0x60)), &SplitKey::new(counting(0x80)));
    let user = |name: &str, generation: u32| {
        let key = derive_user_key(server, name, generation);
        json!({"user": name, "generation": generation, "private": hex(key.expose()), "public": hex(key.public().0)})
    };
    json!({
        "psk": hex(psk.expose()),
        "server_private": hex(server.expose()),
        "server_public": hex(server.public().0),
        "handshake_to_server": hex(outer.to_server),
        "handshake_to_client": hex(outer.to_client),
        "header_to_server": hex(outer.header_to_server),
        "users": [user("laptop", 1), user("laptop", 2), user("Zoë", 0)],
        "split_to_server": hex(counting::<32>(0x60)),
        "split_to_client": hex(counting::<32>(0x80)),
        "data_to_server": hex(link.to_server),
        "data_to_client": hex(link.to_client),
        "header_to_client": hex(link.header_to_client),
    })
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Session => "session",
        Kind::Control => "control",
        Kind::Trimmed => "trimmed",
    }
}

fn headers() -> Value {
    let key = counting(0x40);
    let case = |session: u32, counter: u64, kind: Kind, epoch: bool, padded: bool| {
        let block = HeaderKey::new(&key).seal(Header { session, counter, kind, epoch, padded });
        json!({
            "key": hex(key), "session": session, "counter": counter, "kind": kind_name(kind), "epoch": u8::from(epoch),
            "padded": padded, "block": hex(block),
        })
    };
    json!([
        case(0, 0, Kind::Session, false, false),
        case(0xa1a2_a3a4, 0x0102_0304_0506, Kind::Session, true, true),
        case(1, 2, Kind::Control, false, false),
        case(3, 4, Kind::Trimmed, true, false),
        case(u32::MAX, COUNTER_MAX, Kind::Control, false, true),
    ])
}

fn aead_name(aead: Aead) -> &'static str {
    match aead {
        Aead::Aes128Gcm => "aes-128-gcm",
        Aead::ChaCha20Poly1305 => "chacha20-poly1305",
    }
}

fn data() -> Value {
    let (key, header_key, session): (_, _, u32) = (counting(0xa0), counting(0x40), 0xa1a2_a3a4);
    let case = |aead, counter: u64, kind, epoch: bool, padded, plaintext: &[u8], payload: &[u8]| {
        let mut packet = [plaintext, &[0; OVERHEAD]].concat();
        let mut sealer = Sealer::new(aead, &key, HeaderKey::new(&header_key), session, counter);
        sealer.rekey(&key, epoch);
        sealer.seal(kind, padded, &mut packet).unwrap();
        json!({
            "aead": aead_name(aead), "key": hex(key), "header_key": hex(header_key), "session": session,
            "counter": counter, "kind": kind_name(kind), "epoch": u8::from(epoch), "padded": padded,
            "plaintext": hex(plaintext),
            "payload": hex(payload), "bytes": hex(packet),
        })
    };
    let probe = [&[0][..], &counting::<8>(0x11), &[0; 11], &[0, 11]].concat();
    let cases = [Aead::Aes128Gcm, Aead::ChaCha20Poly1305].map(|aead| {
        [
            case(aead, 0x0102_0304_0506, Kind::Session, false, false, b"of the session", b"of the session"),
            case(aead, 1, Kind::Session, true, false, b"", b""),
            case(aead, 7, Kind::Trimmed, true, true, b"40 zeros\x00\x28\0\0\0\0\x03", b"40 zeros\x00\x28"),
            case(aead, COUNTER_MAX, Kind::Control, false, true, &probe, &probe[..9]),
        ]
    });
    json!(cases.as_flattened())
}

fn hello_fields(hello: &Hello) -> Value {
    json!({
        "time_ns": hello.time_ns, "instance": hex(hello.identity.instance), "member": hello.identity.member,
        "epoch": hello.epoch, "session": hello.session, "aes": hello.aes, "kind": hello.kind.name(),
        "params": hex(&hello.params),
    })
}

fn hello_case(hello: &Hello) -> Value {
    let mut case = hello_fields(hello);
    case["bytes"] = json!(hex(hello.encode()));
    case
}

fn welcome_fields(welcome: &Welcome) -> Value {
    json!({
        "time_ns": welcome.time_ns, "session": welcome.session, "aead": aead_name(welcome.aead),
        "params": hex(&welcome.params),
    })
}

fn welcome_case(welcome: &Welcome) -> Value {
    let mut case = welcome_fields(welcome);
    case["bytes"] = json!(hex(welcome.encode()));
    case
}

/// The ephemeral private key of an end that begins with the randomness of this seed.
fn ephemeral(number: u64) -> [u8; 32] {
    let (mut seed, mut key) = ([0; 32], [0; 32]);
    rng(number).fill_bytes(&mut seed);
    StdRng::from_seed(seed).fill_bytes(&mut key);
    key
}

fn handshake(version: Version) -> Value {
    let (deployment, mut server_rng) = (deployment(), rng(2));
    let (mut initiation, request) = deployment.initiate_as(version, &mut rng(1));
    let (_, noise) = deployment.outer.unwrap_request(&request).unwrap();
    let read = Request::read(version, &deployment.psk, &deployment.server, &noise, &mut server_rng).unwrap();
    let (answer, _) = read.answer(&deployment.outer, &welcome(), &request, &mut server_rng).unwrap();
    let answer_noise = fixtures::unwrap(&deployment.outer.to_client, &request[..24], &answer).unwrap();
    let (_, keys) = initiation.complete(&deployment.outer, &answer).unwrap();
    json!({
        "version": version as u8,
        "psk": hex(deployment.psk.expose()),
        "server_private": hex(deployment.server.expose()),
        "user_private": hex(deployment.user.expose()),
        "request": {
            "hello": hex(hello().encode()), "ephemeral_private": hex(ephemeral(1)), "noise": hex(&noise),
            "digest": hex(digest(&noise)), "nonce": hex(&request[..24]), "bytes": hex(&request),
        },
        "answer": {
            "welcome": hex(welcome().encode()), "ephemeral_private": hex(ephemeral(2)),
            "noise": hex(&answer_noise), "nonce": hex(&answer[..24]), "bytes": hex(&answer),
        },
        "data_to_server": hex(keys.to_server),
        "data_to_client": hex(keys.to_client),
        "header_to_client": hex(keys.header_to_client),
        "chain": if version.has_rekey() { hex(keys.chain.expose()) } else { String::new() },
    })
}

/// The keys of a link after its handshake's, and after those.
fn rekey() -> Value {
    let mut chain = Chain::new(counting(0x90));
    let cases = [(0x11, 0x33), (0x55, 0x77)].map(|(client, server)| {
        let before = hex(chain.expose());
        let (client, server) = (PrivateKey::new(counting(client)), PrivateKey::new(counting(server)));
        let ephemerals = Ephemerals { client: client.public(), server: server.public() };
        let keys = EpochKeys::derive(&chain, &client, &server.public(), &ephemerals).unwrap();
        chain = keys.chain.clone();
        json!({
            "chain_before": before, "client_private": hex(client.expose()), "server_private": hex(server.expose()),
            "client_public": hex(client.public().0), "server_public": hex(server.public().0),
            "chain": hex(keys.chain.expose()), "data_to_server": hex(keys.to_server),
            "data_to_client": hex(keys.to_client),
        })
    });
    json!(cases)
}

fn control_of(name: &str, token: [u8; 8]) -> Control {
    match name {
        "probe" => Control::Probe(token),
        "echo" => Control::Echo(token),
        "challenge" => Control::Challenge(token),
        "challenge echo" => Control::ChallengeEcho(token),
        "wide probe" => Control::WideProbe(token),
        "wide echo" => Control::WideEcho(token),
        "long probe" => Control::LongProbe(token, 1452),
        "long echo" => Control::LongEcho(token),
        "rekey" => Control::Rekey(1, PublicKey(counting(token[0]))),
        "rekey answer" => Control::RekeyAnswer(u32::MAX, PublicKey(counting(token[0]))),
        name => Control::Close(name.strip_prefix("close ").and_then(|code| code.parse().ok()).expect("a code")),
    }
}

fn controls() -> Value {
    let token = counting(0xc0);
    let closes = ["close 0", "close 1", "close 2", "close 3", "close 4", "close 5"];
    let names = ["probe", "echo", "challenge", "challenge echo", "rekey", "rekey answer"];
    let long = ["wide probe", "wide echo", "long probe", "long echo"];
    let names = [&names[..], &long, &closes].concat();
    let cases = names.into_iter().map(|name| {
        let mut padded = Vec::new();
        control_of(name, token).encode_padded(PADDING, &mut rng(1), &mut padded);
        let (plain, padding) = padded.split_last_chunk::<2>().unwrap();
        let message = &plain[..plain.len() - usize::from(u16::from_be_bytes(*padding))];
        json!({"message": name, "token": hex(token), "bytes": hex(message)})
    });
    json!(cases.collect::<Vec<_>>())
}

fn replay(time_ns: u64, digest: [u8; 16]) -> Value {
    json!({"time_ns": time_ns, "digest": hex(digest), "bytes": hex(Entry { time_ns, digest }.encode())})
}

#[test]
fn the_code_makes_what_the_vectors_say() {
    let made = generate();
    if std::env::var_os("GINNEL_VECTORS").is_some_and(|what| what == "write") {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(FILE);
        let text = serde_json::to_string_pretty(&made).unwrap() + "\n";
        std::fs::write(path, text).unwrap();
    }
    let file = load(FILE);
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&made), names(&file));
    for name in names(&made) {
        assert_eq!(made[&name], file[&name], "{name}");
    }
}

// What the code reads.

#[test]
fn keys_follow_from_the_vectors_secrets() {
    let keys = &load(FILE)["keys"];
    let server = PrivateKey::new(array(keys, "server_private"));
    assert_eq!(server.public(), PublicKey(array(keys, "server_public")));
    let outer = OuterKeys::derive(&Psk::new(array(keys, "psk")), &server.public());
    assert_eq!(outer.to_server, array(keys, "handshake_to_server"));
    assert_eq!(outer.to_client, array(keys, "handshake_to_client"));
    assert_eq!(outer.header_to_server, array(keys, "header_to_server"));
    for user in cases(keys, "users") {
        let key = derive_user_key(&server, text(user, "user"), number(user, "generation") as u32);
        assert_eq!(key.expose(), &array(user, "private"));
        assert_eq!(key.public(), PublicKey(array(user, "public")));
    }
    let split = |name| SplitKey::new(array(keys, name));
    let link = LinkKeys::derive(&split("split_to_server"), &split("split_to_client"));
    assert_eq!(link.to_server, array(keys, "data_to_server"));
    assert_eq!(link.to_client, array(keys, "data_to_client"));
    assert_eq!(link.header_to_client, array(keys, "header_to_client"));
}

fn header_of(case: &Value) -> Header {
    let kind = match text(case, "kind") {
        "control" => Kind::Control,
        "trimmed" => Kind::Trimmed,
        _ => Kind::Session,
    };
    let epoch = number(case, "epoch") == 1;
    let padded = case["padded"].as_bool().expect("a flag");
    Header { session: number(case, "session") as u32, counter: number(case, "counter"), kind, epoch, padded }
}

#[test]
fn header_blocks_read_as_the_vectors_say() {
    for case in cases(&load(FILE), "headers") {
        let datagram = [&[0; TAG_LEN][..], &bytes(case, "block")].concat();
        assert_eq!(HeaderKey::new(&array(case, "key")).open(&datagram), Some(header_of(case)), "{case}");
    }
}

#[test]
fn data_datagrams_open_as_the_vectors_say() {
    for case in cases(&load(FILE), "data") {
        let aead = if text(case, "aead") == "aes-128-gcm" { Aead::Aes128Gcm } else { Aead::ChaCha20Poly1305 };
        let mut datagram = BytesMut::from(&bytes(case, "bytes")[..]);
        let header = HeaderKey::new(&array(case, "header_key")).open(&datagram).expect("a header");
        assert_eq!(header, header_of(case));
        let mut opener = Opener::new(aead, &array(case, "key"));
        opener.expect(&array(case, "key"));
        let opened = opener.open(&header, &mut datagram);
        assert!(opened.is_ok_and(|opened| opened.newest));
        assert_eq!(datagram[..datagram.len() - OVERHEAD], bytes(case, "payload"), "{case}");
    }
}

#[test]
fn payloads_control_messages_and_journal_entries_read_as_the_vectors_say() {
    let file = load(FILE);
    for case in cases(&file, "hello") {
        let hello = Hello::decode(&bytes(case, "bytes")).expect("a hello");
        assert_eq!(hello_case(&hello), *case);
    }
    for case in cases(&file, "welcome") {
        let welcome = Welcome::decode(&bytes(case, "bytes")).expect("a welcome");
        assert_eq!(welcome_case(&welcome), *case);
    }
    for case in cases(&file, "control") {
        let expected = control_of(text(case, "message"), array(case, "token"));
        assert_eq!(Control::decode(&bytes(case, "bytes")), Some(expected));
    }
    for case in cases(&file, "replay") {
        let expected = Entry { time_ns: number(case, "time_ns"), digest: array(case, "digest") };
        assert_eq!(Entry::decode_all(&bytes(case, "bytes")).collect::<Vec<_>>(), [expected]);
    }
}

fn version_of(case: &Value) -> Version {
    Version::from_byte(number(case, "version") as u8).expect("a version")
}

#[test]
fn the_servers_end_reads_the_vectors_requests() {
    for case in cases(&load(FILE), "handshakes") {
        let (psk, server) = (Psk::new(array(case, "psk")), PrivateKey::new(array(case, "server_private")));
        let outer = OuterKeys::derive(&psk, &server.public());
        let (version, noise) = outer.unwrap_request(&bytes(&case["request"], "bytes")).expect("under the outer key");
        assert_eq!((version, &noise), (version_of(case), &bytes(&case["request"], "noise")));
        assert_eq!(digest(&noise), array(&case["request"], "digest"));
        let request = Request::read(version, &psk, &server, &noise, &mut rng(5)).expect("authentic");
        assert_eq!(request.hello.encode(), bytes(&case["request"], "hello"));
        assert_eq!(request.user, PrivateKey::new(array(case, "user_private")).public());
    }
}

#[test]
fn the_clients_end_reads_the_vectors_answers() {
    for case in cases(&load(FILE), "handshakes") {
        let keys = ["psk", "server_private", "user_private"].map(|key| array(case, key));
        let deployment = Deployment::of(keys[0], keys[1], keys[2]);
        // The one initiation that it answers: of the same randomness.
        let (mut initiation, request) = deployment.initiate_as(version_of(case), &mut rng(1));
        assert_eq!(request, bytes(&case["request"], "bytes"));
        let (welcome, keys) =
            initiation.complete(&deployment.outer, &bytes(&case["answer"], "bytes")).expect("the right answer");
        assert_eq!(welcome.encode(), bytes(&case["answer"], "welcome"));
        assert_eq!(keys.to_server, array(case, "data_to_server"));
        assert_eq!(keys.to_client, array(case, "data_to_client"));
        assert_eq!(keys.header_to_client, array(case, "header_to_client"));
        if version_of(case).has_rekey() {
            assert_eq!(keys.chain.expose(), &array(case, "chain"));
        }
    }
}

#[test]
fn both_ends_make_the_keys_of_the_vectors_rekey() {
    for case in cases(&load(FILE), "rekey") {
        let own = ["client_private", "server_private"].map(|end| PrivateKey::new(array(case, end)));
        let ephemerals = Ephemerals { client: own[0].public(), server: own[1].public() };
        for (end, other) in [(&own[0], &own[1]), (&own[1], &own[0])] {
            let chain = Chain::new(array(case, "chain_before"));
            let keys = EpochKeys::derive(&chain, end, &other.public(), &ephemerals).expect("keys");
            assert_eq!(keys.to_server, array(case, "data_to_server"));
            assert_eq!(keys.to_client, array(case, "data_to_client"));
            assert_eq!(keys.chain.expose(), &array(case, "chain"));
        }
    }
}
