//! Liveness: who asks, how often, and when a link is given up.

mod fixtures;

use fixtures::rng;
use ginnel_proto::limits::Limits;
use ginnel_proto::link::Side;
use ginnel_proto::link::liveness::{Due, Liveness};
use rand::rngs::StdRng;
use std::collections::HashSet;
use std::time::{Duration, Instant};

struct End {
    liveness: Liveness,
    limits: Limits,
    start: Instant,
    rng: StdRng,
}

impl End {
    fn new(side: Side, seed: u64) -> Self {
        let (limits, start, mut rng) = (Limits::default(), Instant::now(), rng(seed));
        Self { liveness: Liveness::new(side, &limits, start, &mut rng), limits, start, rng }
    }

    /// Waits for the next thing that is due, and says how long after the start that was.
    fn next(&mut self) -> (Duration, Due) {
        loop {
            let at = self.liveness.poll_timeout().expect("a living link always waits for something");
            if let Some(due) = self.liveness.handle_timeout(at, &mut self.rng) {
                return (at - self.start, due);
            }
        }
    }

    fn echo(&mut self, after: Duration, token: [u8; 8]) -> Option<Duration> {
        self.liveness.echoed(self.start + after, token, &mut self.rng)
    }

    fn receive(&mut self, after: Duration) {
        self.liveness.received(self.start + after, &mut self.rng);
    }
}

fn within(time: Duration, base: Duration) -> bool {
    time >= base.mul_f64(0.6) && time <= base.mul_f64(1.4)
}

#[test]
fn a_quiet_client_asks_at_no_fixed_time() {
    let mut times = HashSet::new();
    for seed in 0..100 {
        let mut client = End::new(Side::Client, seed);
        let (time, due) = client.next();
        let Due::Probe(token) = due else { panic!("{due:?}") };
        assert!(within(time, client.limits.keep_alive), "{time:?}");
        times.insert(time.as_millis());
        // The answer begins the quiet anew.
        client.receive(time);
        client.echo(time, token);
        let (next, due) = client.next();
        assert!(matches!(due, Due::Probe(_)) && within(next - time, client.limits.keep_alive));
    }
    assert!(times.len() > 90);
}

#[test]
fn a_server_never_asks_and_gives_up_when_nothing_came() {
    let mut server = End::new(Side::Server, 1);
    server.liveness.sent(server.start);
    assert_eq!(server.next(), (server.limits.link_idle, Due::Silent));
    let mut server = End::new(Side::Server, 1);
    let quiet = Duration::from_secs(100);
    server.receive(quiet);
    assert_eq!(server.next(), (quiet + server.limits.link_idle, Due::Silent));
}

#[test]
fn a_client_that_is_owed_an_answer_asks_in_no_rhythm_and_gives_up() {
    let mut gaps = HashSet::new();
    for seed in 0..20 {
        let mut client = End::new(Side::Client, seed);
        client.liveness.sent(client.start);
        let mut last = Duration::ZERO;
        let end = loop {
            match client.next() {
                (time, Due::Probe(_)) => {
                    assert!(within(time - last, client.limits.probe_interval), "{:?}", time - last);
                    gaps.insert((time - last).as_millis());
                    last = time;
                    client.liveness.sent(client.start + time);
                }
                (time, Due::Silent) => break time,
                (_, due) => panic!("{due:?}"),
            }
        };
        assert_eq!(end, client.limits.silence);
    }
    assert!(gaps.len() > 60, "{}", gaps.len());
}

#[test]
fn any_packet_pays_what_is_owed() {
    let mut client = End::new(Side::Client, 3);
    client.liveness.sent(client.start);
    let answered = client.limits.silence - Duration::from_millis(1);
    client.receive(answered);
    let (time, due) = client.next();
    assert!(matches!(due, Due::Probe(_)) && within(time - answered, client.limits.keep_alive));
}

#[test]
fn asking_again_does_not_put_off_the_end() {
    let mut client = End::new(Side::Client, 4);
    for second in 0..19 {
        client.liveness.sent(client.start + Duration::from_secs(second));
    }
    let end = std::iter::from_fn(|| Some(client.next())).find(|(_, due)| *due == Due::Silent);
    assert_eq!(end, Some((client.limits.silence, Due::Silent)));
}

#[test]
fn a_client_that_asks_in_vain_without_being_owed_gives_up_in_time() {
    // Nothing was sent but what needs no answer, and nothing came: the link's idle limit ends it.
    let mut client = End::new(Side::Client, 5);
    let end = std::iter::from_fn(|| Some(client.next())).find(|(_, due)| *due == Due::Silent);
    assert_eq!(end, Some((client.limits.link_idle, Due::Silent)));
}

#[test]
fn an_echo_measures_the_probe_it_answers_once() {
    let mut client = End::new(Side::Client, 6);
    let first = client.liveness.probe(client.start, &mut client.rng);
    let second = client.liveness.probe(client.start + Duration::from_millis(10), &mut client.rng);
    assert_ne!(first, second);
    let now = Duration::from_millis(30);
    assert_eq!(client.echo(now, first), None, "an older probe");
    assert_eq!(client.echo(now, second), Some(Duration::from_millis(20)));
    assert_eq!(client.echo(now, second), None);
}

/// Other packets are a sign of life, but whoever wants the round-trip time waits for an echo.
#[test]
fn a_probe_is_repeated_until_it_is_echoed() {
    let mut client = End::new(Side::Client, 7);
    client.liveness.probe(client.start, &mut client.rng);
    let mut last = Duration::ZERO;
    for _ in 0..10 {
        client.receive(last);
        let (time, due) = client.next();
        assert!(matches!(due, Due::Probe(_)) && within(time - last, client.limits.probe_interval), "{due:?}");
        last = time;
    }
}
