//! Relays that rest for too long, and those that are given up for want of memory.

mod common;

use common::{Pair, run_with, tcp_pair};
use ginnel_engine::memory::uncounted;
use ginnel_engine::relay::{RelayError, relay};
use ginnel_engine::stream::{Early, StreamError};
use ginnel_proto::limits::Limits;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

type Ended = JoinHandle<Result<(), RelayError>>;

const MILLISECOND: Duration = Duration::from_millis(1);

/// Application and target, and the relay at the application's end.
async fn path(pair: &Pair) -> (TcpStream, TcpStream, Ended) {
    let (near, far) = pair.stream().await;
    let (application, accepted) = tcp_pair().await;
    let (dialled, target) = tcp_pair().await;
    let near = tokio::task::spawn_local(async move { relay(&accepted, &near, Early::default()).await });
    tokio::task::spawn_local(async move { relay(&dialled, &far, Early::default()).await });
    (application, target, near)
}

fn limits(stream_idle: Duration, half_closed: Duration) -> Limits {
    Limits { stream_idle, half_closed, ..Limits::server() }
}

#[test]
fn a_relay_in_which_nothing_moves_is_given_up() {
    run_with(limits(150 * MILLISECOND, Duration::from_secs(60)), uncounted, |pair| async move {
        let (mut application, _target, near) = path(&pair).await;
        let begun = Instant::now();
        assert!(matches!(near.await.unwrap(), Err(RelayError::Idle)));
        assert!(begun.elapsed() >= 140 * MILLISECOND);
        // The socket is closed with the relay, and the far end is told.
        let ended = tokio::time::timeout(common::PATIENCE, application.read(&mut [0])).await;
        assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?}");
    });
}

#[test]
fn a_byte_now_and_then_keeps_a_relay() {
    run_with(limits(300 * MILLISECOND, Duration::from_secs(60)), uncounted, |pair| async move {
        let (mut application, mut target, near) = path(&pair).await;
        // Real time has to pass here: that is what is tested.
        for turn in 0..8 {
            tokio::time::sleep(100 * MILLISECOND).await;
            let (from, to) =
                if turn % 2 == 0 { (&mut application, &mut target) } else { (&mut target, &mut application) };
            from.write_all(b"x").await.unwrap();
            to.read_exact(&mut [0]).await.unwrap();
        }
        assert!(!near.is_finished());
    });
}

#[test]
fn a_relay_of_one_direction_may_rest_for_less_long() {
    run_with(limits(Duration::from_secs(60), 150 * MILLISECOND), uncounted, |pair| async move {
        let (mut application, _target, near) = path(&pair).await;
        application.shutdown().await.unwrap();
        let begun = Instant::now();
        assert!(matches!(near.await.unwrap(), Err(RelayError::Idle | RelayError::Stream(_))));
        assert!(begun.elapsed() < Duration::from_secs(30), "that was the patience for both directions");
    });
}

#[test]
fn somebody_who_takes_his_time_to_read_is_not_taken_for_gone() {
    run_with(limits(Duration::from_secs(60), 100 * MILLISECOND), uncounted, |pair| async move {
        let (mut application, mut target, near) = path(&pair).await;
        application.shutdown().await.unwrap();
        let answer: Vec<u8> = (0..16usize << 20).map(|at| (at * 31 + at / 251) as u8).collect();
        let sending = answer.clone();
        tokio::task::spawn_local(async move {
            target.write_all(&sending).await.unwrap();
            target.shutdown().await.unwrap();
        });
        // More than all buffers on the way: the relays are stuck for several times their patience.
        tokio::time::sleep(500 * MILLISECOND).await;
        let mut got = Vec::new();
        application.read_to_end(&mut got).await.unwrap();
        assert!(got == answer, "{} bytes of {}", got.len(), answer.len());
        assert!(near.await.unwrap().is_ok());
    });
}

#[test]
fn want_of_memory_costs_the_streams_that_are_stuck_and_no_other() {
    static USED: AtomicU64 = AtomicU64::new(0);
    let limits = Limits { memory: 1000, ..Limits::server() };
    run_with(
        limits,
        || USED.load(Ordering::Relaxed),
        |pair| async move {
            let (stuck_application, mut stuck_target, stuck) = path(&pair).await;
            let (mut application, mut target, near) = path(&pair).await;
            tokio::task::spawn_local(async move {
                let block = [7; 64 << 10];
                while stuck_target.write_all(&block).await.is_ok() {}
            });
            // The budget is used up from the first moment: what has not been stuck for a second is
            // left alone all the same.
            USED.store(2000, Ordering::Relaxed);
            let (begun, mut byte) = (Instant::now(), [0]);
            while !stuck.is_finished() {
                application.write_all(b"x").await.unwrap();
                target.read_exact(&mut byte).await.unwrap();
            }
            assert!(begun.elapsed() >= Duration::from_secs(1), "given up after {:?}", begun.elapsed());
            assert!(matches!(stuck.await.unwrap(), Err(RelayError::Stream(StreamError::Shed | StreamError::Reset(_)))));
            assert!(!near.is_finished(), "a stream that moves was given up");
            // No new stream is taken in while memory is short, and those that wait are once it is not.
            USED.store(800, Ordering::Relaxed);
            let waiting = pair.client.open(common::PATIENCE).await.unwrap();
            waiting.write_all(bytes::Bytes::from_static(b"!")).await.unwrap();
            let accepting = tokio::time::timeout(200 * MILLISECOND, pair.server.accept());
            assert!(accepting.await.is_err(), "taken in while memory was short");
            USED.store(0, Ordering::Relaxed);
            waiting.write_all(bytes::Bytes::from_static(b"?")).await.unwrap();
            tokio::time::timeout(common::PATIENCE, pair.server.accept()).await.expect("taken in again");
            drop(stuck_application);
        },
    );
}

/// So many streams that nobody reads, and one that is read once `least` of them have been given up.
/// Returns how many that are in the end.
fn beside_stuck_streams(count: usize, least: usize) -> usize {
    // A window for four streams.
    let limits = Limits { link_window: 4 << 20, stream_window: 1 << 20, ..Limits::server() };
    let given_up = Rc::new(Cell::new(0));
    let counted = given_up.clone();
    run_with(limits, uncounted, |pair| async move {
        let mut stuck = Vec::new();
        for _ in 0..count {
            let (mut application, target, near) = path(&pair).await;
            tokio::task::spawn_local(async move {
                let block = [7; 64 << 10];
                while application.write_all(&block).await.is_ok() {}
            });
            stuck.push((target, near));
        }
        let ended = |stuck: &Vec<(TcpStream, Ended)>| stuck.iter().filter(|(_, near)| near.is_finished()).count();
        let deadline = Instant::now() + common::PATIENCE;
        while ended(&stuck) < least {
            assert!(Instant::now() < deadline, "{} of {count} were given up", ended(&stuck));
            tokio::time::sleep(10 * MILLISECOND).await;
        }
        let (mut application, mut target, near) = path(&pair).await;
        let upload = tokio::task::spawn_local(async move {
            application.write_all(&[9; 8 << 20]).await.unwrap();
            application
        });
        let mut got = vec![0; 8 << 20];
        let reading = tokio::time::timeout(common::PATIENCE, target.read_exact(&mut got));
        reading.await.expect("what is read gets through").unwrap();
        assert!(got.iter().all(|byte| *byte == 9));
        drop(upload.await.unwrap());
        counted.set(ended(&stuck));
        drop(near);
    });
    given_up.get()
}

#[test]
fn streams_that_nobody_reads_do_not_use_up_their_link() {
    // As many stay as leave room for one that is read.
    let given_up = beside_stuck_streams(8, 4);
    assert!((4..8).contains(&given_up), "{given_up} of 8 were given up");
}

#[test]
fn streams_that_nobody_reads_are_left_alone_while_there_is_room() {
    assert_eq!(beside_stuck_streams(3, 0), 0);
}

#[test]
fn an_application_that_breaks_off_while_it_is_stuck_is_noticed() {
    let limits = Limits { step_time: 200 * MILLISECOND, ..Limits::server() };
    run_with(limits, uncounted, |pair| async move {
        let (mut application, _target, near) = path(&pair).await;
        let block = [7; 64 << 10];
        while let Ok(written) = tokio::time::timeout(300 * MILLISECOND, application.write_all(&block)).await {
            written.unwrap();
        }
        socket2::SockRef::from(&application).set_linger(Some(Duration::ZERO)).unwrap();
        drop(application);
        let ended = tokio::time::timeout(common::PATIENCE, near).await.expect("noticed");
        assert!(matches!(ended.unwrap(), Err(RelayError::Socket(_))));
    });
}
