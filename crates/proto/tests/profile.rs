//! What a profile may say.

use ginnel_proto::envelope::control;
use ginnel_proto::envelope::handshake::{DATAGRAM_MAX, REQUEST_MIN};
use ginnel_proto::profile::{Profile, Span};
use rand::{SeedableRng, rngs::StdRng};

#[test]
fn every_field_is_set_by_its_name_within_its_range() {
    for (name, range) in Profile::fields() {
        let (low, high) = range.clone().into_inner();
        let mut profile = Profile::plain();
        profile.set(name, low, high).unwrap();
        profile.set(name, high, high).unwrap();
        assert_ne!(profile, Profile::plain(), "{name}");
        let refused = |low, high| Profile::plain().set(name, low, high).unwrap_err().to_string();
        let over = refused(low, high + 1);
        assert!(over.contains(&format!("profile.{name} = [{low}, {}]", high + 1)), "{over}");
        assert!(over.contains(&format!("from {low} to {high}")), "{over}");
        assert!(refused(high, low).contains("least"), "{name}");
        if low > 0 {
            refused(low - 1, high);
        }
    }
    let unknown = Profile::plain().set("junk", 1, 2).unwrap_err().to_string();
    assert!(unknown.contains("profile.junk") && unknown.contains("no such field"), "{unknown}");
}

/// What the ranges say twice, here and where it is used.
#[test]
fn the_ranges_are_those_of_the_protocol() {
    let of = |wanted: &str| Profile::fields().find(|(name, _)| *name == wanted).unwrap().1;
    assert_eq!(of("request_size"), REQUEST_MIN as u16..=DATAGRAM_MAX as u16);
    assert_eq!(of("control_padding"), control::PADDING.low..=control::PADDING.high);
    assert_eq!(Profile::plain().control_padding, control::PADDING);
}

#[test]
fn both_bounds_of_a_span_are_drawn() {
    let mut rng = StdRng::seed_from_u64(1);
    let drawn: Vec<usize> = (0..200).map(|_| Span::new(3, 5).draw(&mut rng)).collect();
    assert!((3..=5).all(|value| drawn.contains(&value)) && drawn.iter().all(|value| (3..=5).contains(value)));
    assert_eq!(Span::new(7, 7).draw(&mut rng), 7);
    assert_eq!(Span::new(9, 20).half(), Span::new(4, 10));
}
