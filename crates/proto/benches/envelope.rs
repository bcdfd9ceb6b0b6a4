//! The envelope: sealing, opening, header blocks, and the replay window.

use bytes::BytesMut;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ginnel_proto::envelope::OVERHEAD;
use ginnel_proto::envelope::data::{Aead, Opener, Sealer};
use ginnel_proto::envelope::header::{Header, HeaderKey, Kind};
use ginnel_proto::envelope::window::Window;
use std::hint::black_box;

const KEY: [u8; 32] = [7; 32];
const HEADER_KEY: [u8; 16] = [9; 16];

/// Lengths of a datagram, envelope included: the least that every path takes, and that of an Ethernet path.
const LENGTHS: [usize; 2] = [1200, 1440];

/// As many packets as one call to the system sends.
const BATCH: usize = 44;

const AEADS: [(&str, Aead); 2] = [("aes", Aead::Aes128Gcm), ("chacha", Aead::ChaCha20Poly1305)];

fn sealer(aead: Aead) -> Sealer {
    Sealer::new(aead, &KEY, HeaderKey::new(&HEADER_KEY), 1, 0)
}

/// So many sealed datagrams.
fn sealed(aead: Aead, length: usize, count: usize) -> Vec<BytesMut> {
    let mut sealer = sealer(aead);
    let one = |_| {
        let mut packet = BytesMut::zeroed(length);
        sealer.seal(Kind::Session, false, &mut packet).expect("a counter");
        packet
    };
    (0..count).map(one).collect()
}

fn seal(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("seal");
    for (name, aead) in AEADS {
        for (length, count) in LENGTHS.map(|length| (length, 1)).into_iter().chain([(LENGTHS[1], BATCH)]) {
            group.throughput(Throughput::Bytes((length * count) as u64));
            let id = BenchmarkId::new(name, format!("{count}x{length}"));
            let (mut sealer, mut packets) = (sealer(aead), vec![0; length * count]);
            group.bench_function(id, |bencher| {
                bencher.iter(|| {
                    for packet in packets.chunks_mut(length) {
                        sealer.seal(Kind::Session, false, packet).expect("a counter");
                    }
                });
            });
        }
    }
    group.finish();
}

fn open(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("open");
    let header_key = HeaderKey::new(&HEADER_KEY);
    for (name, aead) in AEADS {
        for (length, count) in LENGTHS.map(|length| (length, 1)).into_iter().chain([(LENGTHS[1], BATCH)]) {
            group.throughput(Throughput::Bytes((length * count) as u64));
            let id = BenchmarkId::new(name, format!("{count}x{length}"));
            let datagrams = sealed(aead, length, count);
            group.bench_function(id, |bencher| {
                // What is opened is destroyed, and never fresh again.
                bencher.iter_batched_ref(
                    || (Opener::new(aead, &KEY), datagrams.clone()),
                    |(opener, datagrams)| {
                        for datagram in datagrams {
                            let header = header_key.open(datagram).expect("a header");
                            opener.open(&header, datagram).expect("a fresh packet");
                        }
                    },
                    BatchSize::SmallInput,
                );
            });
        }
    }
    group.finish();
}

fn header(criterion: &mut Criterion) {
    let key = HeaderKey::new(&HEADER_KEY);
    let header = Header { session: 1, counter: 2, kind: Kind::Session, epoch: false, padded: false };
    criterion.bench_function("header/seal", |bencher| bencher.iter(|| key.seal(black_box(header))));
    let mut datagram = vec![0; OVERHEAD];
    datagram.extend(key.seal(header));
    criterion.bench_function("header/open", |bencher| bencher.iter(|| key.open(black_box(&datagram))));
}

fn window(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("window");
    // In order, and with each batch's packets the other way round.
    for (name, turned) in [("in_order", 0), ("reordered", BATCH as u64 - 1)] {
        let (mut window, mut next) = (Window::default(), 0);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let counter = next + turned - 2 * (next % (turned + 1)).min(turned);
                next += 1;
                window.is_fresh(black_box(counter)) && window.record(counter)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, seal, open, header, window);
criterion_main!(benches);
