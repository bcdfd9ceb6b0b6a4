//! The relay's inner loop at both ends of a link: application, relay, stream, UDP on loopback, stream, relay, target.
//! Both shards are on one thread, and application and target are socket pairs on it as well: what this
//! tells is processor time for all of it together, not what a tunnel carries.

#[path = "../tests/common/mod.rs"]
mod common;

use common::Pair;
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use ginnel_engine::relay::relay;
use ginnel_engine::stream::Early;
use std::cell::Cell;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// Bytes of one bulk transfer, and of each write in it.
const BULK: usize = 4 << 20;
const BLOCK: usize = 64 << 10;

/// Bytes of a request, and of its answer.
const REQUEST: usize = 100;
const ANSWER: usize = 1024;

/// The two ends of a connection that goes through the link.
struct Ends {
    application: UnixStream,
    target: UnixStream,
}

impl Ends {
    async fn new(pair: &Pair) -> Self {
        let (near, far) = pair.stream().await;
        let (application, accepted) = UnixStream::pair().expect("a pair");
        let (dialled, target) = UnixStream::pair().expect("a pair");
        for (socket, stream) in [(accepted, near), (dialled, far)] {
            tokio::task::spawn_local(async move { relay(&socket, &stream, Early::default()).await });
        }
        Self { application, target }
    }

    async fn bulk(&mut self) {
        let send = async {
            let block = [7; BLOCK];
            for _ in 0..BULK / BLOCK {
                self.application.write_all(&block).await.expect("an open connection");
            }
        };
        let receive = async {
            let (mut left, mut buffer) = (BULK, vec![0; 4 * BLOCK]);
            while left > 0 {
                left -= self.target.read(&mut buffer).await.expect("an open connection");
            }
        };
        tokio::join!(send, receive);
    }

    async fn request(&mut self) {
        let ask = async {
            self.application.write_all(&[1; REQUEST]).await.expect("an open connection");
            self.application.read_exact(&mut [0; ANSWER]).await.expect("an answer");
        };
        let answer = async {
            self.target.read_exact(&mut [0; REQUEST]).await.expect("a request");
            self.target.write_all(&[2; ANSWER]).await.expect("an open connection");
        };
        tokio::join!(ask, answer);
    }
}

/// How long `count` of them take on a link that has warmed up.
fn timed(count: u64, warm_up: u64, work: impl AsyncFn(&mut Ends)) -> Duration {
    let time = Cell::new(Duration::ZERO);
    common::run(async |pair| {
        let mut ends = Ends::new(&pair).await;
        for _ in 0..warm_up {
            work(&mut ends).await;
        }
        let begun = Instant::now();
        for _ in 0..count {
            work(&mut ends).await;
        }
        time.set(begun.elapsed());
    });
    time.get()
}

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("relay");
    group.sampling_mode(SamplingMode::Flat).sample_size(20).measurement_time(Duration::from_secs(5));
    group.bench_function("request_1_kib", |bencher| bencher.iter_custom(|count| timed(count, 100, Ends::request)));
    group.throughput(Throughput::Bytes(BULK as u64));
    group.bench_function("bulk_4_mib", |bencher| bencher.iter_custom(|count| timed(count, 8, Ends::bulk)));
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
