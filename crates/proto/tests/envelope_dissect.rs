//! The dissector: what each key shows of the vectors and of a link, and what nobody sees without.

mod fixtures;
mod hubs;
mod vectors;

use bytes::{Bytes, BytesMut};
use fixtures::{Deployment, hello};
use ginnel_proto::envelope::control::Control;
use ginnel_proto::envelope::data::Aead;
use ginnel_proto::envelope::dissect::{Data, Dissector, Found, Opened, Outer, Requested, Sealed};
use ginnel_proto::envelope::handshake::HandshakeError;
use ginnel_proto::envelope::header::Kind;
use ginnel_proto::envelope::key_log::LoggedKeys;
use ginnel_proto::envelope::keys::{PrivateKey, Psk};
use ginnel_proto::envelope::{OVERHEAD, Version};
use ginnel_proto::hub::{Hub, HubConfig, LinkId, Time};
use ginnel_proto::limits::{DISSECTED_LINKS, DISSECTED_SERVERS, Limits};
use ginnel_proto::link::{BATCH_PACKETS, Side};
use hubs::{ServerOf, begin, client_path, later, server_path};
use serde_json::Value;
use std::collections::{HashSet, VecDeque};
use std::time::Duration;
use vectors::{bytes, cases, load, text};

const FILE: &str = "envelope.json";
const MILLISECOND: Duration = Duration::from_millis(1);

fn array<const N: usize>(case: &Value, key: &str) -> [u8; N] {
    bytes(case, key).try_into().unwrap()
}

fn number(case: &Value, key: &str) -> u64 {
    case[key].as_u64().unwrap()
}

/// The keys of a data vector, as if it went to a client.
fn keys_of(case: &Value) -> LoggedKeys {
    LoggedKeys {
        role: Side::Client,
        server_session: 7,
        client_session: number(case, "session") as u32,
        aead: Aead::from_name(text(case, "aead")).unwrap(),
        // Its lowest bit is the epoch.
        number: 6 + number(case, "epoch") as u32,
        to_server: [0; 32],
        to_client: array(case, "key"),
        header_to_client: array(case, "header_key"),
    }
}

#[test]
fn data_of_the_vectors_opens_with_logged_keys() {
    for case in cases(&load(FILE), "data") {
        let mut dissector = Dissector::default();
        assert_eq!(dissector.dissect(&bytes(case, "bytes")), Found::Unknown);
        let mut others = keys_of(case);
        others.to_client[0] ^= 1;
        others.number += 2;
        dissector.add_keys(others);
        let sealed = dissector.dissect(&bytes(case, "bytes"));
        assert!(matches!(sealed, Found::Data(Data { payload: Err(Sealed::OtherKeys), .. })), "{case}");
        dissector.add_keys(keys_of(case));
        let Found::Data(data) = dissector.dissect(&bytes(case, "bytes")) else { panic!("{case}") };
        assert_eq!((data.to, data.header.counter), (Side::Client, number(case, "counter")));
        assert_eq!(u64::from(data.header.epoch), number(case, "epoch"));
        let opened = data.payload.unwrap();
        assert_eq!(opened.link, (7, number(case, "session") as u32));
        assert_eq!(u64::from(opened.number), 6 + number(case, "epoch"));
        let mut payload = bytes(case, "payload");
        let without = payload.len();
        if data.header.kind == Kind::Trimmed {
            let zeros = payload.split_off(payload.len() - 2);
            payload.resize(payload.len() + usize::from(zeros[1]), 0);
            assert_eq!(opened.zeros, usize::from(zeros[1]));
        }
        assert_eq!(opened.plaintext, payload, "{case}");
        let plaintext = bytes(case, "plaintext").len();
        assert_eq!(opened.padding, if data.header.padded { plaintext - without - 2 } else { 0 });
        let probe = matches!(opened.control, Some(Control::Probe(_)));
        assert_eq!(probe, data.header.kind == Kind::Control);
    }
}

#[test]
fn handshakes_of_the_vectors_show_what_each_key_allows() {
    for case in cases(&load(FILE), "handshakes") {
        let (psk, private) = (|| Psk::new(array(case, "psk")), PrivateKey::new(array(case, "server_private")));
        let (request, answer) = (bytes(&case["request"], "bytes"), bytes(&case["answer"], "bytes"));
        let version = Version::from_byte(number(case, "version") as u8).unwrap();
        let outer = |half: &str| Some(Outer { version, noise: bytes(&case[half], "noise").len() });

        let mut stranger = Dissector::default();
        assert!(stranger.add_server(Psk::new([9; 32]), &private.public()));
        assert_eq!(stranger.dissect(&request), Found::Unknown);
        assert_eq!(stranger.dissect(&answer), Found::Unknown);

        let mut user = Dissector::default();
        assert!(user.add_server(Psk::new([9; 32]), &private.public()));
        assert!(user.add_server(psk(), &private.public()));
        assert_eq!(user.dissect(&answer), Found::Unknown, "its request has not been seen");
        let requested = Requested { server: 1, outer: outer("request"), contents: None };
        assert_eq!(user.dissect(&request), Found::Request(requested));
        assert_eq!(user.dissect(&answer), Found::Answer { request: 2, server: 1, outer: outer("answer") });

        let mut server = Dissector::default();
        assert!(server.add_own_server(psk(), private));
        let Found::Request(Requested { contents, .. }) = server.dissect(&request) else { panic!("{case}") };
        let known = PrivateKey::new(array(case, "user_private")).public();
        assert_eq!(contents, Some(Ok((known, hello()))));
    }
}

#[test]
fn a_request_that_the_servers_key_does_not_open_is_shown_as_that() {
    let deployment = Deployment::new();
    let noise = [5; 100];
    let request = fixtures::wrap(&deployment.outer.to_server, [1; 24], b"", &noise, 30);
    let unknown = fixtures::wrap_as(77, &deployment.outer.to_server, [2; 24], b"", &noise, 30);
    let mut dissector = Dissector::default();
    dissector.add_own_server(deployment.psk.clone(), deployment.server.clone());
    let Found::Request(Requested { outer, contents, .. }) = dissector.dissect(&request) else { panic!("a request") };
    assert_eq!(outer, Some(Outer { version: Version::CURRENT, noise: 100 }));
    assert_eq!(contents, Some(Err(HandshakeError::Forged)));
    let found = dissector.dissect(&unknown);
    assert_eq!(found, Found::Request(Requested { server: 0, outer: None, contents: None }));
}

/// A link that is used, with everything that goes over it and all keys that its ends write down.
struct Watched {
    time: Time,
    client: Hub,
    server: Hub,
    link: LinkId,
    /// Whether it goes to the server, and the datagram.
    seen: Vec<(bool, Vec<u8>)>,
    /// A batch as it is before segmentation, the length of its segments, and whether it goes to the server.
    batches: Vec<(Vec<u8>, usize, bool)>,
    keys: [Vec<LoggedKeys>; 2],
}

impl Watched {
    fn new(deployment: &Deployment, log: bool) -> Self {
        let time = begin();
        // New keys every half second or so.
        let limits = Limits { rekey_time: 500 * MILLISECOND, rekey_overlap: 200 * MILLISECOND, ..Limits::default() };
        let server = ServerOf { limits: limits.clone(), ..ServerOf::new(deployment) };
        let mut client = Hub::client(HubConfig { limits, aes: true, seed: [8; 32] }, time);
        let mut server = server.start(9, time);
        client.log_keys(log);
        server.log_keys(log);
        let patience = Duration::from_secs(10);
        let link = client.dial(time, deployment.client_keys(), server_path(), 0, patience).unwrap();
        let (seen, batches, keys) = (Vec::new(), Vec::new(), [Vec::new(), Vec::new()]);
        let mut watched = Self { time, client, server, link, seen, batches, keys };
        watched.run_for(Duration::from_millis(100));
        watched
    }

    fn run_for(&mut self, by: Duration) {
        let end = later(self.time, by);
        while self.time.now < end.now {
            self.time = later(self.time, MILLISECOND);
            self.client.handle_timeout(self.time);
            self.server.handle_timeout(self.time);
            self.carry();
            while self.client.poll_event().is_some() || self.server.poll_event().is_some() {}
        }
    }

    fn carry(&mut self) {
        let mut out = Vec::new();
        let mut moved = true;
        while moved {
            moved = false;
            for up in [true, false] {
                let sender = if up { &mut self.client } else { &mut self.server };
                let Some(transmit) = sender.poll_transmit(self.time, BATCH_PACKETS, &mut out) else { continue };
                moved = true;
                self.batches.push((out.clone(), transmit.segment, up));
                for datagram in out.chunks(transmit.segment) {
                    self.seen.push((up, datagram.to_vec()));
                    let (receiver, path) =
                        if up { (&mut self.server, client_path()) } else { (&mut self.client, server_path()) };
                    receiver.handle(self.time, path, BytesMut::from(datagram));
                }
            }
        }
        self.keys[0].extend(std::iter::from_fn(|| self.client.poll_keys()));
        self.keys[1].extend(std::iter::from_fn(|| self.server.poll_keys()));
    }

    /// Uploads a little every 20 ms.
    fn use_for(&mut self, by: Duration) {
        let session = self.client.session(self.link).unwrap();
        let stream = session.open().unwrap();
        for _ in 0..by.as_millis() / 20 {
            let session = self.client.session(self.link).expect("the link is up");
            let mut data = VecDeque::from([Bytes::from(vec![0x5a; 5000])]);
            // What does not fit into the windows may stay behind.
            let _ = session.write(stream, &mut data);
            self.run_for(20 * MILLISECOND);
        }
    }
}

fn opened(found: &Found) -> Option<&Opened> {
    match found {
        Found::Data(Data { payload: Ok(opened), .. }) => Some(opened),
        _ => None,
    }
}

#[test]
fn with_either_key_log_every_datagram_opens_through_new_keys() {
    let deployment = Deployment::new();
    let mut watched = Watched::new(&deployment, true);
    watched.use_for(Duration::from_secs(3));
    assert!(watched.keys[0].len() > 3, "{} sets of keys", watched.keys[0].len());
    for keys in &watched.keys {
        let mut dissector = Dissector::default();
        dissector.add_server(deployment.psk.clone(), &deployment.server.public());
        keys.iter().cloned().for_each(|keys| dissector.add_keys(keys));
        let mut numbers = HashSet::new();
        let mut unknown = 0;
        for (up, datagram) in &watched.seen {
            let found = dissector.dissect(datagram);
            match &found {
                Found::Data(data) => {
                    assert_eq!(data.to == Side::Server, *up);
                    numbers.insert((up, opened(&found).unwrap_or_else(|| panic!("{data:?}")).number));
                }
                Found::Request(_) => assert!(up),
                Found::Answer { request, .. } => assert!(!up && *request > 0),
                Found::Unknown => unknown += 1,
            }
        }
        assert!(numbers.len() >= 2 * (keys.len() - 1) && keys.len() > 3, "{numbers:?}");
        // Junk goes ahead of the handshake.
        let first = watched.seen.iter().take_while(|(up, _)| *up).count();
        assert!(unknown < first, "{unknown} unknown, {first} before the answer");
    }
}

#[test]
fn without_its_keys_a_link_stays_sealed() {
    let deployment = Deployment::new();
    let mut watched = Watched::new(&deployment, false);
    watched.use_for(Duration::from_millis(100));
    assert!(watched.keys.iter().all(Vec::is_empty), "nobody has asked for keys");
    let mut dissector = Dissector::default();
    dissector.add_own_server(deployment.psk.clone(), deployment.server.clone());
    for (up, datagram) in &watched.seen {
        match dissector.dissect(datagram) {
            Found::Data(data) => assert!(*up && data.payload == Err(Sealed::NoKeys)),
            Found::Request(_) => assert!(up),
            Found::Answer { .. } => assert!(!up),
            Found::Unknown => {}
        }
    }
    let mut nothing = Dissector::default();
    assert!(watched.seen.iter().all(|(_, datagram)| nothing.dissect(datagram) == Found::Unknown));
}

#[test]
fn a_batch_before_segmentation_is_cut_where_the_system_would() {
    let deployment = Deployment::new();
    let mut watched = Watched::new(&deployment, true);
    watched.use_for(Duration::from_secs(1));
    let mut dissector = Dissector::default();
    dissector.add_server(deployment.psk.clone(), &deployment.server.public());
    watched.keys[0].iter().cloned().for_each(|keys| dissector.add_keys(keys));
    let batches: Vec<_> = watched.batches.iter().filter(|(batch, segment, _)| batch.len() > *segment).collect();
    assert!(!batches.is_empty());
    for (batch, segment, _) in batches {
        assert_eq!(dissector.segment(batch), Some(*segment));
        assert_eq!(dissector.segment(&batch[..batch.len() - 1]), None);
    }
    assert_eq!(dissector.segment(&[]), None);
}

fn any_keys(number: u32) -> LoggedKeys {
    LoggedKeys {
        role: Side::Server,
        server_session: 0xa1a2_a3a4,
        client_session: 0x0102_0304,
        aead: Aead::ChaCha20Poly1305,
        number,
        to_server: [0x11; 32],
        to_client: [0x22; 32],
        header_to_client: [0x33; 16],
    }
}

#[test]
fn a_line_of_the_key_log_reads_as_it_was_written() {
    let line = any_keys(12).to_line();
    let (to_server, to_client, header) = ("11".repeat(32), "22".repeat(32), "33".repeat(16));
    let expected =
        format!("GINNEL_KEYS server a1a2a3a4 01020304 chacha20-poly1305 12 {to_server} {to_client} {header}");
    assert_eq!(*line, expected);
    assert_eq!(LoggedKeys::parse(&line), Ok(Some(any_keys(12))));
    assert_eq!(LoggedKeys::parse(&format!("  {}\r\n", *line)), Ok(Some(any_keys(12))));
    for other in ["", "# a remark", "CLIENT_RANDOM 01 02", "GINNEL_OTHER 1"] {
        assert_eq!(LoggedKeys::parse(other), Ok(None), "{other}");
    }
    let fields: Vec<&str> = line.split(' ').collect();
    for at in 1..fields.len() {
        let mut wrong = fields.clone();
        wrong[at] = "é";
        assert!(LoggedKeys::parse(&wrong.join(" ")).is_err(), "field {at}");
        assert!(LoggedKeys::parse(&fields[..at].join(" ")).is_err(), "cut before field {at}");
    }
    assert!(LoggedKeys::parse(&format!("{} 00", *line)).is_err());
    assert_eq!(format!("{:?}", any_keys(1)), "LoggedKeys(…)");
}

#[test]
fn tables_have_a_bound() {
    let case = &load(FILE)["data"][0];
    let mut dissector = Dissector::default();
    dissector.add_keys(keys_of(case));
    for session in 0..DISSECTED_LINKS as u32 - 1 {
        let mut keys = any_keys(0);
        keys.server_session = session;
        dissector.add_keys(keys);
    }
    assert!(opened(&dissector.dissect(&bytes(case, "bytes"))).is_some());
    dissector.add_keys(any_keys(0));
    assert_eq!(dissector.dissect(&bytes(case, "bytes")), Found::Unknown, "the oldest link is forgotten");
    let server = PrivateKey::new([1; 32]).public();
    let taken = (0..DISSECTED_SERVERS + 1).filter(|_| dissector.add_server(Psk::new([1; 32]), &server)).count();
    assert_eq!(taken, DISSECTED_SERVERS);
    assert_eq!(dissector.dissect(&[0; OVERHEAD - 1]), Found::Unknown);
}
