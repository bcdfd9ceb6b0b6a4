//! Raw TCP through a strict firewall: whatever the wire does, no packet is one that TCP would not send.

mod rawtcp_net;

use ginnel_proto::rawtcp::Sending;
use rawtcp_net::conntrack::State;
use rawtcp_net::{Faults, Net, datagram, datagrams, ms, secs};

const WIRES: [Faults; 4] = [
    Faults { loss: 0.0, swapped: 0.0, doubled: 0.0 },
    Faults { loss: 0.01, swapped: 0.0, doubled: 0.0 },
    Faults { loss: 0.1, swapped: 0.0, doubled: 0.02 },
    Faults { loss: 0.02, swapped: 0.3, doubled: 0.05 },
];

/// Sends both ways for a while. How many batches were refused, and bytes that should have come to client and server.
fn talk(net: &mut Net, rounds: usize) -> (usize, [usize; 2]) {
    let (mut refused, mut bytes) = (0, [0; 2]);
    for round in 0..rounds {
        let sizes = [1400 * (round % 40) + 40, 1400 * (round % 7) + 40];
        let sent = [
            net.server_sends(&datagrams(sizes[0], 1400), 1400, round % 3 == 0),
            net.client_sends(&datagrams(sizes[1], 1400), 1400, true),
        ];
        refused += sent.iter().filter(|sent| matches!(sent, Sending::Refused)).count();
        bytes = [bytes[0] + sizes[0], bytes[1] + sizes[1]];
        net.run(ms(3));
    }
    (refused, bytes)
}

#[test]
fn no_packet_is_invalid_whatever_the_wire_does() {
    for (index, faults) in WIRES.into_iter().enumerate() {
        for seed in 0..5 {
            let mut net = Net::new(seed);
            net.connect();
            net.faults = faults;
            let (refused, bytes) = talk(&mut net, 300);
            net.run(secs(2));
            net.assert_valid();
            assert_eq!(refused, 0, "wire {index}");
            for (came, sent) in net.came.iter().zip(bytes) {
                assert!(*came as f64 > sent as f64 * (1.0 - faults.loss) * 0.97, "{came} of {sent} on wire {index}");
            }
            assert_eq!(net.client.count(), 1, "nothing was renewed");
        }
    }
}

#[test]
fn a_handshake_on_a_bad_wire_is_none_that_tcp_would_not_make() {
    let mut up = 0;
    for seed in 0..60 {
        let mut net = Net::new(seed);
        net.faults = Faults { loss: 0.3, swapped: 0.3, doubled: 0.2 };
        for _ in 0..20 {
            net.client_sends(&datagram(300), 300, true);
            net.run(ms(700));
        }
        up += net.server.count().min(1);
        net.assert_valid();
    }
    assert!(up > 55, "{up} of 60");
}

#[test]
fn numbers_go_round() {
    let near = |number: u32| number > 0xffff_ffff - 3_000_000;
    let nets = [Net::found(|request, _| near(request.sequence)), Net::found(|_, answer| near(answer.sequence))];
    for (mut net, faults) in nets.into_iter().zip([WIRES[1], WIRES[3]]) {
        net.connect();
        net.faults = faults;
        talk(&mut net, 1200);
        net.run(secs(1));
        net.assert_valid();
        assert!(net.came[0] > 25_000_000 && net.came[1] > 4_000_000, "{:?}", net.came);
    }
}

#[test]
fn hundreds_of_megabytes_in_one_direction() {
    for to_client in [true, false] {
        let mut net = Net::new(9);
        net.connect();
        net.faults = WIRES[1];
        let data = datagrams(44 * 1400, 1400);
        let mut refused = 0;
        for round in 0..4000 {
            let sending =
                if to_client { net.server_sends(&data, 1400, true) } else { net.client_sends(&data, 1400, true) };
            refused += usize::from(matches!(sending, Sending::Refused));
            net.run(ms(1));
            // The session's own acknowledgements, once in a while.
            if round % 500 == 0 {
                net.server_sends(&datagram(60), 60, true);
                net.client_sends(&datagram(60), 60, true);
            }
        }
        net.run(secs(1));
        net.assert_valid();
        assert_eq!(refused, 0);
        assert!(net.came[usize::from(!to_client)] > 230_000_000, "{:?}", net.came);
    }
}

#[test]
fn the_close_of_either_end_is_one_of_tcp() {
    for by_client in [true, false] {
        let mut net = Net::new(4);
        net.connect();
        net.faults = WIRES[3];
        talk(&mut net, 50);
        net.faults = WIRES[0];
        net.run(secs(1));
        let ends = (net.mark.expect("a flow").local, net.mark.expect("a flow").remote);
        if by_client {
            net.client.close(net.now);
        } else {
            net.answers_dials = false;
            net.server.close(net.now);
        }
        net.run(secs(10));
        net.assert_valid();
        assert_eq!(net.firewall.state(ends.0, ends.1), Some(State::Closing));
        assert_eq!(net.server.count(), 0);
        if by_client {
            assert_eq!(net.released.len(), 1);
        }
    }
}

#[test]
fn renewal_and_idle_times_are_valid() {
    let mut net = Net::new(5);
    net.connect();
    net.faults = WIRES[1];
    let mut ports = std::collections::BTreeSet::new();
    for _ in 0..120 {
        talk(&mut net, 20);
        ports.insert(net.mark.expect("a flow").remote.port());
        net.run(secs(60));
    }
    net.assert_valid();
    assert!((4..=9).contains(&ports.len()), "{} flows in two hours", ports.len());
    // Nobody sends any more.
    net.run(secs(1200));
    net.assert_valid();
    assert_eq!((net.client.count(), net.server.count()), (0, 0));
    assert_eq!(net.released.len(), net.dialled as usize);
}
