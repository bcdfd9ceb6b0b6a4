//! What a shard has done so far. Plain numbers on the shard's thread; read as a whole.

use ginnel_proto::hub::Drops;

/// The counters of one shard.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counters {
    /// Datagrams that came in.
    pub datagrams_received: u64,
    /// Datagrams that went out.
    pub datagrams_sent: u64,
    /// Bytes of these, envelope included.
    pub bytes_received: u64,
    /// Bytes of these, envelope included.
    pub bytes_sent: u64,
    /// Links that came up.
    pub links_up: u64,
    /// Links that ended.
    pub links_lost: u64,
    /// Streams opened by this end.
    pub streams_opened: u64,
    /// Streams opened by the peer.
    pub streams_accepted: u64,
    /// Streams that live now.
    pub streams: u64,
}

impl Counters {
    /// Every counter with its name, those of the hub among them.
    pub fn named(&self, drops: &Drops, links: usize, half_open: usize) -> Vec<(&'static str, u64)> {
        vec![
            ("bytes_received", self.bytes_received),
            ("bytes_sent", self.bytes_sent),
            ("datagrams_received", self.datagrams_received),
            ("datagrams_sent", self.datagrams_sent),
            ("dropped_forged", drops.forged),
            ("dropped_no_room", drops.no_room),
            ("dropped_not_ours", drops.not_ours),
            ("dropped_replayed", drops.replayed),
            ("handshakes_forged", drops.handshakes.forged),
            ("handshakes_full", drops.handshakes.full),
            ("handshakes_limited", drops.handshakes.limited),
            ("handshakes_malformed", drops.handshakes.malformed),
            ("handshakes_replayed", drops.handshakes.replayed),
            ("handshakes_skewed", drops.handshakes.skewed),
            ("handshakes_unjournaled", drops.handshakes.unjournaled),
            ("handshakes_unknown_user", drops.handshakes.unknown_user),
            ("half_open", half_open as u64),
            ("links", links as u64),
            ("links_lost", self.links_lost),
            ("links_up", self.links_up),
            ("streams", self.streams),
            ("streams_accepted", self.streams_accepted),
            ("streams_opened", self.streams_opened),
        ]
    }
}
