//! The client's keeper, over real UDP on loopback.

mod common;

use common::{PATIENCE, run};
use ginnel_engine::client::Report;
use ginnel_proto::link::Lost;
use std::time::Duration;

#[test]
fn a_link_comes_up_and_is_measured() {
    run(|pair| async move {
        assert!(pair.client.link(PATIENCE).await.is_some());
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
