//! A lab's links have the session that it was told.

use ginnel_netem::lab::{Lab, Setup};
use ginnel_netem::sessions::for_each_case;
use ginnel_proto::hub::Event;

#[test]
fn both_ends_of_a_link_name_the_session_of_the_case() {
    for_each_case(1, |case| {
        let mut lab = Lab::new(Setup::of(case));
        let link = lab.connect(0);
        lab.open(link, 1000);
        lab.must("an echo comes back", std::time::Duration::from_secs(1), Lab::all_done);
        let kinds = [&lab.clients[0], &lab.server].map(|node| {
            node.events
                .iter()
                .find_map(|(_, event)| if let Event::Up { kind, .. } = event { Some(*kind) } else { None })
        });
        assert_eq!(kinds, [Some(case.session); 2]);
    });
}
