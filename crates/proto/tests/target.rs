//! Targets: golden vectors, both ways, and what a name may not smuggle past the policy.

mod vectors;

use std::net::IpAddr;

use ginnel_proto::parse::Progress;
use ginnel_proto::target::{Host, Name, Target, TargetError, TargetParser};
use vectors::{bytes, cases, error_name, load, text};

fn parse(bytes: &[u8]) -> Result<Progress<Target>, TargetError> {
    TargetParser::new().feed(bytes)
}

#[test]
fn text_and_bytes_agree_with_the_vectors() {
    let file = load("target.json");
    for case in cases(&file, "canonical") {
        let target: Target = text(case, "text").parse().expect("a target");
        let mut encoded = Vec::new();
        target.encode(&mut encoded);
        assert_eq!(encoded, bytes(case, "bytes"), "{case}");
        assert_eq!(target.to_string(), text(case, "text"));
        assert_eq!(parse(&encoded), Ok(Progress::Done { value: target, consumed: encoded.len() }));
    }
}

#[test]
fn other_spellings_become_the_one_form() {
    for case in cases(&load("target.json"), "accepted") {
        let Ok(Progress::Done { value, .. }) = parse(&bytes(case, "bytes")) else { panic!("{case}") };
        assert_eq!(value.to_string(), text(case, "text"), "{case}");
    }
}

#[test]
fn bad_bytes_are_refused_with_their_reason() {
    for case in cases(&load("target.json"), "refused") {
        let error = parse(&bytes(case, "bytes")).expect_err(text(case, "why"));
        assert_eq!(error_name(&error), text(case, "error"), "{case}");
    }
}

#[test]
fn bad_text_is_refused_with_its_reason() {
    for case in cases(&load("target.json"), "refused_text") {
        let error = text(case, "text").parse::<Target>().expect_err("bad text");
        assert_eq!(error_name(&error), text(case, "error"), "{case}");
    }
}

#[test]
fn every_proper_prefix_asks_for_more() {
    for case in cases(&load("target.json"), "canonical") {
        let whole = bytes(case, "bytes");
        for len in 0..whole.len() {
            assert_eq!(parse(&whole[..len]), Ok(Progress::NeedMore), "{len} bytes of {case}");
        }
    }
}

#[test]
fn one_parser_reads_targets_one_after_another() {
    let (first, second) = (b"\x01\xc0\x00\x02\x01\x00\x50", b"\x03\x01a\x00\x07");
    let mut parser = TargetParser::new();
    assert_eq!(parser.feed(&first[..3]), Ok(Progress::NeedMore));
    let both = [&first[3..], second].concat();
    let value = "192.0.2.1:80".parse().expect("a target");
    assert_eq!(parser.feed(&both), Ok(Progress::Done { value, consumed: 4 }));
    let value = "a:7".parse().expect("a target");
    assert_eq!(parser.feed(&both[4..]), Ok(Progress::Done { value, consumed: 5 }));
}

#[test]
fn a_mapped_address_is_kept_and_canonical_shows_what_it_reaches() {
    let mapped: Host = "::ffff:127.0.0.1".parse().expect("an address");
    assert_eq!(mapped.to_string(), "::ffff:127.0.0.1");
    assert_eq!(mapped.canonical(), Host::V4([127, 0, 0, 1].into()));
    for other in ["::1", "::127.0.0.1", "127.0.0.1", "example.org"] {
        let host: Host = other.parse().expect("a host");
        assert_eq!(host.canonical(), host);
    }
}

#[test]
fn a_name_is_never_an_address() {
    for text in ["127.0.0.1", "127.0.0.1.", "::1", "[::1]", "::ffff:1.2.3.4"] {
        assert!(Name::new(text).is_err(), "{text}");
        assert!(text.parse::<Host>().is_ok_and(|host| host.ip().is_some()), "{text}");
    }
    let loopback: IpAddr = [127, 0, 0, 1].into();
    assert_eq!(Ok(Host::from(loopback)), "127.0.0.1".parse());
    assert_eq!(Host::Name(Name::new("Example.ORG.").expect("a name")).ip(), None);
}

#[test]
fn errors_say_what_and_where() {
    let refusal = |text: &str| text.parse::<Target>().expect_err("bad text").to_string();
    assert_eq!(
        refusal("exa\u{7}mple.org:80"),
        "the host name has '\\x07' as its byte 4; letters, digits, '-', '_' and '.' are allowed \
         (write an international name in its xn-- form)"
    );
    assert_eq!(refusal("example.org:99999"), "the port is not a number from 1 to 65535");
}
