use ginnel_netem::conditions::Conditions;
use ginnel_netem::flow::Service;
use ginnel_netem::lab::{Lab, Setup};
use std::time::Duration;
#[test]
fn zz() {
    let g = |k: &str, d: f64| std::env::var(k).ok().and_then(|v| v.parse().ok()).unwrap_or(d);
    let rate = (g("RATE", 200.0) * 125000.0) as u64;
    let rtt = g("RTT", 50.0);
    let loss = g("LOSS", 0.05);
    let p = Conditions {
        delay: Duration::from_micros((rtt * 500.0) as u64),
        loss,
        rate: Some(rate),
        buffer: (rate as f64 * rtt / 1000.0) as usize,
        ..Conditions::default()
    };
    let mut lab =
        Lab::new(Setup { service: Service::Exchange(1 << 40), ..Setup::new(g("SEED", 1.0) as u64).conditions(p) });
    let link = lab.connect(0);
    lab.open(link, 1);
    let mut last = 0;
    let mut ls = 0;
    let mut ll = 0;
    let mut lb = 0;
    for i in 0..(g("SECS", 9.0) * 4.0) as u64 {
        lab.run_for(Duration::from_millis(250));
        let r: u64 = lab.clients[0].flows.values().map(|f| f.received()).sum();
        let id = lab.server.hub.ids()[0];
        let s = lab.server.hub.link(id).unwrap().stats();
        let c = lab.clients[0].hub.link(link).unwrap().stats();
        let w = lab.counters().1;
        println!(
            "{:5.2} good {:6.1} sent {} lost {} over {} rtt {:?} pace {:?} win {} sendw {} | recvw {}",
            i as f64 / 4.0 + 0.25,
            (r - last) as f64 * 8e-6 / 0.25,
            s.sent - ls,
            s.lost - ll,
            w.overflowed - lb,
            s.rtt,
            s.pace.map(|p| p * 8 / 1000000),
            s.window,
            s.send_window,
            c.receive_window
        );
        last = r;
        ls = s.sent;
        ll = s.lost;
        lb = w.overflowed;
    }
}
