//! Raw TCP through a strict firewall: whatever the wire does, no packet is one that TCP would not send.

mod rawtcp_net;

use ginnel_proto::rawtcp::Sending;
use rawtcp_net::conntrack::State;
use rawtcp_net::{Faults, Net, datagram, ms, secs};

const WIRES: [Faults; 4] = [
    Faults { loss: 0.0, swapped: 0.0, doubled: 0.0 },
    Faults { loss: 0.01, swapped: 0.0, doubled: 0.0 },
    Faults { loss: 0.1, swapped: 0.0, doubled: 0.02 },
    Faults { loss: 0.02, swapped: 0.3, doubled: 0.05 },
];

/// Sends both ways for a while. How many batches were refused.
fn talk(net: &mut Net, rounds: usize) -> usize {
    let mut refused = 0;
    for round in 0..rounds {
        let sent = [
            net.client_sends(&datagram(1400 * (round % 7) + 40), 1400, true),
            net.server_sends(&datagram(1400 * (round % 40) + 40), 1400, round % 3 == 0),
        ];
        refused += sent.iter().filter(|sent| matches!(sent, Sending::Refused)).count();
        net.run(ms(3));
    }
    refused
}

#[test]
fn no_packet_is_invalid_whatever_the_wire_does() {
    for (index, faults) in WIRES.into_iter().enumerate() {
        for seed in 0..5 {
            let mut net = Net::new(seed);
            net.connect();
            net.faults = faults;
            let refused = talk(&mut net, 400);
            net.run(secs(2));
            net.assert_valid();
            assert_eq!(refused, 0, "wire {index}");
            let least = (1.0 - faults.loss) * 0.9;
            assert!(net.came[0] as f64 > least * 10_000_000.0, "{:?}", net.came);
            assert!(net.came[1] as f64 > least * 1_500_000.0, "{:?}", net.came);
        }
    }
}
