//! What links have learnt about their paths, for whoever asks.

use ginnel_engine::shard::Shard;
use ginnel_proto::carrier::CarrierKind;
use ginnel_proto::envelope::hello::SessionKind;
use ginnel_proto::hub::LinkId;
use ginnel_proto::session::PathStats;
use std::net::SocketAddr;

/// Links that are told of at once; of those beyond it nothing is said. Enough for a look at a busy
/// server, and the engine's thread is not held up by it.
pub const LINKS_TOLD: usize = 1024;

/// One link that is up, and its path.
#[derive(Clone, Debug)]
pub struct LinkFigures {
    /// Its name, as in events.
    pub link: LinkId,
    /// Where its peer is now.
    pub peer: SocketAddr,
    /// Its session.
    pub session: SessionKind,
    /// How its datagrams travel.
    pub carrier: CarrierKind,
    /// What its session has learnt.
    pub path: PathStats,
}

/// The figures of every link that is up, up to [`LINKS_TOLD`].
pub(super) fn figures(shard: &Shard) -> Vec<LinkFigures> {
    shard.with_hub(|hub, _| {
        let ids = hub.ids();
        let links = ids.into_iter().filter_map(|id| {
            let link = hub.link(id).filter(|link| !link.is_lost())?;
            let session = hub.session_kind(id)?;
            let at = link.path();
            Some(LinkFigures { link: id, peer: at.remote, session, carrier: at.carrier, path: link.stats() })
        });
        links.take(LINKS_TOLD).collect()
    })
}
