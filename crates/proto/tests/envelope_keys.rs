//! Keys: every purpose and every owner has its own, and none of them shows itself.

mod fixtures;

use fixtures::Deployment;
use ginnel_proto::envelope::keys::{LinkKeys, OuterKeys, PrivateKey, Psk, PublicKey, SplitKey, derive_user_key};
use std::collections::HashSet;

#[test]
fn every_purpose_has_its_own_key() {
    let first = [1; 32];
    let outer = OuterKeys::derive(&Psk::new(first), &PublicKey(first));
    let link = LinkKeys::derive(&SplitKey::new(first), &SplitKey::new(first));
    let user = derive_user_key(&PrivateKey::new(first), "", 0);
    // The two data keys of a link have one label: Noise has made their secrets two. All others
    // differ by label alone, also in the 16 bytes that a header key has.
    let keys: [&[u8]; 6] = [
        &outer.to_server[..16],
        &outer.to_client[..16],
        &outer.header_to_server,
        &link.to_server[..16],
        &link.header_to_client,
        &user.expose()[..16],
    ];
    assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len());
    assert_eq!(link.to_server, link.to_client);
}

#[test]
fn each_direction_of_a_link_follows_its_own_secret() {
    let (one, two) = (SplitKey::new([1; 32]), SplitKey::new([2; 32]));
    let (link, swapped) = (LinkKeys::derive(&one, &two), LinkKeys::derive(&two, &one));
    assert_eq!((link.to_server, link.to_client), (swapped.to_client, swapped.to_server));
    assert_ne!(link.to_server, link.to_client);
    assert_ne!(link.header_to_client, swapped.header_to_client);
}

#[test]
fn outer_keys_differ_between_deployments_and_between_servers_of_one() {
    let here = Deployment::new();
    let other_psk = Deployment::of([9; 32], [2; 32], [3; 32]);
    let other_server = Deployment::of([1; 32], [9; 32], [3; 32]);
    for other in [other_psk, other_server] {
        assert_ne!(here.outer.to_server, other.outer.to_server);
        assert_ne!(here.outer.to_client, other.outer.to_client);
        assert_ne!(here.outer.header_to_server, other.outer.header_to_server);
    }
}

#[test]
fn a_users_key_follows_server_name_and_generation() {
    let (server, other) = (PrivateKey::new([2; 32]), PrivateKey::new([4; 32]));
    let key = derive_user_key(&server, "laptop", 1);
    assert_eq!(key, derive_user_key(&server, "laptop", 1));
    let others = [
        derive_user_key(&server, "laptop", 2),
        derive_user_key(&server, "laptop", 0x0100_0000),
        derive_user_key(&server, "Laptop", 1),
        derive_user_key(&server, "", 1),
        derive_user_key(&other, "laptop", 1),
    ];
    for other in others {
        assert_ne!(key, other);
        assert_ne!(key.public(), other.public());
    }
}

#[test]
fn no_secret_shows_in_debug() {
    let secret = *b"these thirty-two bytes are secre";
    let keys = Deployment::of(secret, secret, secret);
    let shown = format!(
        "{:?} {:?} {:?} {:?} {:?} {:?}",
        keys.psk,
        keys.server,
        keys.outer,
        keys.client_keys(),
        SplitKey::new(secret),
        LinkKeys::derive(&SplitKey::new(secret), &SplitKey::new(secret)),
    );
    // Of the client's keys the server's public one may show; nothing else has any number.
    let shown = shown.replace(&format!("{:?}", keys.server.public()), "");
    assert!(shown.contains("Psk(…)") && shown.contains("OuterKeys(…)") && shown.contains("LinkKeys(…)"), "{shown}");
    assert!(!shown.chars().any(|c| c.is_ascii_digit()) && !shown.contains("secre"), "{shown}");
}

#[test]
fn the_public_key_is_that_of_rfc_7748() {
    // Section 6.1, Alice.
    let private = [
        0x77, 0x07, 0x6d, 0x0a, 0x73, 0x18, 0xa5, 0x7d, 0x3c, 0x16, 0xc1, 0x72, 0x51, 0xb2, 0x66, 0x45, 0xdf, 0x4c,
        0x2f, 0x87, 0xeb, 0xc0, 0x99, 0x2a, 0xb1, 0x77, 0xfb, 0xa5, 0x1d, 0xb9, 0x2c, 0x2a,
    ];
    let public = [
        0x85, 0x20, 0xf0, 0x09, 0x89, 0x30, 0xa7, 0x54, 0x74, 0x8b, 0x7d, 0xdc, 0xb4, 0x3e, 0xf7, 0x5a, 0x0d, 0xbf,
        0x3a, 0x0d, 0x26, 0x38, 0x1a, 0xf4, 0xeb, 0xa4, 0xa9, 0x8e, 0xaa, 0x9b, 0x4e, 0x6a,
    ];
    assert_eq!(PrivateKey::new(private).public(), PublicKey(public));
}
