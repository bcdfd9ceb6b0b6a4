//! Open requests and replies: golden vectors, and what follows a request.

mod vectors;

use ginnel_proto::open::{OpenError, OpenReply, OpenRequest, OpenRequestParser, UnknownOpenReply};
use ginnel_proto::parse::Progress;
use vectors::{bytes, cases, error_name, load, text};

#[test]
fn requests_agree_with_the_vectors() {
    for case in cases(&load("open.json"), "requests") {
        let request = OpenRequest { target: text(case, "target").parse().expect("a target") };
        let mut encoded = Vec::new();
        request.encode(&mut encoded);
        assert_eq!(encoded, bytes(case, "bytes"), "{case}");
        let parsed = OpenRequestParser::new().feed(&encoded);
        assert_eq!(parsed, Ok(Progress::Done { value: request, consumed: encoded.len() }));
    }
}

#[test]
fn bad_requests_are_refused_with_the_reply_to_give() {
    for case in cases(&load("open.json"), "refused") {
        let parsed = OpenRequestParser::new().feed(&bytes(case, "bytes"));
        let error = parsed.expect_err(text(case, "why"));
        assert_eq!(error_name(&error), text(case, "error"), "{case}");
        assert_eq!(format!("{:?}", error.reply()), text(case, "reply"), "{case}");
    }
}

#[test]
fn bytes_behind_the_request_stay_with_the_caller() {
    let target = "example.org:443".parse().expect("a target");
    let request = OpenRequest { target };
    let mut stream = Vec::new();
    request.encode(&mut stream);
    stream.extend_from_slice(b"hello");
    let mut parser = OpenRequestParser::new();
    assert_eq!(parser.feed(&stream[..1]), Ok(Progress::NeedMore));
    assert_eq!(parser.feed(&[]), Ok(Progress::NeedMore));
    assert_eq!(parser.feed(&stream[1..4]), Ok(Progress::NeedMore));
    let consumed = stream.len() - 4 - b"hello".len();
    assert_eq!(parser.feed(&stream[4..]), Ok(Progress::Done { value: request, consumed }));
}

#[test]
fn a_parser_that_is_done_is_ready_for_another_request() {
    let mut parser = OpenRequestParser::new();
    for case in cases(&load("open.json"), "requests") {
        let progress = parser.feed(&bytes(case, "bytes"));
        let Ok(Progress::Done { value, .. }) = progress else { panic!("{case}: {progress:?}") };
        assert_eq!(value.target.to_string(), text(case, "target"));
    }
}

#[test]
fn an_unknown_kind_is_known_from_its_first_byte() {
    let mut parser = OpenRequestParser::new();
    assert_eq!(parser.feed(&[]), Ok(Progress::NeedMore));
    assert_eq!(parser.feed(&[0x02]), Err(OpenError::UnknownKind(0x02)));
}

#[test]
fn replies_agree_with_the_vectors_and_all_are_there() {
    let file = load("open.json");
    for case in cases(&file, "replies") {
        let code = case["code"].as_u64().and_then(|code| u8::try_from(code).ok()).expect("a byte");
        let reply = OpenReply::from_byte(code).expect("a known code");
        assert_eq!(format!("{reply:?}"), text(case, "reply"));
        assert_eq!(reply.to_byte(), code);
    }
    let known = cases(&file, "replies").len();
    assert_eq!(known, OpenReply::ALL.len());
    for code in known..=255 {
        let code = code as u8;
        assert_eq!(OpenReply::from_byte(code), Err(UnknownOpenReply(code)));
    }
}

#[test]
fn each_reply_has_a_sentence_of_its_own() {
    let mut sentences = OpenReply::ALL.map(|reply| reply.to_string()).to_vec();
    sentences.sort();
    sentences.dedup();
    assert_eq!(sentences.len(), OpenReply::ALL.len());
}
