//! The relay's ends, seen from an application and a target with a link between their relays.

mod common;

use common::{Pair, run, run_over, tcp_pair};
use ginnel_engine::relay::{RelayError, relay};
use ginnel_engine::stream::{Early, StreamError};
use socket2::SockRef;
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

type Ended = JoinHandle<Result<(), RelayError>>;

/// Application and target, and the relays of both ends.
async fn path(pair: &Pair) -> (TcpStream, TcpStream, Ended, Ended) {
    let (near, far) = pair.stream().await;
    let (application, accepted) = tcp_pair().await;
    let (dialled, target) = tcp_pair().await;
    let spawn = |socket: TcpStream, stream| {
        tokio::task::spawn_local(async move {
            let result = relay(&socket, &stream, Early::default()).await;
            if result.is_err() {
                SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
            }
            result
        })
    };
    let (near, far) = (spawn(accepted, near), spawn(dialled, far));
    (application, target, near, far)
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 251) as u8).collect()
}

#[test]
fn an_end_in_one_direction_leaves_the_other_open() {
    run(half_closed);
}

#[test]
fn a_system_without_segmentation_offload_carries_the_same() {
    run_over(|carrier| Ok(carrier.without_offload()), half_closed);
}

async fn half_closed(pair: Pair) {
    let (mut application, mut target, near, far) = path(&pair).await;
    application.write_all(b"question").await.unwrap();
    application.shutdown().await.unwrap();
    let mut question = String::new();
    target.read_to_string(&mut question).await.unwrap();
    assert_eq!(question, "question");
    let answer = pattern(3_000_000);
    let sending = answer.clone();
    tokio::task::spawn_local(async move { target.write_all(&sending).await.unwrap() });
    let mut got = Vec::new();
    application.read_to_end(&mut got).await.unwrap();
    assert!(got == answer, "{} bytes of {}", got.len(), answer.len());
    assert!(near.await.unwrap().is_ok());
    assert!(far.await.unwrap().is_ok());
}

#[test]
fn small_messages_go_to_and_fro() {
    run(|pair| async move {
        let (mut application, mut target, ..) = path(&pair).await;
        for round in 0..200 {
            let (question, mut got) = (pattern(100 + round), vec![0; 100 + round]);
            application.write_all(&question).await.unwrap();
            target.read_exact(&mut got).await.unwrap();
            assert!(got == question, "round {round}");
            target.write_all(&got).await.unwrap();
            application.read_exact(&mut got).await.unwrap();
            assert!(got == question, "round {round}");
        }
    });
}

#[test]
fn a_target_that_answers_and_closes_at_once_is_heard_to_the_end() {
    run(|pair| async move {
        let (mut application, mut target, ..) = path(&pair).await;
        let answer = pattern(1_000_000);
        let sending = answer.clone();
        tokio::task::spawn_local(async move {
            target.write_all(&sending).await.unwrap();
            drop(target);
        });
        let mut got = Vec::new();
        application.read_to_end(&mut got).await.unwrap();
        assert!(got == answer, "{} bytes of {}", got.len(), answer.len());
        // What the application says now goes nowhere, and breaks nothing that it has heard.
        let _ = application.write_all(b"too late").await;
    });
}

#[test]
fn a_broken_target_is_a_broken_connection_for_the_application() {
    run(|pair| async move {
        let (mut application, target, near, far) = path(&pair).await;
        SockRef::from(&target).set_linger(Some(Duration::ZERO)).unwrap();
        drop(target);
        let error = application.read(&mut [0; 16]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert!(matches!(near.await.unwrap(), Err(RelayError::Stream(StreamError::Reset(_)))));
        assert!(matches!(far.await.unwrap(), Err(RelayError::Socket(_))));
    });
}

#[test]
fn a_broken_application_is_a_broken_connection_for_the_target() {
    run(|pair| async move {
        let (application, mut target, ..) = path(&pair).await;
        SockRef::from(&application).set_linger(Some(Duration::ZERO)).unwrap();
        drop(application);
        let error = target.read(&mut [0; 16]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn an_application_that_goes_away_stops_an_endless_target() {
    run(|pair| async move {
        let (mut application, mut target, _near, far) = path(&pair).await;
        let endless = tokio::task::spawn_local(async move {
            let block = pattern(64 << 10);
            loop {
                if let Err(error) = target.write_all(&block).await {
                    return error.kind();
                }
            }
        });
        application.read_exact(&mut vec![0; 1 << 20]).await.unwrap();
        drop(application);
        let error = endless.await.unwrap();
        assert!(matches!(error, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
        assert!(far.await.unwrap().is_err());
    });
}

#[test]
fn a_link_that_goes_breaks_what_it_carries() {
    run(|pair| async move {
        let (mut application, mut target, ..) = path(&pair).await;
        application.write_all(b"x").await.unwrap();
        target.read_exact(&mut [0]).await.unwrap();
        pair.server.with_hub(|hub, time| hub.ids().into_iter().for_each(|id| hub.close(time, id, 0)));
        let error = application.read(&mut [0; 16]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        let error = target.read(&mut [0; 16]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_slow_reader_holds_its_writer_back() {
    run(|pair| async move {
        let (application, mut target, ..) = path(&pair).await;
        let written = std::rc::Rc::new(std::cell::Cell::new(0usize));
        let count = written.clone();
        tokio::task::spawn_local(async move {
            let block = pattern(64 << 10);
            while let Ok(length) = target.write(&block).await {
                count.set(count.get() + length);
            }
        });
        // Nobody reads: what is written comes to a stand within the windows and socket buffers.
        let mut last = usize::MAX;
        while written.get() != last {
            last = written.get();
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        assert!(last < 64 << 20, "{last} bytes are on their way to somebody who reads none");
        drop(application);
    });
}
