//! Runs against an origin, directly and through the relay, and what a run says when things go wrong.

mod programs;

use programs::{Running, load, refusing, run, saying};
use serde_json::Value;
use std::io::Write;

fn origin() -> Running {
    Running::start(&["origin", "--listen", "127.0.0.1:0"])
}

fn count(report: &Value, name: &str) -> u64 {
    report[name].as_u64().unwrap_or_else(|| panic!("{name} in {report}"))
}

/// Every work that goes on for a while, with what must come of it, on a way.
fn every_work(via: &str, target: &str) {
    for (work, counted) in [("down", "bytes"), ("up", "bytes"), ("requests", "requests"), ("connect", "requests")] {
        let line = format!("--via {via} --target {target} --work {work} --connections 3 --seconds 0.3 --warmup 0.1");
        let report = run(&line).unwrap();
        assert!(count(&report, counted) > 0, "{report}");
        assert_eq!((&report["errors"], &report["first_error"]), (&Value::from(0), &Value::Null), "{report}");
        assert_eq!((&report["work"], &report["via"]), (&Value::from(work), &Value::from(via)));
        assert_eq!((&report["seconds"], count(&report, "connections")), (&Value::from(0.3), 3), "{report}");
        let intervals = report["intervals"].as_array().unwrap();
        assert_eq!(intervals.len(), 3);
        assert_eq!(intervals.iter().map(|bytes| bytes.as_u64().unwrap()).sum::<u64>(), count(&report, "bytes"));
        let timed = count(&report["latency_us"], "count");
        assert_eq!(timed, if counted == "requests" { count(&report, "requests") } else { 0 }, "{report}");
    }
}

#[test]
fn every_work_runs_directly() {
    let origin = origin();
    every_work("direct", &origin.address);
}

#[test]
fn every_work_runs_through_a_proxy_that_speaks_socks() {
    let origin = origin();
    let proxy = Running::start(&["relay", "--listen", "127.0.0.1:0", "--socks"]);
    every_work(&format!("socks5://{}", proxy.address), &origin.address);
}

#[test]
fn two_hops_are_two_relays() {
    let origin = origin();
    let far = Running::start(&["relay", "--listen", "127.0.0.1:0", "--socks", "--threads", "2"]);
    let near = Running::start(&["relay", "--listen", "127.0.0.1:0", "--to", &far.address]);
    every_work(&format!("socks5://{}", near.address), &origin.address);
}

#[test]
fn a_number_of_bytes_is_moved_to_the_last_one() {
    let origin = origin();
    let proxy = Running::start(&["relay", "--listen", "127.0.0.1:0", "--socks"]);
    for via in ["direct".to_owned(), format!("socks5://{}", proxy.address)] {
        for work in ["down", "up"] {
            let line = "--connections 3 --bytes 4000001 --seconds 60";
            let report = run(&format!("--via {via} --target {} --work {work} {line}", origin.address)).unwrap();
            assert_eq!((count(&report, "bytes"), count(&report, "errors")), (3 * 4_000_001, 0), "{report}");
            assert!(report["seconds"].as_f64().unwrap() < 60.0);
            assert_eq!(report["first_10mb_seconds"].is_number(), work == "down", "{report}");
        }
    }
}

#[test]
fn requests_go_on_beside_the_work() {
    let origin = origin();
    let line = format!("--via direct --target {} --work down --seconds 0.3 --beside 2", origin.address);
    let report = run(&line).unwrap();
    assert!(count(&report["beside"], "count") > 0 && report["beside"]["p99"].is_number(), "{report}");
    assert_eq!(count(&report, "requests"), 0);
}

#[test]
fn answers_have_the_size_that_was_asked_for() {
    let origin = origin();
    let line = format!("--via direct --target {} --work requests --size 70000 --seconds 0.3", origin.address);
    let report = run(&line).unwrap();
    assert_eq!(count(&report, "bytes"), 70_000 * count(&report, "requests"));
}

#[test]
fn connections_are_held_until_standard_input_ends() {
    let origin = origin();
    let arguments = ["run", "--via", "direct", "--target", &origin.address, "--work", "hold", "--connections", "100"];
    let mut holding = Running::with_first_line(load(&arguments), "held ");
    assert_eq!(holding.address, "100");
    assert!(holding.descriptors("socket:") >= 100);
    let report: Value = serde_json::from_str(&holding.finish()).unwrap();
    assert_eq!((count(&report, "requests"), count(&report, "errors")), (100, 0));
}

#[test]
fn processor_time_is_that_of_the_processes_named() {
    let origin = origin();
    let line = format!("--via direct --target {} --work down --seconds 0.5", origin.address);
    let pid = origin.pid().to_string();
    let report = run(&format!("{line} --pids {pid}")).unwrap();
    assert!(report["cpu_seconds"][&pid].as_f64().unwrap() > 0.0, "{report}");
    assert!(
        report["machine_cpu_seconds"].as_f64().unwrap() > 0.0 && report["load_cpu_seconds"].as_f64().unwrap() > 0.0
    );
    let error = run(&format!("{line} --pids 4000000000")).unwrap_err();
    assert!(error.contains("no process 4000000000"), "{error}");
}

#[test]
fn nobody_listens() {
    let nobody = refusing();
    for via in ["direct".to_owned(), format!("socks5://{nobody}"), format!("http://{nobody}")] {
        let error = run(&format!("--via {via} --target {nobody} --work requests --seconds 0.2")).unwrap_err();
        assert!(error.contains("all has failed") && error.contains("refused") && error.contains(&via), "{error}");
    }
}

#[test]
fn answers_that_are_none_of_an_origin() {
    let garbage = saying(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    for work in ["down", "requests", "connect"] {
        let error = run(&format!("--via direct --target {garbage} --work {work} --seconds 0.2")).unwrap_err();
        assert!(error.contains("not the origin's"), "{error}");
    }
    for (via, word) in [("socks5", "no SOCKS5"), ("http", "the proxy refuses: HTTP/1.1 400 Bad Request")] {
        let error =
            run(&format!("--via {via}://{garbage} --target 127.0.0.1:1 --work down --seconds 0.2")).unwrap_err();
        assert!(error.contains(word), "{error}");
    }
    let silent = saying(b"");
    for work in ["requests", "connect", "hold"] {
        let error = run(&format!("--via direct --target {silent} --work {work} --seconds 0.2")).unwrap_err();
        assert!(error.contains("the connection ended"), "{error}");
    }
}

#[test]
fn an_http_proxy_is_asked_to_connect() {
    // All that it says: its own head, and then what an origin would.
    let proxy = saying(b"HTTP/1.1 200 Connection established\r\nServer: x\r\n\r\ng");
    let report = run(&format!("--via http://{proxy} --target 127.0.0.1:1 --work connect --seconds 0.2")).unwrap();
    assert!(count(&report, "requests") > 0, "{report}");
}

#[test]
fn less_than_was_wanted_is_an_error() {
    let short = saying(b"ggg");
    let line = format!("--via direct --target {short} --work down --bytes 1000 --seconds 0.3");
    let report = run(&line).unwrap();
    assert!(report["first_error"].as_str().unwrap().contains("after 3 bytes"), "{report}");
    assert!(count(&report, "errors") > 0);
}

#[test]
fn an_origin_knows_its_commands_and_ends_connections_that_know_others() {
    use std::io::Read;
    let origin = origin();
    for (said, answer) in
        [(&b"c"[..], &b"g"[..]), (b"d\0\0\0\0\0\0\0\x03", b"ggg"), (b"GET /", b""), (b"r\0\0\0\0", b"")]
    {
        let mut socket = std::net::TcpStream::connect(&origin.address).unwrap();
        socket.write_all(said).unwrap();
        let mut heard = Vec::new();
        // A reset is an end as well: there was more to read than the origin wanted to.
        let _ = socket.read_to_end(&mut heard);
        assert_eq!(heard, answer, "{said:?}");
    }
}

#[test]
fn it_ends_in_order_when_it_is_told_to() {
    let origin = origin();
    assert!(origin.terminate().success());
}
