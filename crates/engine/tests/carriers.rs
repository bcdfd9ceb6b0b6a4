//! One shard with two carriers: a link comes by either, and by the one that answers.

mod common;
#[path = "../../carrier/tests/namespaces/mod.rs"]
mod namespaces;

use bytes::Bytes;
use common::{LOOPBACK, PATIENCE, SEND, hub, keys, server_hub};
use ginnel_carrier::rawtcp::{Overrides, RawTcpCarrier};
use ginnel_carrier::udp::UdpCarrier;
use ginnel_engine::carriers::{Carriers, rawtcp_config};
use ginnel_engine::client::{Client, Report, ServerAddress};
use ginnel_engine::memory::uncounted;
use ginnel_engine::shard::Shard;
use ginnel_proto::carrier::CarrierKind;
use ginnel_proto::envelope::handshake::ClientKeys;
use ginnel_proto::limits::Limits;
use ginnel_proto::ports::Ports;
use namespaces::Namespace;
use std::cell::RefCell;
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::LocalSet;

/// Runs a test in a network of its own, where there may be one.
fn run<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send) {
    let Some(namespace) = Namespace::new() else { return };
    namespace.inside(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            tokio::time::timeout(Duration::from_secs(30), test()).await.expect("the test ends in time");
        });
    });
}

/// A server with both carriers, and where they are.
fn server() -> (Shard, SocketAddr, SocketAddr) {
    let limits = Limits::server();
    let udp = UdpCarrier::bind(LOOPBACK.ip(), [0], SEND).unwrap();
    let config = rawtcp_config(&limits, Overrides::default());
    let rawtcp = RawTcpCarrier::listen(LOOPBACK.ip(), [0], config).unwrap();
    let (at_udp, at_rawtcp) = (udp.local_address().unwrap(), rawtcp.local_address());
    let carriers = Carriers::new(Some(udp), Some(rawtcp)).unwrap();
    let (shard, _) = Shard::start(server_hub(&limits), carriers, limits, uncounted);
    (shard, at_udp, at_rawtcp)
}

type Reports = Rc<RefCell<Vec<Report>>>;

/// A client that knows these ways to the server. No two may have one seed: they would be one client.
fn client(seed: u8, ways: &[(CarrierKind, SocketAddr)]) -> (Client, Reports) {
    let limits = Limits::client();
    let udp = UdpCarrier::bind_any(SEND).unwrap();
    let rawtcp = RawTcpCarrier::dialler(rawtcp_config(&limits, Overrides::default())).unwrap();
    let (shard, _) =
        Shard::start(hub(seed, &limits), Carriers::new(Some(udp), Some(rawtcp)).unwrap(), limits, uncounted);
    let (psk, key, user) = keys();
    let servers = ways.iter().map(|(carrier, at)| {
        let keys = ClientKeys { psk: psk.clone(), server: key.public(), user: user.clone() };
        ServerAddress { carrier: *carrier, host: at.ip().to_string(), ports: Ports::one(at.port()), keys }
    });
    let reports = Reports::default();
    let seen = reports.clone();
    let client = Client::start(shard, servers.collect(), 1, move |report| seen.borrow_mut().push(report));
    (client, reports)
}

/// Carries some bytes to the server, and says by which carrier the link is up.
async fn carry(client: &Client, server: &Shard, reports: &Reports) -> CarrierKind {
    let near = client.open(PATIENCE).await.expect("a link");
    let data = Bytes::from(vec![5; 300_000]);
    let sent = near.write_all(data.clone());
    let received = async {
        let far = server.accept().await;
        let mut chunks = Vec::new();
        while chunks.iter().map(Bytes::len).sum::<usize>() < data.len() {
            far.read(usize::MAX, &mut chunks).await.unwrap();
        }
        chunks.concat()
    };
    let (sent, received) = tokio::join!(sent, received);
    sent.unwrap();
    assert_eq!(received, data);
    let (link, ..) = client.proven_link(PATIENCE).await.expect("a link that has carried something");
    let reports = reports.borrow();
    let told = reports.iter().find_map(|report| match report {
        Report::Up { link: up, carrier, .. } if *up == link => Some(*carrier),
        _ => None,
    });
    let kind = client.shard().with_hub(|hub, _| hub.carrier_kind(link));
    assert_eq!(told, kind);
    kind.expect("the link is up")
}

#[test]
fn there_is_no_shard_without_a_carrier() {
    assert!(Carriers::new(None, None).is_none());
}

#[test]
fn a_link_comes_by_either_carrier_and_flows_are_counted() {
    run(|| async {
        let (server, at_udp, at_rawtcp) = server();
        let flows = || server.stats().count("flows").unwrap();
        let (by_udp, reports) = client(2, &[(CarrierKind::Udp, at_udp)]);
        assert_eq!(carry(&by_udp, &server, &reports).await, CarrierKind::Udp);
        assert_eq!(flows(), 0);
        let (by_rawtcp, reports) = client(3, &[(CarrierKind::RawTcp, at_rawtcp)]);
        assert_eq!(carry(&by_rawtcp, &server, &reports).await, CarrierKind::RawTcp);
        assert_eq!(flows(), 1);
        // Both go on side by side.
        assert_eq!(server.stats().count("links"), Some(2));
        assert!(by_udp.probe(PATIENCE).await.is_ok() && by_rawtcp.probe(PATIENCE).await.is_ok());
        assert_eq!(server.stats().count("flows_greeted"), Some(1));
        assert_eq!(server.stats().count("segment_stray"), Some(0));
        server.close_carriers();
        assert_eq!(flows(), 0);
    });
}

#[test]
fn where_one_carrier_is_answered_by_nobody_the_other_leads_there() {
    run(|| async {
        let (server, at_udp, at_rawtcp) = server();
        // Somebody has these ports, and says nothing.
        let silent = std::net::UdpSocket::bind(LOOPBACK).unwrap();
        let ways = [(CarrierKind::Udp, silent.local_addr().unwrap()), (CarrierKind::RawTcp, at_rawtcp)];
        let (near, reports) = client(2, &ways);
        assert_eq!(carry(&near, &server, &reports).await, CarrierKind::RawTcp);
        let nobody = SocketAddr::new(LOOPBACK.ip(), 9);
        let (near, reports) = client(3, &[(CarrierKind::RawTcp, nobody), (CarrierKind::Udp, at_udp)]);
        assert_eq!(carry(&near, &server, &reports).await, CarrierKind::Udp);
    });
}
