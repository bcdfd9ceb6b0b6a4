use std::net::IpAddr;

use super::AddressPolicy;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("{text}"))
}

/// Each range: its first and last address, and the public neighbours below and above, where there
/// are any ("" where the neighbour is not public or does not exist).
const RANGES: &[(&str, &str, &str, &str)] = &[
    ("0.0.0.0", "0.255.255.255", "", "1.0.0.0"),
    ("10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"),
    ("100.64.0.0", "100.127.255.255", "100.63.255.255", "100.128.0.0"),
    ("127.0.0.0", "127.255.255.255", "126.255.255.255", "128.0.0.0"),
    ("168.63.129.16", "168.63.129.16", "168.63.129.15", "168.63.129.17"),
    ("169.254.0.0", "169.254.255.255", "169.253.255.255", "169.255.0.0"),
    ("172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0"),
    ("192.0.0.0", "192.0.0.255", "191.255.255.255", "192.0.1.0"),
    ("192.0.2.0", "192.0.2.255", "192.0.1.255", "192.0.3.0"),
    ("192.88.99.0", "192.88.99.255", "192.88.98.255", "192.88.100.0"),
    ("192.168.0.0", "192.168.255.255", "192.167.255.255", "192.169.0.0"),
    ("198.18.0.0", "198.19.255.255", "198.17.255.255", "198.20.0.0"),
    ("198.51.100.0", "198.51.100.255", "198.51.99.255", "198.51.101.0"),
    ("203.0.113.0", "203.0.113.255", "203.0.112.255", "203.0.114.0"),
    ("224.0.0.0", "239.255.255.255", "223.255.255.255", ""),
    ("240.0.0.0", "255.255.255.255", "", ""),
    // All below global unicast, less what NAT64 carries (its own test).
    ("::", "64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff", "", ""),
    ("::1", "::1", "", ""),
    ("64:ff9b:0:0:0:1::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "", "2000::"),
    ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "", ""),
    ("100::", "100::ffff:ffff:ffff:ffff", "", ""),
    // Teredo, the first /32 of this /23, has its own test.
    ("2001:1::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "", "2001:200::"),
    ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", "2001:db9::"),
    ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:1000::"),
    ("4000::", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", ""),
    ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "", ""),
    ("fe00::", "fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "", ""),
    ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "", ""),
    ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "", ""),
    ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "", ""),
];

/// Refused whatever the setting.
const NEVER: &[&str] = &[
    "0.0.0.0",
    "::",
    "::ffff:0.0.0.0",
    "224.0.0.0",
    "239.255.255.255",
    "255.255.255.255",
    "ff00::",
    "ff02::1",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "64:ff9b::0.0.0.0",
    "2002:e000:1::1",
];

#[test]
fn every_range_is_refused_from_its_first_to_its_last_address_and_no_further() {
    let policy = AddressPolicy::new(false);
    for &(first, last, below, above) in RANGES {
        assert!(!policy.permits(ip(first)), "{first}");
        assert!(!policy.permits(ip(last)), "{last}");
        for neighbour in [below, above].into_iter().filter(|text| !text.is_empty()) {
            assert_eq!(policy.refusal(ip(neighbour)), None, "{neighbour}");
        }
    }
}

#[test]
fn services_that_hand_out_keys_are_refused_by_every_name() {
    let policy = AddressPolicy::new(false);
    for address in [
        "169.254.169.254",
        "fd00:ec2::254",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "64:ff9b::169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
    ] {
        assert!(!policy.permits(ip(address)), "{address}");
    }
}

#[test]
fn an_address_that_carries_another_is_held_to_what_it_carries() {
    let policy = AddressPolicy::new(false);
    let table = [
        // Mapped, NAT64 and 6to4: a public one, and the edges of a private range.
        ("::ffff:8.8.8.8", true),
        ("::ffff:9.255.255.255", true),
        ("::ffff:10.0.0.0", false),
        ("::ffff:10.255.255.255", false),
        ("::ffff:11.0.0.0", true),
        ("64:ff9b::8.8.8.8", true),
        ("64:ff9b::0.0.0.0", false),
        ("64:ff9b::127.0.0.1", false),
        ("64:ff9b::192.168.1.1", false),
        ("64:ff9b::255.255.255.255", false),
        ("2002:808:808::1", true),
        ("2002:7f00:1::1", false),
        ("2002:c0a8:101::", false),
        ("2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false),
        // Teredo: the server in the clear, the client inverted: 8.8.8.8 is f7f7:f7f7, 10.0.0.1 is
        // f5ff:fffe.
        ("2001:0:808:808:0:0:f7f7:f7f7", true),
        ("2001:0:808:808:0:0:f5ff:fffe", false),
        ("2001:0:a00:1:0:0:f7f7:f7f7", false),
        ("2001:0:ffff:ffff:ffff:ffff:ffff:ffff", false),
    ];
    for (address, permitted) in table {
        assert_eq!(policy.permits(ip(address)), permitted, "{address}");
    }
}

#[test]
fn well_known_public_hosts_are_permitted() {
    let policy = AddressPolicy::new(false);
    for address in ["1.1.1.1", "8.8.8.8", "193.0.6.139", "2606:4700::1111", "2a00:1450:4001::8a"] {
        assert_eq!(policy.refusal(ip(address)), None, "{address}");
    }
}

#[test]
fn allow_private_permits_all_that_means_one_host() {
    let policy = AddressPolicy::new(true);
    for address in NEVER {
        assert!(!policy.permits(ip(address)), "{address}");
    }
    let ends = RANGES.iter().flat_map(|range| [range.0, range.1]);
    for address in ends.filter(|address| !NEVER.contains(address)) {
        assert_eq!(policy.refusal(ip(address)), None, "{address}");
    }
    for address in ["::ffff:127.0.0.1", "0.0.0.1", "64:ff9b::10.0.0.1", "2002:7f00:1::1"] {
        assert_eq!(policy.refusal(ip(address)), None, "{address}");
    }
}

#[test]
fn the_owners_own_refusals_hold_in_either_setting_and_in_either_form() {
    for allow_private in [false, true] {
        let policy = AddressPolicy::new(allow_private).refusing([
            ip("198.41.0.4"),
            ip("::ffff:198.41.0.10"),
            ip("2606:4700::1"),
        ]);
        for address in ["198.41.0.4", "::ffff:198.41.0.4", "198.41.0.10", "2606:4700::1"] {
            assert!(!policy.permits(ip(address)), "{address}");
        }
        assert!(!policy.permits(ip("64:ff9b::198.41.0.4")));
        assert!(policy.permits(ip("198.41.0.5")));
    }
}
