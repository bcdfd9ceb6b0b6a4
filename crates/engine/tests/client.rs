//! The client's keeper, over real UDP on loopback.

mod common;

use common::{PATIENCE, run};
use ginnel_engine::client::Report;
use ginnel_proto::link::Lost;
use std::time::{Duration, Instant};

#[test]
fn a_link_comes_up_and_is_measured() {
    run(|pair| async move {
        assert!(pair.client.proven_link(PATIENCE).await.is_some());
        let rtt = pair.client.probe(PATIENCE).await.unwrap();
        assert!(rtt < Duration::from_secs(1), "{rtt:?}");
        assert!(matches!(pair.reports.borrow()[..], [Report::Up { .. }]));
    });
}

#[test]
fn a_link_that_the_server_closes_comes_back() {
    run(|pair| async move {
        // A stream that has come over: the server knows of the link as well.
        drop(pair.stream().await);
        let (first, ..) = pair.client.link(PATIENCE).await.unwrap();
        pair.server.with_hub(|hub, time| hub.ids().into_iter().for_each(|id| hub.close(time, id, 0)));
        while pair.reports.borrow().iter().filter(|report| matches!(report, Report::Up { .. })).count() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let (second, ..) = pair.client.link(PATIENCE).await.unwrap();
        assert_ne!(first, second);
        let reports = pair.reports.borrow();
        assert!(matches!(reports[1], Report::Down { why: Lost::ByPeer(0), .. }), "{reports:?}");
    });
}

#[test]
fn a_thousand_streams_live_side_by_side() {
    run(|pair| async move {
        let mut streams = Vec::new();
        for _ in 0..1000 {
            streams.push(pair.stream().await);
        }
        assert_eq!(pair.server.streams(), 1000);
        drop(streams);
        assert_eq!(pair.server.streams(), 0);
    });
}

/// A server that is killed tells nobody. Streams are tried until one has gone through.
#[test]
fn a_server_that_is_killed_and_comes_back_serves_within_two_seconds() {
    run(|mut pair| async move {
        for away in [0, 700, 2_500] {
            pair.client.proven_link(PATIENCE).await.unwrap();
            let broken = pair.stream().await;
            let address = pair.kill().await;
            drop(broken);
            tokio::time::sleep(Duration::from_millis(away)).await;
            pair.serve(address);
            let back = Instant::now();
            let came = async {
                loop {
                    let near = pair.client.open(PATIENCE).await.expect("a link");
                    let _ = near.write_all(bytes::Bytes::from_static(b"!")).await;
                    let accept = tokio::time::timeout(Duration::from_millis(200), pair.server.accept());
                    if let Ok(far) = accept.await {
                        return far;
                    }
                }
            };
            let _far = tokio::time::timeout(Duration::from_secs(2), came).await.expect("a stream within two seconds");
            assert!(back.elapsed() < Duration::from_secs(2));
        }
        let reports = pair.reports.borrow();
        assert!(reports.iter().all(|report| !matches!(report, Report::Down { why, .. } if *why != Lost::Forgotten)));
    });
}

#[test]
fn whoever_waits_while_the_link_is_doubted_gets_the_next_one() {
    run(|mut pair| async move {
        let (first, ..) = pair.client.proven_link(PATIENCE).await.unwrap();
        let address = pair.kill().await;
        // A question that nobody answers.
        assert!(pair.client.probe(Duration::from_millis(1500)).await.is_err());
        assert!(pair.client.link(Duration::ZERO).await.is_none(), "a doubted link is not handed out");
        pair.serve(address);
        let (second, ..) = pair.client.link(PATIENCE).await.unwrap();
        assert_ne!(first, second);
    });
}

/// What a stop of the whole process looks like from inside: the thread does not run.
#[test]
fn a_stop_of_both_ends_costs_no_link() {
    run(|pair| async move {
        let (link, ..) = pair.client.proven_link(PATIENCE).await.unwrap();
        let (near, far) = pair.stream().await;
        std::thread::sleep(Duration::from_millis(3500));
        near.write_all(bytes::Bytes::from_static(b"still")).await.unwrap();
        let mut chunks = Vec::new();
        far.read(5, &mut chunks).await.unwrap();
        assert_eq!(pair.client.link(PATIENCE).await.map(|(id, ..)| id), Some(link));
        assert!(matches!(pair.reports.borrow()[..], [Report::Up { .. }]));
    });
}

/// Links go before strangers: what is no data of a link waits, with a bound, and is counted when
/// there is no place for it.
#[test]
fn a_burst_of_junk_is_judged_or_counted_and_holds_nobody_up() {
    run(|pair| async move {
        drop(pair.stream().await);
        let count = |name: &str| pair.server.stats().count(name).unwrap_or_else(|| panic!("no count of {name}"));
        let before = count("datagrams_received");
        let address = pair.server.local_address().unwrap();
        let stranger = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        // No task of ours runs meanwhile: all of it waits in the socket, as far as that takes it.
        for number in 0..4000u32 {
            stranger.send_to(&[number as u8; 900], address).unwrap();
        }
        // Longer than any handshake: not even judged.
        stranger.send_to(&[7; 1600], address).unwrap();
        drop(pair.stream().await);
        let strangers = || count("not_ours") + count("crowded_out");
        while strangers() == 0 || strangers() + 200 < count("datagrams_received") - before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(count("crowded_out") >= 1, "the long one at least");
        assert!(count("not_ours") > 0);
    });
}
