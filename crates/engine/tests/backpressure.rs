//! Streams whose readers pause hold their writers back, and nobody else.

mod common;

use bytes::Bytes;
use common::{Pair, run};
use ginnel_engine::stream::Stream;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

const PAUSED: usize = 48;

/// Starts to write without an end, and counts.
fn write_on(stream: Stream, written: Rc<Cell<usize>>) {
    tokio::task::spawn_local(async move {
        let block = Bytes::from(vec![7; 256 << 10]);
        while stream.write_all(block.clone()).await.is_ok() {
            written.set(written.get() + block.len());
        }
    });
}

/// Waits until nothing more is taken: a pause in which nothing moves is what is waited for.
async fn stalled(written: &Cell<usize>) {
    let mut last = usize::MAX;
    while written.get() != last {
        last = written.get();
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

async fn echo(pair: &Pair) {
    let (near, far) = pair.stream().await;
    near.write_all(Bytes::from_static(b"through")).await.unwrap();
    let mut chunks = Vec::new();
    far.read(16, &mut chunks).await.unwrap();
    far.write_all(chunks.concat().into()).await.unwrap();
    chunks.clear();
    near.read(16, &mut chunks).await.unwrap();
    assert_eq!(chunks.concat(), b"through");
}

#[test]
fn paused_downloads_hold_up_nobody_else() {
    run(|pair| async move {
        let (written, mut paused) = (Rc::default(), Vec::new());
        for _ in 0..PAUSED {
            let (near, far) = pair.stream().await;
            write_on(far, Rc::clone(&written));
            paused.push(near);
        }
        stalled(&written).await;
        assert!(written.get() < PAUSED * (8 << 20), "{} bytes for nobody", written.get());
        echo(&pair).await;
    });
}

#[test]
fn uploads_to_targets_that_do_not_read_hold_up_nobody_else() {
    run(|pair| async move {
        let (written, mut paused) = (Rc::default(), Vec::new());
        for _ in 0..PAUSED {
            let (near, far) = pair.stream().await;
            write_on(near, Rc::clone(&written));
            paused.push(far);
        }
        stalled(&written).await;
        echo(&pair).await;
    });
}
