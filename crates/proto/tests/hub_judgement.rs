//! What a hub says of each datagram: raw TCP's flows follow only what was ours.

mod fixtures;
mod hubs;

use bytes::BytesMut;
use fixtures::Deployment;
use ginnel_proto::carrier::CarrierKind;
use ginnel_proto::hub::{Heard, HeldDial, Hub, Time};
use ginnel_proto::link::Path;
use ginnel_proto::ports::Ports;
use hubs::{Pair, Sent, client_path, elsewhere, later, sent, server_path};
use std::collections::BTreeSet;
use std::time::Duration;

/// Whether a datagram was ours, whichever way it takes.
fn is_ours(hub: &mut Hub, time: Time, path: Path, datagram: &[u8]) -> bool {
    match hub.handle_known(time, path, BytesMut::from(datagram)) {
        Heard::Ours => true,
        Heard::Dropped => false,
        Heard::Stranger(datagram) => hub.handle_stranger(time, path, &datagram),
    }
}

/// Each of these is ours once, and never again, and never if it is damaged.
fn assert_ours_once(hub: &mut Hub, time: Time, path: Path, datagrams: &[Sent]) {
    assert!(!datagrams.is_empty());
    for (_, datagram) in datagrams {
        for at in [0, datagram.len() / 2, datagram.len() - 1] {
            let mut damaged = datagram.clone();
            damaged[at] ^= 1;
            assert!(!is_ours(hub, time, path, &damaged), "damaged at {at}");
        }
        assert!(is_ours(hub, time, path, datagram));
        assert!(!is_ours(hub, time, path, datagram), "again");
        assert!(!is_ours(hub, time, elsewhere(), datagram), "from elsewhere");
    }
}

#[test]
fn each_datagram_of_a_handshake_and_of_a_link_is_ours_once() {
    let deployment = Deployment::new();
    let mut pair = Pair::new(&deployment);
    let link = pair.dial(&deployment, 0);
    let request = sent(&mut pair.client, pair.time);
    assert_ours_once(&mut pair.server, pair.time, client_path(), &request);
    let answer = sent(&mut pair.server, pair.time);
    assert_ours_once(&mut pair.client, pair.time, server_path(), &answer);
    let first_data = sent(&mut pair.client, pair.time);
    assert_ours_once(&mut pair.server, pair.time, client_path(), &first_data);
    let data = sent(&mut pair.server, pair.time);
    assert_ours_once(&mut pair.client, pair.time, server_path(), &data);
    pair.exchange();
    assert!(pair.alive(link));
}

#[test]
fn an_answer_that_comes_by_another_carrier_is_not_taken() {
    let deployment = Deployment::new();
    let mut pair = Pair::new(&deployment);
    pair.dial(&deployment, 0);
    let request = sent(&mut pair.client, pair.time);
    assert!(is_ours(&mut pair.server, pair.time, client_path(), &request[0].1));
    let answer = sent(&mut pair.server, pair.time);
    let by_another = Path { carrier: CarrierKind::RawTcp, ..server_path() };
    assert!(!is_ours(&mut pair.client, pair.time, by_another, &answer[0].1));
    assert!(is_ours(&mut pair.client, pair.time, server_path(), &answer[0].1));
}

#[test]
fn a_link_goes_where_its_carrier_leads_and_a_change_of_carrier_is_proven() {
    let deployment = Deployment::new();
    let (mut pair, link) = Pair::up(&deployment);
    // The same addresses, and another carrier: a copy that somebody sends is a candidate at most.
    let by_another = Path { carrier: CarrierKind::RawTcp, ..client_path() };
    pair.client.probe(pair.time, link);
    let probe = sent(&mut pair.client, pair.time);
    assert!(is_ours(&mut pair.server, pair.time, by_another, &probe[0].1));
    let answers = sent(&mut pair.server, pair.time);
    let at = |carrier| answers.iter().filter(|(path, _)| path.carrier == carrier).count();
    assert_eq!((at(CarrierKind::Udp), at(CarrierKind::RawTcp)), (1, 1), "an echo and a challenge");
    let server_link = pair.server.ids()[0];
    assert_eq!(pair.server.link(server_link).unwrap().path(), &client_path());
    pair.pass(Duration::from_secs(1));
}

/// The ports of the server's that a client uses in ten minutes in which it always has something to say.
fn ports_used(carrier: CarrierKind) -> usize {
    let deployment = Deployment::new();
    let mut pair = Pair::new(&deployment);
    let (near, far) = (Path { carrier, ..client_path() }, Path { carrier, ..server_path() });
    let ports = Ports::new([(5000, 5019)]).unwrap();
    let dial = HeldDial {
        keys: deployment.client_keys(),
        path: far,
        ports,
        member: 0,
        patience: Duration::from_secs(10),
        eager: false,
    };
    let link = pair.client.dial_held(pair.time, dial).expect("room for a link");
    let (mut used, mut confirmed) = (BTreeSet::new(), false);
    for _ in 0..600 {
        loop {
            let up = sent(&mut pair.client, pair.time);
            let answered = up.is_empty();
            for (to, datagram) in up {
                used.insert(to.remote.port());
                let here = Path { local: Some(to.remote), ..near };
                is_ours(&mut pair.server, pair.time, here, &datagram);
            }
            for (from, datagram) in sent(&mut pair.server, pair.time) {
                let from = Path { remote: from.local.expect("the port that was hit"), local: None, ..from };
                is_ours(&mut pair.client, pair.time, from, &datagram);
            }
            if !confirmed {
                confirmed = pair.client.confirm_dial(pair.time, link);
                used.clear();
            } else if answered {
                break;
            }
        }
        pair.time = later(pair.time, Duration::from_secs(1));
        pair.client.handle_timeout(pair.time);
        pair.server.handle_timeout(pair.time);
        pair.client.probe(pair.time, link);
    }
    assert!(pair.alive(link));
    used.len()
}

#[test]
fn a_client_hops_as_time_passes_over_udp_and_stays_over_raw_tcp() {
    assert!(ports_used(CarrierKind::Udp) > 5);
    assert_eq!(ports_used(CarrierKind::RawTcp), 1);
}
