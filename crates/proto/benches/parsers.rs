//! What stands at the beginning of every stream: the open request, and the negotiation of SOCKS5 before it.

use criterion::{Criterion, criterion_group, criterion_main};
use ginnel_proto::open::{OpenRequest, OpenRequestParser};
use ginnel_proto::parse::Progress;
use ginnel_proto::socks5::{Credentials, Socks5};
use std::hint::black_box;

fn open_request(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("open_request");
    for (name, target) in [("name", "www.example.org:443"), ("v4", "192.0.2.7:443"), ("v6", "[2001:db8::7]:443")] {
        let request = OpenRequest { target: target.parse().expect("a target") };
        let mut encoded = Vec::new();
        group.bench_function(format!("encode/{name}"), |bencher| {
            bencher.iter(|| {
                encoded.clear();
                black_box(&request).encode(&mut encoded);
            });
        });
        group.bench_function(format!("decode/{name}"), |bencher| {
            bencher.iter(|| {
                let progress = OpenRequestParser::new().feed(black_box(&encoded));
                assert!(matches!(progress, Ok(Progress::Done { .. })));
                progress
            });
        });
    }
    group.finish();
}

const GREETING: &[u8] = b"\x05\x01\x00";
const REQUEST: &[u8] = b"\x05\x01\x00\x03\x0fwww.example.org\x01\xbb";

fn socks5(criterion: &mut Criterion) {
    let login = Credentials::new(b"user", b"password").expect("good credentials");
    negotiation(criterion, "socks5/two_steps", None, &[GREETING, REQUEST]);
    negotiation(criterion, "socks5/at_once", None, &[&[GREETING, REQUEST].concat()]);
    negotiation(criterion, "socks5/login", Some(login), &[b"\x05\x01\x02", b"\x01\x04user\x08password", REQUEST]);
}

fn negotiation(criterion: &mut Criterion, name: &str, credentials: Option<Credentials>, messages: &[&[u8]]) {
    criterion.bench_function(name, |bencher| {
        bencher.iter(|| {
            let mut machine = Socks5::new(credentials.clone());
            let mut last = None;
            for message in messages {
                last = Some(machine.feed(black_box(message)));
                black_box(machine.take_answer());
            }
            assert!(matches!(last, Some(Ok(Progress::Done { .. }))));
        });
    });
}

criterion_group!(benches, open_request, socks5);
criterion_main!(benches);
