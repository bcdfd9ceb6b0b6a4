//! A client with several links to its server, over real UDP on loopback.

mod common;

use bytes::Bytes;
use common::{PATIENCE, Pair, run_pool};
use ginnel_engine::client::Report;
use ginnel_engine::stream::Stream;
use ginnel_proto::hub::LinkId;
use ginnel_proto::limits::Limits;
use ginnel_proto::link::Lost;
use std::collections::BTreeMap;
use std::time::Duration;

/// Waits until so many links have come up, those that have gone since included.
async fn ups(pair: &Pair, count: usize) {
    let is_up = |report: &&Report| matches!(report, Report::Up { .. });
    while pair.reports.borrow().iter().filter(is_up).count() < count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// How many streams are on each link, in ascending order.
fn spread<'a>(streams: impl IntoIterator<Item = &'a (Stream, Stream)>) -> Vec<usize> {
    let mut counts = BTreeMap::<String, usize>::new();
    for (near, _) in streams {
        *counts.entry(near.link().to_string()).or_default() += 1;
    }
    let mut counts: Vec<usize> = counts.into_values().collect();
    counts.sort_unstable();
    counts
}

async fn streams(pair: &Pair, count: usize) -> Vec<(Stream, Stream)> {
    let mut streams = Vec::new();
    for _ in 0..count {
        streams.push(pair.stream().await);
    }
    streams
}

/// The server's name of the link that a stream is on.
fn close_at_server(pair: &Pair, link: LinkId) {
    pair.server.with_hub(|hub, time| hub.close(time, link, 0));
}

/// Whether a byte comes over.
async fn passes((near, far): &(Stream, Stream)) -> bool {
    if near.write_all(Bytes::from_static(b"?")).await.is_err() {
        return false;
    }
    let mut chunks = Vec::new();
    far.read(1, &mut chunks).await.is_ok() && chunks.concat() == b"?"
}

#[test]
fn new_streams_go_on_the_link_with_the_fewest() {
    run_pool(Limits::default(), 4, |pair| async move {
        ups(&pair, 4).await;
        let mut open = streams(&pair, 40).await;
        assert_eq!(spread(&open), [10, 10, 10, 10]);
        // One link is emptied: the next ones go there until it has as many as the others.
        let emptied = open[0].0.link();
        open.retain(|(near, _)| near.link() != emptied);
        let next = streams(&pair, 10).await;
        assert!(next.iter().all(|(near, _)| near.link() == emptied));
        open.extend(next);
        open.extend(streams(&pair, 4).await);
        assert_eq!(spread(&open), [11, 11, 11, 11]);
    });
}

#[test]
fn a_link_that_dies_is_replaced_and_the_streams_of_the_others_live() {
    run_pool(Limits::default(), 3, |pair| async move {
        ups(&pair, 3).await;
        let open = streams(&pair, 9).await;
        let (dead, dead_at_server) = (open[0].0.link(), open[0].1.link());
        close_at_server(&pair, dead_at_server);
        // Nobody waits for the new one: there are others.
        let next = pair.client.open(Duration::ZERO).await.expect("a link");
        assert!(passes(&open[1]).await);
        ups(&pair, 4).await;
        for pair in open.iter().filter(|(near, _)| near.link() != dead) {
            assert!(passes(pair).await);
        }
        assert!(!passes(&open[0]).await);
        drop(next);
        let reports = pair.reports.borrow().clone();
        assert!(matches!(reports[3], Report::Down { link, why: Lost::ByPeer(0), .. } if link == dead), "{reports:?}");
        assert_eq!(reports.len(), 5, "{reports:?}");
        drop(reports);
        // The new one has none.
        let (near, _far) = pair.stream().await;
        assert!(open.iter().all(|(other, _)| other.link() != near.link()));
    });
}

#[test]
fn a_pool_is_measured_on_any_of_its_links() {
    run_pool(Limits::default(), 3, |pair| async move {
        ups(&pair, 3).await;
        for link in pair.server.with_hub(|hub, _| hub.ids()) {
            close_at_server(&pair, link);
            let rtt = pair.client.probe(PATIENCE).await.unwrap();
            assert!(rtt < Duration::from_secs(1), "{rtt:?}");
        }
        assert!(pair.client.proven_link(PATIENCE).await.is_some());
    });
}

#[test]
fn a_server_that_is_killed_and_comes_back_gets_the_whole_pool_back() {
    run_pool(Limits::default(), 4, |mut pair| async move {
        ups(&pair, 4).await;
        let open = streams(&pair, 4).await;
        let address = pair.kill().await;
        drop(open);
        pair.serve(address);
        ups(&pair, 8).await;
        let reports = pair.reports.borrow();
        let retries = reports.iter().filter(|report| matches!(report, Report::Retry { .. })).count();
        assert_eq!(retries, 0, "{reports:?}");
    });
}

#[test]
fn a_pool_that_is_refused_some_of_its_links_serves_with_the_others() {
    run_pool(Limits { links_per_user: 2, ..Limits::default() }, 4, |pair| async move {
        ups(&pair, 2).await;
        let open = streams(&pair, 6).await;
        assert_eq!(spread(&open), [3, 3]);
        assert_eq!(pair.server.stats().count("links"), Some(2));
        assert_eq!(pair.reports.borrow().len(), 2);
    });
}
