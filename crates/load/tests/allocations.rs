//! What the engines allocate, measured at both ends in one process.

mod programs;

use programs::{Running, ended, load, refusing};
use serde_json::Value;

fn measure(line: &str) -> (bool, String, String) {
    let arguments: Vec<_> = ["allocations"].into_iter().chain(line.split(' ')).collect();
    ended(load(&arguments))
}

fn report(line: &str) -> Value {
    let (success, out, error) = measure(line);
    assert!(success, "{error}");
    serde_json::from_str(&out).unwrap()
}

#[test]
fn a_connection_takes_allocations_and_a_request_takes_fewer() {
    let per_unit = |report: &Value| report["allocations_per_unit"].as_f64().unwrap();
    let connect = report("--work connect --count 300 --connections 4");
    assert_eq!((&connect["work"], &connect["count"]), (&Value::from("connect"), &Value::from(300)));
    // A socket and a stream at both ends cannot be had for less.
    assert!(per_unit(&connect) > 4.0, "{connect}");
    let requests = report("--work requests --count 2000 --connections 4");
    assert!((0.0..per_unit(&connect)).contains(&per_unit(&requests)), "{requests}");
    assert!(requests["bytes_per_unit"].as_f64().unwrap() >= 0.0, "{requests}");
}

#[test]
fn the_origin_may_be_another_one() {
    let origin = Running::start(&["origin", "--listen", "127.0.0.1:0"]);
    let report = report(&format!("--work requests --count 100 --connections 3 --target {}", origin.address));
    // Each connection makes as many.
    assert_eq!(report["count"], 102);
}

#[test]
fn a_target_that_is_not_there_is_named() {
    let nobody = refusing();
    let (success, out, error) = measure(&format!("--work connect --count 5 --connections 1 --target {nobody}"));
    assert!(!success && out.is_empty() && error.contains(&nobody.to_string()), "{error}");
}
