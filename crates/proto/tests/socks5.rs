//! The SOCKS5 server machine: transcripts, replies, and what it says to those who speak something else.

mod vectors;

use std::net::SocketAddr;

use ginnel_proto::open::OpenReply;
use ginnel_proto::parse::Progress;
use ginnel_proto::socks5::{Credentials, CredentialsError, MAX_CREDENTIAL_LEN, Socks5, Socks5Error, reply};
use serde_json::Value;
use vectors::{bytes, cases, error_name, hex, load, text};

fn credentials(case: &Value) -> Option<Credentials> {
    let login = case["login"].as_array()?;
    let part = |index: usize| login[index].as_str().expect("text").as_bytes();
    Some(Credentials::new(part(0), part(1)).expect("good credentials"))
}

/// Plays a transcript, the client's bytes cut as given, and compares every part of the outcome.
fn play(case: &Value, pieces: &[&[u8]]) {
    let mut socks = Socks5::new(credentials(case));
    let mut answer = Vec::new();
    for (index, piece) in pieces.iter().enumerate() {
        let progress = socks.feed(piece);
        answer.extend(socks.take_answer());
        match progress {
            Ok(Progress::NeedMore) => continue,
            Ok(Progress::Done { value, consumed }) => {
                let rest = [&piece[consumed..], &pieces[index + 1..].concat()].concat();
                assert_eq!(value.to_string(), text(case, "target"), "{case}");
                assert_eq!(rest, bytes(case, "rest"), "{case}");
            }
            Err(error) => assert_eq!(error_name(&error), text(case, "error"), "{case}"),
        }
        assert_eq!(answer, bytes(case, "server"), "{case}");
        return;
    }
    panic!("no outcome: {case}");
}

fn client_messages(case: &Value) -> Vec<Vec<u8>> {
    let messages = case["client"].as_array().expect("a list");
    messages.iter().map(|message| hex(message.as_str().expect("text"))).collect()
}

#[test]
fn transcripts_agree_message_by_message_byte_by_byte_and_in_one_piece() {
    for case in cases(&load("socks5.json"), "transcripts") {
        let messages = client_messages(case);
        let stream = messages.concat();
        play(case, &messages.iter().map(Vec::as_slice).collect::<Vec<_>>());
        play(case, &stream.chunks(1).collect::<Vec<_>>());
        play(case, &[&stream]);
    }
}

#[test]
fn no_proper_prefix_of_a_good_negotiation_has_an_outcome() {
    for case in cases(&load("socks5.json"), "transcripts") {
        if case["target"].is_null() {
            continue;
        }
        let stream = client_messages(case).concat();
        let end = stream.len() - bytes(case, "rest").len();
        for len in 0..end {
            let progress = Socks5::new(credentials(case)).feed(&stream[..len]);
            assert_eq!(progress, Ok(Progress::NeedMore), "{len} bytes of {case}");
        }
    }
}

#[test]
fn a_request_is_taken_in_whole_before_it_is_refused() {
    let whole = ["UnsupportedCommand", "BadPort", "BadCharacter", "EndsInNumber"];
    let file = load("socks5.json");
    for name in whole {
        let case = cases(&file, "transcripts").iter().find(|case| case["error"] == name);
        let stream = client_messages(case.expect("a transcript with this error")).concat();
        for len in 0..stream.len() {
            let progress = Socks5::new(None).feed(&stream[..len]);
            assert_eq!(progress, Ok(Progress::NeedMore), "{len} bytes of {name}");
        }
    }
}

#[test]
fn the_answer_is_there_as_soon_as_the_message_is() {
    let login = Credentials::new(b"user", b"secret").expect("good credentials");
    let mut socks = Socks5::new(Some(login));
    for (message, answer) in
        [(&b"\x05\x01\x02"[..], &b"\x05\x02"[..]), (b"\x01\x04user\x06secre", b""), (b"t", b"\x01\x00")]
    {
        assert_eq!(socks.feed(message), Ok(Progress::NeedMore));
        assert_eq!(socks.take_answer(), answer);
        assert!(socks.take_answer().is_empty(), "an answer is handed out once");
    }
}

#[test]
fn replies_agree_with_the_vectors_and_each_outcome_has_one() {
    let file = load("socks5.json");
    for outcome in OpenReply::ALL {
        let name = format!("{outcome:?}");
        let mut seen = 0;
        for case in cases(&file, "replies").iter().filter(|case| text(case, "outcome") == name) {
            let bound: SocketAddr = text(case, "bound").parse().expect("an address");
            assert_eq!(reply(outcome, bound), bytes(case, "bytes"), "{case}");
            seen += 1;
        }
        assert_ne!(seen, 0, "no vector for {name}");
    }
}

#[test]
fn a_client_of_another_protocol_is_told_apart_in_the_error() {
    for (first, word) in [
        (&b"\x04\x01"[..], "SOCKS4"),
        (b"GET / HTTP/1.1\r\n", "HTTP"),
        (b"POST / HTTP/1.1\r\n", "HTTP"),
        (b"CONNECT a:1 HTTP/1.1\r\n", "HTTP"),
        (b"\x16\x03\x01", "TLS"),
        (b"SSH-2.0", "not 0x05"),
    ] {
        let error = Socks5::new(None).feed(first).expect_err("not SOCKS5");
        assert_eq!(error, Socks5Error::NotSocks5(first[0]));
        let sentence = error.to_string();
        assert!(sentence.starts_with("this port speaks SOCKS5") && sentence.contains(word), "{sentence}");
    }
}

#[test]
fn a_negotiation_that_is_over_takes_nothing_more() {
    let mut socks = Socks5::new(None);
    assert!(socks.feed(b"\x05\x01\x02").is_err());
    assert_eq!(socks.take_answer(), b"\x05\xff");
    assert_eq!(socks.feed(b"\x05\x01\x00"), Err(Socks5Error::Over));
    assert!(socks.take_answer().is_empty());
}

#[test]
fn credentials_have_the_lengths_of_rfc_1929_and_stay_out_of_debug_output() {
    let longest = [b'x'; MAX_CREDENTIAL_LEN];
    let too_long = [b'x'; MAX_CREDENTIAL_LEN + 1];
    let refusal = |user_name: &[u8], password: &[u8]| Credentials::new(user_name, password).err();
    assert_eq!(refusal(b"u", b"p"), None);
    assert_eq!(refusal(&longest, &longest), None);
    assert_eq!(refusal(b"", b"p"), Some(CredentialsError::UserName(0)));
    assert_eq!(refusal(b"u", b""), Some(CredentialsError::Password(0)));
    assert_eq!(refusal(&too_long, b"p"), Some(CredentialsError::UserName(256)));
    assert_eq!(refusal(b"u", &too_long), Some(CredentialsError::Password(256)));
    let shown = format!("{:?}", Credentials::new(b"alice", b"hunter2").expect("good credentials"));
    assert!(!shown.contains("alice") && !shown.contains("hunter2"), "{shown}");
}
