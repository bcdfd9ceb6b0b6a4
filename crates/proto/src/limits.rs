//! Every limit of the program, with its default and its reason: queues, tables, windows, time-outs.
//!
//! One value, [`Limits`], is handed from the configuration down to every room.

use std::time::Duration;

/// The limits of one engine.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Links of a server. Beyond it new handshakes are not answered.
    pub links: usize,
    /// Links of one user. Beyond it the one that has been silent longest makes room: it may be
    /// what is left of a client that went away without a word.
    pub links_per_user: usize,
    /// Handshakes answered but not yet confirmed. Beyond it the oldest is dropped.
    pub half_open: usize,
    /// A half-open handshake is forgotten after this.
    pub half_open_time: Duration,
    /// Handshakes a second from one source prefix (IPv4 /32, IPv6 /64), and as burst.
    pub handshakes_per_prefix: u32,
    /// Handshakes a second in all from prefixes that have not authenticated lately.
    pub handshakes_of_strangers: u32,
    /// Source prefixes remembered, each for strangers and for those that authenticated.
    pub prefixes: usize,
    /// A source prefix without a handshake is forgotten after this, or by half as much later.
    pub prefix_idle: Duration,
    /// Datagrams of the handshake waiting to be sent. Beyond it the oldest is dropped.
    pub handshake_queue: usize,

    /// First wait for an answer to a handshake; each further one doubles, jittered.
    pub handshake_retry: Duration,
    /// Longest wait between two attempts of one handshake.
    pub handshake_retry_max: Duration,

    /// A quiet link is probed after this, ±40 %.
    pub keep_alive: Duration,
    /// A link whose peer owes an answer is probed this often, ±40 %.
    pub probe_interval: Duration,
    /// A client gives a link up when its peer has owed an answer for this long.
    pub silence: Duration,
    /// Either end gives a link up after this long without any packet.
    pub link_idle: Duration,
    /// The least time between two new candidate addresses of a link.
    pub candidate_interval: Duration,
    /// A candidate address that has not answered its challenge is forgotten after this.
    pub candidate_time: Duration,

    /// Streams that a peer may have open on one link.
    pub streams_per_link: u32,
    /// Receive window of a stream, bytes. 4 MiB bounds the reassembly gaps that random loss can
    /// make (the QUIC library closes a connection at 1,024 of them), up to 25 % loss.
    pub stream_window: u32,
    /// Receive window of a link, bytes.
    pub link_window: u32,
    /// Bytes written to a link and not yet acknowledged.
    pub send_window: u64,

    /// Name resolution, in all.
    pub resolve_time: Duration,
    /// Connecting to a target, in all.
    pub connect_time: Duration,
    /// Every read of a header or a negotiation step.
    pub step_time: Duration,
    /// A request waits this long for a link that is not up.
    pub link_wait: Duration,
    /// One read from a socket of a relay, bytes.
    pub relay_buffer: usize,
    /// Application connections that one inbound serves at once. Beyond it accepting pauses.
    pub inbound_connections: usize,
    /// Commands from Python in flight. Beyond it a command is refused.
    pub commands: usize,
    /// Events waiting for Python. Beyond it the newest are dropped and counted.
    pub events: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            links: 4096,
            links_per_user: 64,
            half_open: 1024,
            half_open_time: Duration::from_secs(10),
            handshakes_per_prefix: 32,
            handshakes_of_strangers: 1000,
            prefixes: 4096,
            prefix_idle: Duration::from_secs(600),
            handshake_queue: 256,
            handshake_retry: Duration::from_millis(250),
            handshake_retry_max: Duration::from_secs(4),
            keep_alive: Duration::from_secs(25),
            probe_interval: Duration::from_secs(3),
            silence: Duration::from_secs(20),
            link_idle: Duration::from_secs(120),
            candidate_interval: Duration::from_millis(200),
            candidate_time: Duration::from_secs(5),
            streams_per_link: 16_384,
            stream_window: 4 << 20,
            link_window: 64 << 20,
            send_window: 16 << 20,
            resolve_time: Duration::from_secs(2),
            connect_time: Duration::from_secs(10),
            step_time: Duration::from_secs(5),
            link_wait: Duration::from_secs(10),
            relay_buffer: 64 << 10,
            inbound_connections: 8192,
            commands: 65_536,
            events: 1024,
        }
    }
}
