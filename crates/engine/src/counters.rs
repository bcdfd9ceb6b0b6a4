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
    /// Streams of peers that had to wait, because their link had opened many in a second.
    pub opens_delayed: u64,
    /// Such streams that would have had to wait for too long.
    pub opens_refused: u64,
    /// Streams that were given up for want of memory.
    pub streams_shed: u64,
    /// Datagrams that the system would not send.
    pub unsendable: u64,
    /// Streams that live now.
    pub streams: u64,
}

impl Counters {
    /// Every counter with its name, those of the hub among them.
    pub fn named(&self, drops: &Drops, links: usize, half_open: usize, memory: u64) -> Vec<(&'static str, u64)> {
        vec![
            ("bytes_received", self.bytes_received),
            ("bytes_sent", self.bytes_sent),
            ("datagrams_received", self.datagrams_received),
            ("datagrams_sent", self.datagrams_sent),
            ("dropped_forged", drops.forged),
            ("dropped_no_room", drops.no_room),
            ("dropped_not_ours", drops.not_ours),
            ("dropped_replayed", drops.replayed),
            ("dropped_unsendable", self.unsendable),
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
            ("memory", memory),
            ("opens_delayed", self.opens_delayed),
            ("opens_refused", self.opens_refused),
            ("streams", self.streams),
            ("streams_accepted", self.streams_accepted),
            ("streams_opened", self.streams_opened),
            ("streams_shed", self.streams_shed),
        ]
    }
}
