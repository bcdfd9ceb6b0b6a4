//! The raw TCP carrier over real interfaces, in network namespaces.
#![cfg(target_os = "linux")]

mod ends;
mod namespaces;

use ends::{OURS, batch, cable, config, exchange, receive, resets, run, send, with_server, with_server_as};
use ginnel_carrier::batch::Sent;
use ginnel_carrier::rawtcp::{Error, Overrides, RawTcpCarrier, Trouble};
use namespaces::Namespace;
use rustix::thread::CapabilitySet;
use socket2::{Domain, Protocol, Type};
use std::future::poll_fn;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::time::Duration;
use tokio::time::timeout;

const V4: &str = "10.9.0.2";
const V6: &str = "fd00:9::2";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn dialler() -> RawTcpCarrier {
    RawTcpCarrier::dialler(config(Overrides::default())).unwrap()
}

/// Batches of the largest segments go there and back, three times.
fn batches_go_there_and_back(here: &Namespace, there: &Namespace, address: &str, segment: usize, offload: bool) {
    let (flows, counts) = with_server(there, ip(address), offload, |to| {
        run(here, async || {
            let dialler = dialler();
            let mut client = if offload { dialler } else { dialler.without_offload() };
            // A whole batch is more than may wait for its flow.
            exchange(&mut client, to, OURS, OURS.len()).await;
            for _ in 0..3 {
                let (remote, local) = exchange(&mut client, to, &batch(segment), segment).await;
                assert_eq!((remote, local.is_ipv4()), (to, to.is_ipv4()));
            }
            assert_eq!((client.counts().0, client.counts().1.refused), (1, 0));
            assert_eq!(client.dropped(), 0);
        });
    });
    assert_eq!((flows, counts.greeted, counts.malformed, counts.checksums, counts.refused), (1, 1, 0, 0, 0));
    assert_eq!((resets(here), resets(there)), (0, 0));
}

#[test]
fn batches_go_there_and_back_over_the_loopback() {
    let Some(place) = Namespace::new() else { return };
    for (address, segment) in [("127.0.0.1", 1448), ("::1", 1428)] {
        batches_go_there_and_back(&place, &place, address, segment, true);
        batches_go_there_and_back(&place, &place, address, segment, false);
    }
}

#[test]
fn batches_go_there_and_back_over_a_cable() {
    let Some((here, there)) = cable() else { return };
    for (address, segment) in [(V4, 1448), (V6, 1428)] {
        batches_go_there_and_back(&here, &there, address, segment, true);
        batches_go_there_and_back(&here, &there, address, segment, false);
    }
}

#[test]
fn batches_go_there_and_back_without_offloads() {
    let Some((here, there)) = cable() else { return };
    if std::process::Command::new("ethtool").arg("--version").output().is_err() {
        eprintln!("skipped: needs ethtool(8) to turn offloads off");
        return;
    }
    here.run("ethtool -K near tx off rx off tso off gso off gro off");
    there.run("ethtool -K far tx off rx off tso off gso off gro off");
    for (address, segment) in [(V4, 1448), (V6, 1428)] {
        batches_go_there_and_back(&here, &there, address, segment, true);
        batches_go_there_and_back(&here, &there, address, segment, false);
    }
}

#[test]
fn segments_are_as_long_as_the_interface_lets_them_be() {
    let Some((here, there)) = cable() else { return };
    here.ip("link set near mtu 1300");
    for (address, segment) in [(V4, 1248), (V6, 1228)] {
        batches_go_there_and_back(&here, &there, address, segment, true);
        with_server(&there, ip(address), true, |to| {
            run(&here, async || {
                let mut client = dialler();
                exchange(&mut client, to, OURS, OURS.len()).await;
                assert_eq!(send(&mut client, to, None, &batch(segment + 1), segment + 1).await, Sent::Refused);
            });
        });
    }
}

#[test]
fn an_unspecified_address_listens_to_both_families_but_not_for_other_machines() {
    let Some((here, there)) = cable() else { return };
    let (_, counts) = with_server(&there, ip("::"), true, |to| {
        run(&here, async || {
            let mut client = dialler();
            // The server's machine is on the way to these, and is not them.
            for other in ["198.51.100.1", "2001:db8::1"] {
                let other = SocketAddr::new(ip(other), to.port());
                assert_eq!(send(&mut client, other, None, OURS, OURS.len()).await, Sent::Taken);
            }
            for address in [V4, V6] {
                exchange(&mut client, SocketAddr::new(ip(address), to.port()), OURS, OURS.len()).await;
            }
        });
    });
    assert_eq!(counts.greeted, 2);
}

#[test]
fn a_flow_goes_on_from_another_address_when_ours_has_gone() {
    let Some((here, there)) = cable() else { return };
    with_server(&there, ip(V4), true, |to| {
        run(&here, async || {
            let mut client = dialler();
            let (_, before) = exchange(&mut client, to, OURS, OURS.len()).await;
            assert_eq!(before.ip(), ip("10.9.0.1"));
            here.ip("address del 10.9.0.1/24 dev near");
            here.ip("address add 10.9.0.7/24 dev near");
            loop {
                assert_eq!(send(&mut client, to, None, OURS, OURS.len()).await, Sent::Taken);
                // Until the news has been looked at, what is sent leaves from the old address, and may be answered or not.
                if let Ok(heard) = timeout(Duration::from_millis(50), receive(&mut client)).await
                    && heard[0].local.ip() == ip("10.9.0.7")
                {
                    break;
                }
            }
            assert_eq!(client.counts().1.renewed, 1);
        });
    });
}

/// The reason why nothing can be sent to a server.
fn trouble(place: &Namespace, to: &str, overrides: Overrides) -> Trouble {
    let to = SocketAddr::new(ip(to), 443);
    run(place, async || {
        let mut client = RawTcpCarrier::dialler(config(overrides)).unwrap();
        send(&mut client, to, None, OURS, OURS.len()).await;
        let mut out = Vec::new();
        let trouble = poll_fn(|cx| {
            while client.poll_receive(cx, &mut out).is_ready() {}
            client.trouble().map_or(std::task::Poll::Pending, std::task::Poll::Ready)
        });
        let (remote, trouble) = trouble.await;
        assert_eq!(remote, to);
        trouble
    })
}

#[test]
fn where_there_is_no_way_it_says_why() {
    let Some((here, _there)) = cable() else { return };
    // Nobody there has this address. That takes its three seconds.
    assert!(matches!(trouble(&here, "10.9.0.99", Overrides::default()), Trouble::Neighbour));
    here.ip("route add unreachable 203.0.113.0/24");
    assert!(matches!(trouble(&here, "203.0.113.1", Overrides::default()), Trouble::Way(_)));
    let overrides = Overrides { interface: Some("nowhere".into()), ..Overrides::default() };
    assert!(matches!(trouble(&here, V4, overrides), Trouble::Way(_)));
}

#[test]
fn a_port_that_is_taken_is_named() {
    let Some(place) = Namespace::new() else { return };
    run(&place, async || {
        let listen = |port| RawTcpCarrier::listen(ip("127.0.0.1"), [port], config(Overrides::default()));
        // Of its own, and of others.
        let carrier = listen(0).unwrap();
        let ours = carrier.local_address().port();
        assert_eq!(carrier.ports(), [ours]);
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        for port in [ours, other.local_addr().unwrap().port()] {
            assert!(matches!(listen(port), Err(Error::Port { port: named, .. }) if named == port));
        }
    });
}

#[test]
fn without_the_right_it_is_the_right_that_is_missing() {
    let Some(place) = Namespace::new() else { return };
    run(&place, async || {
        // Of this thread alone.
        let mut rights = rustix::thread::capabilities(None).unwrap();
        rights.effective.remove(CapabilitySet::NET_RAW);
        rustix::thread::set_capabilities(None, rights).unwrap();
        let listen = RawTcpCarrier::listen(ip("127.0.0.1"), [0], config(Overrides::default()));
        assert!(matches!(listen, Err(Error::Rights)));
        assert!(matches!(RawTcpCarrier::dialler(config(Overrides::default())), Err(Error::Rights)));
    });
}

/// A packet of TCP over IPv4 to a server's port, from a port of nobody's, its checksum wrong.
fn damaged(to: SocketAddr) -> Vec<u8> {
    let IpAddr::V4(address) = to.ip() else { panic!("IPv4 only") };
    let mut packet = vec![0x45, 0, 0, 40, 1, 2, 0x40, 0, 64, 6, 0, 0, 10, 9, 0, 1];
    packet.extend(address.octets());
    packet.extend([0x30, 0x39]);
    packet.extend(to.port().to_be_bytes());
    packet.extend([1, 2, 3, 4, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0xba, 0xad, 0, 0]);
    packet
}

#[test]
fn what_the_wire_has_damaged_is_counted_and_not_answered() {
    let Some((here, there)) = cable() else { return };
    let (_, counts) = with_server(&there, ip(V4), true, |to| {
        run(&here, async || {
            let mut client = dialler();
            exchange(&mut client, to, OURS, OURS.len()).await;
            let raw = socket2::Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW))).unwrap();
            for _ in 0..5 {
                raw.send_to(&damaged(to), &to.into()).unwrap();
            }
            exchange(&mut client, to, OURS, OURS.len()).await;
        });
    });
    assert_eq!((counts.checksums, counts.greeted), (5, 1));
}

#[test]
fn when_a_client_closes_nothing_is_left_and_its_port_is_free() {
    let Some((here, there)) = cable() else { return };
    with_server(&there, ip(V4), true, |to| {
        run(&here, async || {
            let mut client = dialler();
            let (_, local) = exchange(&mut client, to, OURS, OURS.len()).await;
            assert_eq!(TcpListener::bind(local).unwrap_err().kind(), ErrorKind::AddrInUse);
            client.close();
            assert_eq!(client.counts().0, 0);
            drop(client);
            // Another test may be starting a program, whose process still has all that this one has had.
            while TcpListener::bind(local).is_err() {}
        });
    });
}

#[test]
fn a_server_takes_only_what_comes_by_its_interface() {
    let Some((here, there)) = cable() else { return };
    let by = |name: &str| Overrides { interface: Some(name.into()), ..Overrides::default() };
    for (interface, greeted) in [("far", 1), ("lo", 0)] {
        let (_, counts) = with_server_as(&there, ip(V4), true, by(interface), |to| {
            run(&here, async || {
                let mut client = dialler();
                send(&mut client, to, None, OURS, OURS.len()).await;
                if greeted == 1 {
                    receive(&mut client).await;
                } else {
                    assert!(timeout(Duration::from_millis(500), receive(&mut client)).await.is_err());
                }
            });
        });
        assert_eq!(counts.greeted, greeted, "{interface}");
    }
}

#[test]
fn a_way_that_turns_into_a_tunnel_is_left() {
    let Some((here, there)) = cable() else { return };
    with_server(&there, ip(V4), true, |to| {
        run(&here, async || {
            let mut client = dialler();
            exchange(&mut client, to, OURS, OURS.len()).await;
            here.ip("tuntap add dev vpn mode tun");
            here.ip("link set vpn up");
            here.ip(&format!("route add {V4}/32 dev vpn"));
            let mut out = Vec::new();
            let trouble = poll_fn(|cx| {
                while client.poll_receive(cx, &mut out).is_ready() {}
                client.trouble().map_or(std::task::Poll::Pending, std::task::Poll::Ready)
            });
            let (remote, trouble) = trouble.await;
            assert_eq!((remote, client.counts().0), (to, 0));
            assert!(matches!(trouble, Trouble::Tunnel(name) if name == "vpn"));
        });
    });
}
