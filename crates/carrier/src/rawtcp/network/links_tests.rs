use super::*;

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = (4 + value.len() as u16).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// A link of an ARPHRD type and a driver's kind, with more of the driver's own data.
fn link(layer: u16, kind: &[u8], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0];
    bytes.extend(layer.to_ne_bytes());
    bytes.extend(7u32.to_ne_bytes());
    bytes.extend((libc::IFF_UP as u32 | libc::IFF_LOWER_UP as u32).to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(attribute(libc::IFLA_IFNAME, b"name\0"));
    bytes.extend(attribute(libc::IFLA_ADDRESS, &[2, 0, 0, 0, 0, 1]));
    bytes.extend(attribute(libc::IFLA_MTU, &1500u32.to_ne_bytes()));
    let info = [attribute(libc::IFLA_INFO_KIND, kind), attribute(libc::IFLA_INFO_DATA, data)].concat();
    bytes.extend(attribute(libc::IFLA_LINKINFO, &info));
    bytes
}

#[test]
fn kinds_that_this_machine_may_not_have() {
    for (layer, kind, frames, tunnel) in [
        (libc::ARPHRD_ETHER, &b""[..], Kind::Ethernet, false),
        (libc::ARPHRD_NONE, b"wireguard", Kind::Bare, true),
        (libc::ARPHRD_NONE, b"amneziawg\0", Kind::Bare, true),
        (libc::ARPHRD_NONE, b"", Kind::Bare, true),
        (libc::ARPHRD_PPP, b"ppp", Kind::Bare, true),
        (libc::ARPHRD_SIT, b"sit", Kind::Bare, true),
        (libc::ARPHRD_TUNNEL6, b"ip6tnl", Kind::Bare, true),
        (libc::ARPHRD_IPGRE, b"gre", Kind::Bare, true),
        (libc::ARPHRD_ETHER, b"ip6gretap", Kind::Ethernet, true),
        (libc::ARPHRD_ETHER, b"vlan", Kind::Ethernet, false),
        (libc::ARPHRD_ETHER, b"bond", Kind::Ethernet, false),
        (519, b"rmnet", Kind::Bare, false),
        (libc::ARPHRD_INFINIBAND, b"ipoib", Kind::Other, false),
        (libc::ARPHRD_LOOPBACK, b"", Kind::Loopback, false),
    ] {
        let link = parse_link(&link(layer, kind, &[])).unwrap().interface;
        assert_eq!((link.kind, link.tunnel), (frames, tunnel), "{layer} {kind:?}");
        assert_eq!(link.hardware.is_some(), matches!(frames, Kind::Ethernet | Kind::Loopback));
    }
}

#[test]
fn a_tun_device_has_no_header_whatever_type_it_was_given() {
    let parsed = parse_link(&link(libc::ARPHRD_ETHER, b"tun", &attribute(TUN_TYPE, &[TUN_OF_PACKETS]))).unwrap();
    assert_eq!((parsed.interface.kind, parsed.interface.tunnel), (Kind::Bare, true));
    let tap = parse_link(&link(libc::ARPHRD_ETHER, b"tun", &attribute(TUN_TYPE, &[2]))).unwrap();
    assert_eq!((tap.interface.kind, tap.interface.tunnel), (Kind::Ethernet, false));
    // The same number means something else to another driver.
    let bond = parse_link(&link(libc::ARPHRD_ETHER, b"bond", &attribute(TUN_TYPE, &[1]))).unwrap();
    assert_eq!((bond.interface.kind, bond.interface.tunnel), (Kind::Ethernet, false));
}

#[test]
fn links_and_addresses_that_are_cut_off_or_changed_never_panic() {
    let whole = link(libc::ARPHRD_NONE, b"tun", &attribute(TUN_TYPE, &[1]));
    for end in 0..whole.len() {
        let _ = parse_link(&whole[..end]);
        let _ = parse_address(&whole[..end]);
        for byte in [0, 3, 0x7f, 0xff] {
            let mut bad = whole.clone();
            bad[end] = byte;
            let _ = parse_link(&bad);
            let _ = parse_address(&bad);
        }
    }
    assert!(parse_link(&whole[..LINK_HEADER]).is_none(), "an interface without a name is none");
}
