//! The sessions that tests run over, and running one story over each of them.

use crate::seeds::for_each_seed;
use ginnel_proto::envelope::hello::SessionKind;
use std::env;
use std::thread;

/// Every session. A story that could end differently over another session is told over all of them,
/// by [`for_each_case`]. Told once, by `for_each_seed`, is what happens before a link has a session or
/// in spite of it: handshakes, who gets a link, clocks, replays; and controllers on their own.
pub const SESSIONS: &[SessionKind] = &[SessionKind::Quic, SessionKind::Kcp];

/// Names the one session to run over, to replay a failure.
const SESSION_VARIABLE: &str = "GINNEL_NETEM_SESSION";

/// One telling of a story.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The session of every link.
    pub session: SessionKind,
    /// Where all chance comes from.
    pub seed: u64,
}

/// Says the session when the story under it panics.
struct Announce(SessionKind);

impl Drop for Announce {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("failed over {0}: replay with {SESSION_VARIABLE}={0}", self.0.name());
        }
    }
}

/// Tells a story over every session under the seeds 1 to `count`, or over the session and under the
/// seed that the environment names.
pub fn for_each_case(count: u64, mut story: impl FnMut(Case)) {
    for &session in chosen(env::var(SESSION_VARIABLE).ok().as_deref()) {
        let _announce = Announce(session);
        for_each_seed(count, |seed| story(Case { session, seed }));
    }
}

/// The session of that name, or all where none is named.
fn chosen(name: Option<&str>) -> &'static [SessionKind] {
    let Some(name) = name else { return SESSIONS };
    let place = SESSIONS.iter().position(|session| session.name() == name).expect("the name of a session");
    &SESSIONS[place..=place]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_story_is_told_over_every_session_and_under_every_seed() {
        let mut told = Vec::new();
        for_each_case(3, |case| told.push((case.session, case.seed)));
        let all: Vec<_> = SESSIONS.iter().flat_map(|session| (1..=3).map(|seed| (*session, seed))).collect();
        assert_eq!(told, all);
    }

    #[test]
    fn one_session_can_be_chosen_by_name() {
        for session in SESSIONS {
            assert_eq!(chosen(Some(session.name())), [*session]);
        }
        assert_eq!(chosen(None), SESSIONS);
    }
}
