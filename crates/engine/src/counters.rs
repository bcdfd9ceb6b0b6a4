//! What a shard has done so far. Plain numbers on the shard's thread; read as a whole.

use crate::histogram::Histogram;
use crate::notices::{causes, segment_causes};
use crate::shard::Core;
use crate::usage::Usage;
use std::sync::Arc;

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
    /// Datagrams of strangers for which there was no time.
    pub crowded_out: u64,
    /// Frames for which the sockets of raw TCP had no room, in or out.
    pub frames_dropped: u64,
    /// Streams that live now.
    pub streams: u64,
}

/// All that is counted and measured, at one moment.
#[derive(Clone, Default)]
pub struct Stats {
    /// What only grows.
    pub counters: Vec<(&'static str, u64)>,
    /// What comes and goes.
    pub gauges: Vec<(&'static str, u64)>,
    /// What was thrown away, by cause.
    pub drops: Vec<(&'static str, u64)>,
    /// How long each stage of opening a stream took.
    pub open_time: Vec<(&'static str, Histogram)>,
    /// Who has used what. Empty at a client.
    pub users: Vec<(Arc<str>, Usage)>,
}

impl Stats {
    /// A counter, a gauge, or the drops of a cause, by name.
    pub fn count(&self, name: &str) -> Option<u64> {
        let mut counts = self.counters.iter().chain(&self.gauges).chain(&self.drops);
        counts.find(|(known, _)| *known == name).map(|(_, count)| *count)
    }
}

impl Core {
    pub(crate) fn stats(&mut self) -> Stats {
        self.counters.frames_dropped += self.carriers.frames_dropped();
        let (counters, drops) = (&self.counters, self.hub.drops());
        let mut dropped = causes(&drops).to_vec();
        dropped.push(("unsendable", counters.unsendable));
        dropped.push(("crowded_out", counters.crowded_out));
        dropped.push(("frames", counters.frames_dropped));
        let (flows, segments) = self.carriers.rawtcp_counts().unwrap_or_default();
        dropped.extend(segment_causes(&segments));
        Stats {
            counters: vec![
                ("bytes_received", counters.bytes_received),
                ("bytes_sent", counters.bytes_sent),
                ("datagrams_received", counters.datagrams_received),
                ("datagrams_sent", counters.datagrams_sent),
                ("handshakes_unjournaled", drops.handshakes.unjournaled),
                ("links_lost", counters.links_lost),
                ("links_up", counters.links_up),
                ("flows_greeted", segments.greeted),
                ("flows_renewed", segments.renewed),
                ("opens_delayed", counters.opens_delayed),
                ("opens_refused", counters.opens_refused),
                ("streams_accepted", counters.streams_accepted),
                ("streams_opened", counters.streams_opened),
                ("streams_shed", counters.streams_shed),
            ],
            gauges: vec![
                ("flows", flows as u64),
                ("half_open", self.hub.half_open() as u64),
                ("links", self.links.len() as u64),
                ("memory", self.memory_in_use()),
                ("streams", counters.streams),
            ],
            drops: dropped,
            open_time: self.open_times.of(self.hub.side()),
            users: self.accounts.usages(),
        }
    }
}
