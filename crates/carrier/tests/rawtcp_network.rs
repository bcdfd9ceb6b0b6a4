//! What netlink tells, in network namespaces.
#![cfg(target_os = "linux")]

mod namespaces;

use ginnel_carrier::rawtcp::network::{self, Changes, Interface, Kind};
use namespaces::Namespace;
use std::ffi::OsStr;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;
use std::time::Duration;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Two ends of a wire, 10.9.0.1 and fd00:9::1 here, 10.9.0.2 and fd00:9::2 there, which routes to everywhere.
fn wire() -> Option<(Namespace, Namespace)> {
    let (here, there) = (Namespace::new()?, Namespace::new()?);
    here.ip(&format!("link add near address 02:00:00:00:00:01 type veth peer name far netns {}", there.name()));
    there.ip("link set far address 02:00:00:00:00:02");
    for (end, device, host) in [(&here, "near", 1), (&there, "far", 2)] {
        end.ip(&format!("link set {device} up"));
        end.ip(&format!("address add 10.9.0.{host}/24 dev {device}"));
        end.ip(&format!("address add fd00:9::{host}/64 dev {device} nodad"));
    }
    here.ip("route add default via 10.9.0.2");
    here.ip("route add default via fd00:9::2");
    Some((here, there))
}

fn find(name: &str) -> Interface {
    let all = network::interfaces().unwrap();
    all.iter().find(|one| one.name == name).unwrap_or_else(|| panic!("no {name} in {all:?}")).clone()
}

fn errno(result: io::Result<network::Way>) -> Option<i32> {
    result.unwrap_err().raw_os_error()
}

#[test]
fn interfaces_have_their_facts() {
    let Some((here, _there)) = wire() else { return };
    here.ip("link set near mtu 1400");
    here.ip("tuntap add dev unused mode tap");
    here.inside(|| {
        let near = find("near");
        assert_eq!((near.kind, near.tunnel, near.up, near.mtu), (Kind::Ethernet, false, true, 1400));
        assert_eq!(near.hardware, Some([2, 0, 0, 0, 0, 1]));
        assert!(near.addresses.contains(&ip("10.9.0.1")) && near.addresses.contains(&ip("fd00:9::1")), "{near:?}");
        let lo = find("lo");
        assert_eq!((lo.kind, lo.tunnel, lo.up), (Kind::Loopback, false, true));
        assert_eq!(lo.addresses, [ip("127.0.0.1"), ip("::1")]);
        let unused = find("unused");
        assert_eq!((unused.kind, unused.up, unused.addresses), (Kind::Ethernet, false, vec![]));
    });
}

#[test]
fn an_end_without_its_other_end_is_down() {
    let Some((here, there)) = wire() else { return };
    there.ip("link set far down");
    here.inside(|| assert!(!find("near").up));
}

#[test]
fn addresses_that_cannot_be_used_are_not_told() {
    let Some((here, _there)) = wire() else { return };
    // The other end has it: duplicate address detection would say so; until then the address is tentative.
    here.run("sysctl -q -w net.ipv6.conf.near.dad_transmits=1000");
    here.ip("address add fd00:9::77/64 dev near");
    here.inside(|| assert!(!find("near").addresses.contains(&ip("fd00:9::77"))));
}

#[test]
fn a_point_to_point_interface_has_its_own_address_not_its_peers() {
    let Some(here) = Namespace::new() else { return };
    here.ip("tuntap add dev ptp0 mode tun");
    here.ip("address add 10.8.0.6 peer 10.8.0.5 dev ptp0");
    here.inside(|| assert_eq!(find("ptp0").addresses, [ip("10.8.0.6")]));
}

#[test]
fn tunnels_are_known_by_their_kind_and_taps_are_none() {
    let Some(here) = Namespace::new() else { return };
    here.ip("tuntap add dev tun7 mode tun");
    here.ip("tuntap add dev tap7 mode tap");
    here.inside(|| {
        assert_eq!((find("tun7").kind, find("tun7").tunnel), (Kind::Bare, true));
        assert_eq!((find("tap7").kind, find("tap7").tunnel), (Kind::Ethernet, false));
    });
    // What else this kernel can make.
    for (name, kind, frames, is_tunnel) in [
        ("wg7", "wireguard", Kind::Bare, true),
        ("sit7", "sit local 127.0.0.1 remote 127.0.0.2", Kind::Bare, true),
        ("ipip7", "ipip local 127.0.0.1 remote 127.0.0.2", Kind::Bare, true),
        ("gre7", "gre local 127.0.0.1 remote 127.0.0.2", Kind::Bare, true),
        ("gretap7", "gretap local 127.0.0.1 remote 127.0.0.2", Kind::Ethernet, true),
        ("vti7", "vti local 127.0.0.1 remote 127.0.0.2 key 7", Kind::Bare, true),
        ("xfrm7", "xfrm dev lo if_id 7", Kind::Bare, true),
        ("br7", "bridge", Kind::Ethernet, false),
        ("vxlan7", "vxlan id 7 local 127.0.0.1 dstport 4789", Kind::Ethernet, false),
    ] {
        let words = [&["-n", here.name(), "link", "add", name, "type"], &kind.split(' ').collect::<Vec<_>>()[..]];
        if !Command::new("ip").args(words.concat()).status().unwrap().success() {
            eprintln!("skipped in part: this kernel makes no {kind}");
            continue;
        }
        here.inside(|| assert_eq!((find(name).kind, find(name).tunnel), (frames, is_tunnel), "{kind}"));
    }
}

#[test]
fn a_name_of_odd_bytes_breaks_nothing() {
    let Some(here) = Namespace::new() else { return };
    let name = OsStr::from_bytes(b"we\xffird\xc3");
    let odd = |before: &str, after: &str| {
        let mut command = Command::new("ip");
        command.args(["-n", here.name()]).args(before.split(' ')).arg(name).args(after.split(' '));
        assert!(command.status().unwrap().success());
    };
    odd("link add", "type veth peer name end");
    odd("link set", "up");
    odd("address add 10.7.0.9/24 dev", "broadcast +");
    here.ip("link set end up");
    here.inside(|| {
        let weird = find("we\u{fffd}ird\u{fffd}");
        assert_eq!((weird.up, weird.addresses.contains(&ip("10.7.0.9"))), (true, true));
        assert_eq!(network::way(ip("10.7.0.1"), None, None).unwrap().interface, weird);
        network::ask_for_neighbour(weird.index, ip("10.7.0.1")).unwrap();
        assert_eq!(network::interfaces().unwrap().len(), 3);
    });
}

#[test]
fn many_interfaces_come_in_many_answers_and_all_are_told() {
    let Some(here) = Namespace::new() else { return };
    let batch: String = (0..150).map(|n| format!("link add many{n} type veth peer name other{n}\n")).collect();
    let file = std::env::temp_dir().join(format!("{}.ip", here.name()));
    std::fs::write(&file, batch).unwrap();
    here.ip(&format!("-batch {}", file.display()));
    std::fs::remove_file(&file).unwrap();
    here.inside(|| assert_eq!(network::interfaces().unwrap().len(), 301));
}

#[test]
fn the_way_leads_to_a_neighbour_or_a_gateway() {
    let Some((here, _there)) = wire() else { return };
    here.inside(|| {
        for (to, next, source) in [
            ("10.9.0.2", "10.9.0.2", "10.9.0.1"),
            ("198.51.100.7", "10.9.0.2", "10.9.0.1"),
            ("fd00:9::2", "fd00:9::2", "fd00:9::1"),
            ("2001:db8::7", "fd00:9::2", "fd00:9::1"),
            ("::ffff:198.51.100.7", "10.9.0.2", "10.9.0.1"),
        ] {
            let way = network::way(ip(to), None, None).unwrap();
            assert_eq!((way.interface.name.as_str(), way.next, way.source), ("near", ip(next), ip(source)), "{to}");
            assert!(way.interface.addresses.contains(&ip(source)));
        }
    });
}

#[test]
fn the_way_to_ourselves_is_the_loopback() {
    let Some((here, _there)) = wire() else { return };
    here.inside(|| {
        for to in ["127.0.0.1", "127.8.9.10", "::1", "10.9.0.1", "fd00:9::1"] {
            let way = network::way(ip(to), None, None).unwrap();
            assert_eq!((way.interface.name.as_str(), way.next), ("lo", ip(to)), "{to}");
        }
        let way = network::way(ip("10.9.0.1"), Some("near"), None).unwrap();
        assert_eq!(way.interface.name, "lo");
    });
}

#[test]
fn the_way_over_an_ipv6_gateway_for_ipv4() {
    let Some((here, _there)) = wire() else { return };
    here.ip("route add 203.0.113.0/24 via inet6 fe80::2 dev near");
    here.inside(|| {
        let way = network::way(ip("203.0.113.1"), None, None).unwrap();
        assert_eq!((way.next, way.source), (ip("fe80::2"), ip("10.9.0.1")));
    });
}

#[test]
fn the_way_takes_the_interface_and_the_source_that_are_asked_for() {
    let Some((here, there)) = wire() else { return };
    here.ip(&format!("link add second type veth peer name other netns {}", there.name()));
    here.ip("link set second up");
    there.ip("link set other up");
    here.ip("address add 10.8.0.1/24 dev second");
    here.ip("address add 10.9.0.9/24 dev near");
    here.ip("address add fd00:9::9/64 dev near nodad");
    here.ip("route add default via 10.8.0.2 metric 500");
    here.inside(|| {
        let to = ip("198.51.100.7");
        let way = network::way(to, Some("second"), None).unwrap();
        assert_eq!((way.interface.name.as_str(), way.next, way.source), ("second", ip("10.8.0.2"), ip("10.8.0.1")));
        let way = network::way(to, None, Some(ip("10.9.0.9"))).unwrap();
        assert_eq!((way.interface.name.as_str(), way.source), ("near", ip("10.9.0.9")));
        let way = network::way(ip("2001:db8::7"), None, Some(ip("fd00:9::9"))).unwrap();
        assert_eq!((way.interface.name.as_str(), way.source), ("near", ip("fd00:9::9")));
    });
}

#[test]
fn policy_routes_by_source_are_followed() {
    let Some((here, there)) = wire() else { return };
    here.ip(&format!("link add second type veth peer name other netns {}", there.name()));
    here.ip("link set second up");
    there.ip("link set other up");
    here.ip("address add 10.8.0.1/24 dev second");
    here.ip("rule add from 10.8.0.1 table 77");
    here.ip("route add default via 10.8.0.2 table 77");
    here.inside(|| {
        let way = network::way(ip("198.51.100.7"), None, Some(ip("10.8.0.1"))).unwrap();
        assert_eq!((way.interface.name.as_str(), way.next), ("second", ip("10.8.0.2")));
        assert_eq!(network::way(ip("198.51.100.7"), None, None).unwrap().interface.name, "near");
    });
}

#[test]
fn without_a_way_the_error_is_the_systems() {
    let Some((here, _there)) = wire() else { return };
    here.ip("route add unreachable 198.51.100.0/24");
    here.ip("route add prohibit 198.51.101.0/24");
    here.ip("route add blackhole 198.51.102.0/24");
    here.ip("route add unreachable 2001:db8:1::/48");
    here.ip("route add prohibit 2001:db8:2::/48");
    here.inside(|| {
        assert_eq!(errno(network::way(ip("198.51.100.1"), None, None)), Some(libc::EHOSTUNREACH));
        assert_eq!(errno(network::way(ip("198.51.101.1"), None, None)), Some(libc::EACCES));
        assert!(network::way(ip("198.51.102.1"), None, None).is_err());
        assert!(network::way(ip("2001:db8:1::1"), None, None).is_err());
        assert!(network::way(ip("2001:db8:2::1"), None, None).is_err());
        assert!(network::way(ip("10.9.0.255"), None, None).is_err(), "a broadcast address is no host");
        assert!(network::way(ip("224.0.0.251"), None, None).is_err(), "a multicast address is no host");
        assert_eq!(errno(network::way(ip("10.9.0.2"), Some("none"), None)), Some(libc::ENODEV));
        assert_eq!(errno(network::way(ip("10.9.0.2"), None, Some(ip("fd00:9::1")))), Some(libc::EAFNOSUPPORT));
        assert!(network::way(ip("10.9.0.2"), None, Some(ip("192.0.2.99"))).is_err());
        let stranger = network::way(ip("fd00:9::2"), None, Some(ip("2001:db8::99")));
        assert_eq!(errno(stranger), Some(libc::EADDRNOTAVAIL));
    });
    let Some(alone) = Namespace::new() else { return };
    alone.inside(|| {
        assert_eq!(errno(network::way(ip("198.51.100.1"), None, None)), Some(libc::ENETUNREACH));
        assert_eq!(errno(network::way(ip("2001:db8::1"), None, None)), Some(libc::ENETUNREACH));
    });
}

/// Waits for news until `known` says that they are enough.
async fn until(changes: &mut Changes, mut known: impl FnMut() -> bool) {
    // Real time, and a bound only: the kernel answers when the neighbour has.
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while !known() {
            poll_fn(|cx| changes.poll(cx)).await;
        }
    });
    waited.await.expect("news of it");
}

fn on_a_runtime(namespace: &Namespace, test: impl AsyncFnOnce() + Send) {
    namespace.inside(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(test());
    });
}

#[test]
fn a_neighbour_is_asked_for_and_the_answer_is_news() {
    let Some((here, _there)) = wire() else { return };
    on_a_runtime(&here, async || {
        let mut changes = Changes::watch().unwrap();
        let near = find("near").index;
        for address in ["10.9.0.2", "fd00:9::2"] {
            assert_eq!(network::neighbour(near, ip(address)).unwrap(), None, "{address}");
            network::ask_for_neighbour(near, ip(address)).unwrap();
            until(&mut changes, || network::neighbour(near, ip(address)).unwrap().is_some()).await;
            assert_eq!(network::neighbour(near, ip(address)).unwrap(), Some([2, 0, 0, 0, 0, 2]), "{address}");
        }
        assert_eq!(network::neighbour(near + 100, ip("10.9.0.2")).unwrap(), None);
        assert_eq!(network::neighbour(near, ip("10.9.0.3")).unwrap(), None);
    });
}

#[test]
fn a_neighbour_that_does_not_answer_is_not_known() {
    let Some((here, _there)) = wire() else { return };
    here.ip("neighbour add 10.9.0.66 dev near nud failed");
    here.ip("neighbour add 10.9.0.67 dev near lladdr 02:00:00:00:00:67 nud permanent");
    here.inside(|| {
        let near = find("near").index;
        assert_eq!(network::neighbour(near, ip("10.9.0.66")).unwrap(), None);
        assert_eq!(network::neighbour(near, ip("10.9.0.67")).unwrap(), Some([2, 0, 0, 0, 0, 0x67]));
        assert_eq!(network::ask_for_neighbour(9999, ip("10.9.0.2")).unwrap_err().raw_os_error(), Some(libc::ENODEV));
    });
}

#[test]
fn whatever_changes_is_news_once() {
    let Some((here, _there)) = wire() else { return };
    on_a_runtime(&here, async || {
        let mut changes = Changes::watch().unwrap();
        quiet(&mut changes).await;
        for change in [
            "address add 10.9.0.40/24 dev near",
            "address add fd00:9::40/64 dev near nodad",
            "route add 192.0.2.0/24 via 10.9.0.2",
            "route add 2001:db8:5::/48 via fd00:9::2",
            "neighbour add 10.9.0.50 dev near lladdr 02:00:00:00:00:50",
            "rule add from 10.9.0.40 table 99",
            "-6 rule add from fd00:9::40 table 99",
            "link set near mtu 1300",
            "link add fresh type veth peer name other",
        ] {
            here.ip(change);
            let news = tokio::time::timeout(Duration::from_secs(20), poll_fn(|cx| changes.poll(cx))).await;
            news.unwrap_or_else(|_| panic!("no news of {change}"));
            quiet(&mut changes).await;
        }
        // Far more than its buffer holds: told all the same, and not for ever.
        let flood: String =
            (0..20_000).map(|n| format!("route add 172.16.{}.{} dev near\n", n / 250, n % 250)).collect();
        let file = std::env::temp_dir().join(format!("{}.ip", here.name()));
        std::fs::write(&file, flood).unwrap();
        here.ip(&format!("-batch {}", file.display()));
        std::fs::remove_file(&file).unwrap();
        poll_fn(|cx| changes.poll(cx)).await;
        quiet(&mut changes).await;
        here.ip("link set near mtu 1280");
        poll_fn(|cx| changes.poll(cx)).await;
    });
}

/// Takes news until there are none, for as long as the system has more to say of what has happened.
async fn quiet(changes: &mut Changes) {
    while tokio::time::timeout(Duration::from_millis(50), poll_fn(|cx| changes.poll(cx))).await.is_ok() {}
}
