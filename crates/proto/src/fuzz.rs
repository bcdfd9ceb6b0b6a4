//! Fuzz bodies: one function per decoder that takes arbitrary bytes and panics if a promise is broken.
//!
//! They assert on purpose and are called by tests only: `tests/fuzz_bodies.rs` feeds them from proptest on
//! every test run, `fuzz/` at the root of the repository from a coverage-guided fuzzer.
//!
//! To add a decoder's body: write it in a module of its own beside that decoder, or here, and add its one line
//! to [`BODIES`]; then `fuzz/fuzz_targets/NAME.rs` and its name in `fuzz/Cargo.toml` as the others have them.
//! A test says which of these is missing.

use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::open::{OpenError, OpenReply, OpenRequest, OpenRequestParser};
use crate::parse::Progress;
use crate::socks5::{Credentials, Socks5, Socks5Error, reply};
use crate::target::{Host, MAX_LABEL_LEN, MAX_NAME_LEN, MAX_TARGET_LEN, Target, TargetError, TargetParser};

/// A fuzz body.
pub type Body = fn(&[u8]);

/// Every fuzz body with its name, which is also its fuzz target's.
pub const BODIES: &[(&str, Body)] =
    &[("open_request", open_request), ("socks5", socks5), ("target", target), ("target_text", target_text)];

/// The user name and password that `socks5` demands when the lowest bit of its first byte is set.
pub const LOGIN: (&[u8], &[u8]) = (b"user", b"secret");

/// First byte: how to cut. The others: an encoded target and what follows it.
pub fn target(data: &[u8]) {
    let whole: Outcome<Target, TargetError> = same_however_cut(data, |pieces| {
        let mut parser = TargetParser::new();
        feed_all(pieces, |piece| parser.feed(piece))
    });
    if let Ok(Some((value, consumed))) = whole {
        assert!(consumed <= MAX_TARGET_LEN);
        check_target(&value);
    }
}

/// Text of a target, as people and configuration files write it.
pub fn target_text(data: &[u8]) {
    if let Ok(value) = String::from_utf8_lossy(data).parse::<Target>() {
        check_target(&value);
    }
    if let Ok(host) = Host::from_bytes(data) {
        check_host(&host);
    }
}

/// First byte: how to cut. The others: an open request and what follows it.
pub fn open_request(data: &[u8]) {
    let whole: Outcome<OpenRequest, OpenError> = same_however_cut(data, |pieces| {
        let mut parser = OpenRequestParser::new();
        feed_all(pieces, |piece| parser.feed(piece))
    });
    match whole {
        Ok(Some((request, _))) => {
            check_target(&request.target);
            let mut encoded = Vec::new();
            request.encode(&mut encoded);
            let again = OpenRequestParser::new().feed(&encoded);
            assert_eq!(again, Ok(Progress::Done { value: request, consumed: encoded.len() }));
        }
        Ok(None) => {}
        Err(error) => assert_ne!(error.reply(), OpenReply::Connected),
    }
}

/// First byte: how to cut, and whether a login is wanted. The others: what a client sends.
pub fn socks5(data: &[u8]) {
    let login = data.first().is_some_and(|first| first & 1 == 1);
    let credentials = login.then(|| Credentials::new(LOGIN.0, LOGIN.1).expect("both are short"));
    let (answer, outcome) = same_however_cut(data, |pieces| {
        let mut socks = Socks5::new(credentials.clone());
        let mut answer = Vec::new();
        let outcome = feed_all(pieces, |piece| {
            let progress = socks.feed(piece);
            answer.extend(socks.take_answer());
            progress
        });
        if !matches!(outcome, Ok(None)) {
            assert_eq!(socks.feed(b""), Err(Socks5Error::Over));
            assert!(socks.take_answer().is_empty());
        }
        (answer, outcome)
    });
    assert!(answer.len() <= 2 + 2 + 10, "more answers than messages");
    if let Ok(Some((value, consumed))) = outcome {
        check_target(&value);
        let expected: &[u8] = if login { &[5, 2, 1, 0] } else { &[5, 0] };
        assert_eq!(answer, expected);
        let sent = &data[1..1 + consumed];
        let secret = [&[4][..], LOGIN.0, &[6], LOGIN.1].concat();
        assert!(!login || sent.windows(secret.len()).any(|part| part == secret), "let in without the password");
    }
    for outcome in OpenReply::ALL {
        assert_eq!(reply(outcome, SocketAddr::from(([0, 0, 0, 0], 0))).len(), 10);
    }
}

/// What a parser made of a stream: a value and the stream's bytes it took, nothing yet, or an error.
type Outcome<T, E> = Result<Option<(T, usize)>, E>;

/// Feeds pieces until there is a result, and checks that no more was taken than given.
fn feed_all<T, E>(pieces: &[&[u8]], mut feed: impl FnMut(&[u8]) -> Result<Progress<T>, E>) -> Outcome<T, E> {
    let mut before = 0;
    for piece in pieces {
        match feed(piece)? {
            Progress::NeedMore => before += piece.len(),
            Progress::Done { value, consumed } => {
                assert!(consumed <= piece.len(), "took more than it was given");
                return Ok(Some((value, before + consumed)));
            }
        }
    }
    Ok(None)
}

/// Runs `parse` on the bytes behind the first in one piece, byte by byte, and as the first byte says.
fn same_however_cut<R: PartialEq + Debug>(data: &[u8], parse: impl Fn(&[&[u8]]) -> R) -> R {
    let (seed, bytes) = data.split_first().map_or((0, data), |(&seed, bytes)| (seed, bytes));
    let whole = parse(&[bytes]);
    assert_eq!(parse(&bytes.chunks(1).collect::<Vec<_>>()), whole, "byte by byte differs");
    assert_eq!(parse(&cut(bytes, seed)), whole, "cut by seed {seed} differs");
    whole
}

/// Cuts `bytes` into pieces of 0 to 31 bytes drawn from `seed`.
fn cut(mut bytes: &[u8], seed: u8) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut state = u32::from(seed) + 1;
    while !bytes.is_empty() {
        // The constants of a linear congruential generator (Numerical Recipes); its high bits are the good ones.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (piece, rest) = bytes.split_at(bytes.len().min((state >> 27) as usize));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

/// An accepted target survives its wire form and its text form.
fn check_target(target: &Target) {
    assert_ne!(target.port, 0);
    check_host(&target.host);
    let mut encoded = Vec::new();
    target.encode(&mut encoded);
    let again = TargetParser::new().feed(&encoded);
    assert_eq!(again, Ok(Progress::Done { value: target.clone(), consumed: encoded.len() }));
    assert_eq!(target.to_string().parse().as_ref(), Ok(target));
}

/// An accepted name keeps what `Name` promises, above all that nobody can read it as an address.
fn check_host(host: &Host) {
    assert_eq!(host.to_string().parse().as_ref(), Ok(host));
    let Host::Name(name) = host else { return };
    let text = name.as_str();
    assert!(text.parse::<IpAddr>().is_err());
    assert_eq!(address_of_old(text), None, "{text} could be taken for an address");
    assert_eq!(text, text.to_ascii_lowercase());
    assert!((1..=MAX_NAME_LEN).contains(&text.len()));
    assert!(text.split('.').all(|label| (1..=MAX_LABEL_LEN).contains(&label.len())));
}

/// Reads text as `inet_aton` does: one to four numbers, decimal, octal or hexadecimal, the last one filling what is left.
fn address_of_old(text: &str) -> Option<Ipv4Addr> {
    let number = |part: &str| match part.strip_prefix("0x") {
        Some("") => Some(0),
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None if part.len() > 1 && part.starts_with('0') => u32::from_str_radix(part, 8).ok(),
        None => part.parse().ok(),
    };
    let parts = text.split('.').map(number).collect::<Option<Vec<u32>>>()?;
    let (last, leading) = parts.split_last()?;
    if leading.len() > 3 || leading.iter().any(|&part| part > 255) {
        return None;
    }
    let high = leading.iter().enumerate().fold(0, |sum, (index, part)| sum | part << (24 - 8 * index));
    Some((high | last).into())
}
