//! What a shard counts.

mod common;

use common::run;
use std::collections::HashSet;

#[test]
fn every_count_has_a_name_of_its_own_and_both_ends_agree() {
    run(|pair| async move {
        let _streams = pair.stream().await;
        let (here, there) = (pair.client.shard().stats(), pair.server.stats());
        let names = |stats: &ginnel_engine::counters::Stats| -> Vec<&'static str> {
            stats.counters.iter().chain(&stats.gauges).chain(&stats.drops).map(|(name, _)| *name).collect()
        };
        assert_eq!(names(&here), names(&there));
        assert_eq!(names(&here).iter().collect::<HashSet<_>>().len(), names(&here).len());
        assert_eq!(here.count("streams_opened"), there.count("streams_accepted"));
        for stats in [&here, &there] {
            assert_eq!((stats.count("links"), stats.count("streams")), (Some(1), Some(1)));
            // There is no raw TCP here.
            assert_eq!((stats.count("flows"), stats.count("flows_greeted")), (Some(0), Some(0)));
            assert_eq!(stats.count("no such count"), None);
        }
        assert!(here.count("bytes_sent") > Some(500));
    });
}
