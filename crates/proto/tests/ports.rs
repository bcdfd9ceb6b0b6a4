//! Sets of ports.

use ginnel_proto::ports::{BadPorts, PORTS_MAX, Ports};
use rand::{SeedableRng, rngs::StdRng};
use std::collections::BTreeSet;

#[test]
fn ranges_are_put_together() {
    let ports = Ports::new([(7000, 7000), (5000, 5003), (5002, 5005), (5006, 5006)]).unwrap();
    assert_eq!(ports.ranges().collect::<Vec<_>>(), [5000..=5006, 7000..=7000]);
    assert_eq!((ports.count(), ports.first()), (8, 5000));
    assert_eq!(ports.iter().last(), Some(7000));
    for (port, is_in) in [(4999, false), (5000, true), (5006, true), (5007, false), (7000, true), (65535, false)] {
        assert_eq!(ports.contains(port), is_in, "{port}");
    }
    assert_eq!(Ports::new([(65_535, 65_535), (65_534, 65_535)]).unwrap().count(), 2);
}

#[test]
fn what_is_no_set_of_ports_is_refused() {
    assert_eq!(Ports::new([]), Err(BadPorts::None));
    assert_eq!(Ports::new([(2, 1)]), Err(BadPorts::Backwards));
    assert_eq!(Ports::new([(1, PORTS_MAX as u16 + 1)]), Err(BadPorts::TooMany));
    assert!(Ports::new([(1, PORTS_MAX as u16)]).is_ok());
    assert_eq!(Ports::new([(0, 65_535)]), Err(BadPorts::TooMany));
}

#[test]
fn every_port_is_drawn_and_none_twice_in_a_row() {
    let (ports, mut rng) = (Ports::new([(10, 13), (20, 21)]).unwrap(), StdRng::seed_from_u64(1));
    let (mut last, mut seen) = (None, BTreeSet::new());
    for _ in 0..200 {
        let port = ports.draw(last, &mut rng);
        assert!(ports.contains(port) && Some(port) != last);
        seen.insert(port);
        last = Some(port);
    }
    assert_eq!(seen.len(), 6);
    // One that is not in the set excludes nothing, and a set of one has no other.
    assert!((0..200).map(|_| ports.draw(Some(99), &mut rng)).collect::<BTreeSet<_>>().len() == 6);
    assert_eq!(Ports::one(7).draw(Some(7), &mut rng), 7);
}
