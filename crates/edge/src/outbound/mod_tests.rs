use std::net::IpAddr;
use std::rc::Rc;

use super::{AddressPolicy, ConnectError, permitted};
use crate::resolver::{Answer, LookupError};

fn answer(texts: &[&str]) -> Answer {
    let addresses: Vec<IpAddr> = texts.iter().map(|text| text.parse().unwrap()).collect();
    Ok(Rc::from(addresses))
}

fn targets(answer: Answer) -> Result<Vec<String>, ConnectError> {
    let targets = permitted(answer, &AddressPolicy::new(false), 443)?;
    Ok(targets.iter().map(ToString::to_string).collect())
}

#[test]
fn of_a_mixed_answer_the_public_part_remains_in_its_order() {
    let mixed = answer(&["10.0.0.1", "8.8.4.4", "127.0.0.1", "1.1.1.1", "169.254.169.254"]);
    assert_eq!(targets(mixed).unwrap(), ["8.8.4.4:443", "1.1.1.1:443"]);
}

#[test]
fn what_is_dialled_has_the_form_that_was_checked() {
    let mapped = answer(&["::ffff:8.8.8.8", "::ffff:127.0.0.1", "2606:4700::1"]);
    assert_eq!(targets(mapped).unwrap(), ["8.8.8.8:443", "[2606:4700::1]:443"]);
}

#[test]
fn an_answer_of_which_nothing_remains_is_not_allowed() {
    let error = targets(answer(&["10.0.0.1", "127.0.0.1"])).unwrap_err();
    assert!(matches!(error, ConnectError::NotAllowed), "{error:?}");
}

#[test]
fn a_failed_look_up_stays_what_it_is() {
    let error = targets(Err(LookupError::TimedOut)).unwrap_err();
    assert!(matches!(error, ConnectError::TimedOut), "{error:?}");
}
