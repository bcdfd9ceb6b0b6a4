//! Every limit of the program, with its default and its reason: queues, tables, windows, time-outs.
//!
//! One value, [`Limits`], is handed down to every room. What people may change of it has a name and
//! a range in [`settings`]; tests change all of it. The constants behind it are those that nobody has
//! wanted to change so far. What is not here is no limit but a matter of one algorithm, such as the
//! size of a batch, and stands beside it.

mod rawtcp;
pub mod settings;

use crate::congestion::Congestion;
use crate::envelope::Version;
use crate::envelope::hello::SessionKind;
use crate::profile::Profile;
use crate::session::kcp;
pub use rawtcp::*;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The limits of one engine.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Links of a server. Beyond it new handshakes are not answered, but for those that would
    /// replace an older link. A client dials no more links than this.
    pub links: usize,
    /// Links of one user. Beyond it one makes room behind which nobody may be: at the newcomer's
    /// address one that does not answer when it is asked, elsewhere one that has been silent for
    /// `link_stale`. If there is none, the new one is not answered.
    pub links_per_user: usize,
    /// A link that was silent for so long may be given up for another of the same user. Longer
    /// than a living client is ever silent.
    pub link_stale: Duration,
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

    /// A quiet link is probed after this, ±40 %, drawn anew by a packet that finds less than half
    /// of it left: between half of it and 1.4 times it after the last packet.
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
    /// The most that a stream may hold unread, bytes. A link's streams have windows as large as its
    /// first round trip needs them for 800 Mbit/s, but 2 MiB at least.
    pub stream_window: u32,
    /// The most that a link may hold unread, bytes. Its window follows the path; it grows further
    /// when readers pause and the peer is held up. Once it is full, streams that have paused for
    /// longest are given up, for in the end nothing would arrive for anybody. A client's bears 256
    /// paused downloads on a short path and 64 on a long one. A server's bounds what one client can
    /// make it hold.
    pub link_window: u32,
    /// The most that may be written to a link and not yet acknowledged, bytes. It follows the
    /// congestion window: twice as much, six times on a path that loses packets, 2 MiB at least.
    pub send_window: u64,
    /// How what links send is controlled.
    pub congestion: Congestion,
    /// On a client: the session that it asks for. A server has the one that it is asked for.
    pub session: SessionKind,
    /// How KCP sessions are set up.
    pub kcp: kcp::Settings,
    /// How this end shapes what it sends.
    pub profile: Profile,
    /// On a client, to a server with several ports: how long one of them is used, ±30 %.
    pub hop_interval: Duration,
    /// On a client: the version of the protocol that it speaks.
    pub version: Version,
    /// How long a link's keys are used, ±25 %, before a client asks for new ones. Idle ones keep them.
    pub rekey_time: Duration,
    /// How many bytes a link carries with one key, both directions together; a client asks for new
    /// ones after half of it to all.
    pub rekey_bytes: u64,
    /// How long what was sealed with former keys is still opened.
    pub rekey_overlap: Duration,

    /// Name resolution, in all.
    pub resolve_time: Duration,
    /// Connecting to a target, in all.
    pub connect_time: Duration,
    /// Every read of a header or a negotiation step.
    pub step_time: Duration,
    /// A request waits this long for a link that is not up.
    pub link_wait: Duration,
    /// A relay in which nothing has moved for this long is given up.
    pub stream_idle: Duration,
    /// The same once one direction has ended, unless somebody takes his time to read.
    pub half_closed: Duration,
    /// A TCP connection is silent for this long before the kernel asks whether the peer still lives.
    pub tcp_keep_alive: Duration,
    /// One read from a TCP socket of a relay, bytes.
    pub tcp_buffer: usize,
    /// The size asked for each kernel buffer of a TCP socket, bytes.
    pub socket_buffer: usize,
    /// Packets that may wait in the UDP socket to be sent. Beyond it the links wait.
    pub packet_queue: usize,
    /// How often a packet is offered again that the system would not take for a passing reason.
    /// After that it is dropped and counted.
    pub packet_retries: u32,
    /// Streams served at once. At a client: connections of applications; beyond it the oldest that
    /// has not said yet what it wants makes room, and if there is none accepting pauses. At a
    /// server: streams of all links; beyond it new ones wait.
    pub streams: usize,
    /// Streams that one link may open in a second, and as burst. Beyond it new ones wait, for up to
    /// `step_time`, then they are refused.
    pub opens_per_second: u32,
    /// Memory of the engine, bytes. From three quarters of it on no new stream is taken in; beyond
    /// it the streams that have been stuck for longest are reset.
    pub memory: u64,
    /// Commands from Python in flight. Beyond it a command is refused.
    pub commands: usize,
    /// Events waiting for Python. Beyond it the newest are dropped and counted.
    pub events: usize,
    /// Records of the engine's log waiting for Python. Beyond it the newest are dropped and counted.
    pub log_records: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self::server()
    }
}

impl Limits {
    /// The defaults of a client.
    pub fn client() -> Self {
        Self {
            streams_per_link: 1000,
            link_window: 512 << 20,
            tcp_buffer: 32 << 10,
            packet_queue: 2000,
            streams: 8192,
            ..Self::server()
        }
    }

    /// The defaults of a server.
    pub fn server() -> Self {
        Self {
            links: 4096,
            links_per_user: 64,
            link_stale: Duration::from_secs(45),
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
            streams_per_link: 50_000,
            stream_window: 8 << 20,
            link_window: 256 << 20,
            send_window: 64 << 20,
            congestion: Congestion::Adaptive,
            session: SessionKind::Quic,
            kcp: kcp::Settings::default(),
            profile: Profile::plain(),
            hop_interval: Duration::from_secs(30),
            version: Version::CURRENT,
            rekey_time: Duration::from_secs(120),
            rekey_bytes: 1 << 36,
            rekey_overlap: Duration::from_secs(15),
            resolve_time: LOOKUP_TIME,
            connect_time: CONNECT_TIMEOUT,
            step_time: Duration::from_secs(5),
            link_wait: Duration::from_secs(10),
            stream_idle: Duration::from_secs(2 * 60 * 60),
            half_closed: Duration::from_secs(60),
            tcp_keep_alive: Duration::from_secs(60),
            tcp_buffer: 64 << 10,
            socket_buffer: 256 << 10,
            packet_queue: 5000,
            packet_retries: 3,
            streams: 50_000,
            opens_per_second: 10_000,
            memory: 1 << 30,
            commands: 65_536,
            events: 1024,
            log_records: 4096,
        }
    }
}

// Links: what waits, and how often it is tried.

/// Control messages waiting to be sent; beyond it the newest is dropped, since every one of them
/// is repeated by whoever needs it.
pub const CONTROL_QUEUE: usize = 8;

/// A candidate is sent at most this many times the bytes that came from it.
pub const AMPLIFICATION: usize = 3;

/// The time between two challenges to one candidate.
pub const CHALLENGE_INTERVAL: Duration = Duration::from_millis(250);

/// Attempts whose answer would still be taken; older ones are forgotten.
pub const DIAL_ATTEMPTS: usize = 8;

/// Half-open handshakes of one link identity. A client that hears nothing tries again, and any of
/// its attempts may be the one whose answer arrives.
pub const PENDING_PER_IDENTITY: usize = 8;

/// The most handshakes remembered for one user; beyond it the user's next one is refused until
/// older ones expire. At eight handshakes a second a user stays within it.
pub const HANDSHAKES_PER_USER: usize = 2048;

/// The most handshakes remembered in all.
pub const HANDSHAKES_REMEMBERED: usize = 65_536;

// A client's keeper of its link.

/// How long one address gets to answer a handshake before the next is tried.
pub const DIAL_TIME: Duration = Duration::from_secs(5);

/// Looking up a server's name, in all.
pub const SERVER_LOOKUP_TIME: Duration = Duration::from_secs(5);

/// Addresses tried of one name.
pub const SERVER_ADDRESSES: usize = 4;

/// A link that lived this long is followed by the next at once.
pub const STEADY_LINK: Duration = Duration::from_secs(5);

/// The first pause after a failed round; each further one doubles, jittered.
pub const REDIAL_PAUSE: Duration = Duration::from_millis(250);

/// The longest pause between two rounds.
pub const REDIAL_PAUSE_MAX: Duration = Duration::from_secs(30);

/// The longest pause after a round that nobody answered, while somebody waits for the link or the
/// outage is young.
pub const REDIAL_PAUSE_EAGER: Duration = Duration::from_millis(250);

/// The same after a link that came up and did not last: the server is there, and would be asked in
/// vain all the time.
pub const REDIAL_PAUSE_SHORT_LIVED: Duration = Duration::from_millis(800);

/// An outage is young for this long.
pub const EAGER_TIME: Duration = Duration::from_secs(60);

/// Longest wait between two attempts of one handshake while somebody waits for the link or the
/// outage is young. With its jitter less than 0.8 s, and half of what one user may do.
pub const HANDSHAKE_RETRY_EAGER: Duration = Duration::from_millis(650);

/// Addresses that are dialled at the same time.
pub const DIALS_AT_ONCE: usize = 8;

/// The head start of one address over the next; less where there are many.
pub const DIAL_STAGGER: Duration = Duration::from_millis(250);

/// From the first dial of a round to its last, unless there are more than [`DIALS_AT_ONCE`].
pub const DIAL_STAGGER_ALL: Duration = Duration::from_millis(500);

/// The least time that an address gets to answer.
pub const DIAL_TIME_MIN: Duration = Duration::from_millis(1500);

/// A held handshake is confirmed when the doubted link has answered nothing for this long, or for
/// [`HOLD_ROUND_TRIPS`].
pub const HOLD_TIME: Duration = Duration::from_millis(300);

/// The same in round trips of the handshake that is held.
pub const HOLD_ROUND_TRIPS: u32 = 2;

/// How often the doubted link is probed while a handshake is held.
pub const HOLD_PROBES: u32 = 6;

/// A link that is doubted for this long is replaced by one to any server of its share link.
pub const FAILOVER_TIME: Duration = Duration::from_secs(3);

/// A held handshake is dropped after this: the server forgets it after ten seconds.
pub const HELD_TIME: Duration = Duration::from_secs(8);

/// The longest pause before a link that was doubted in vain is doubted again by a handshake.
pub const DOUBT_PAUSE_MAX: Duration = Duration::from_secs(1);

/// A link that was not doubted for this long is doubted without a pause again.
pub const DOUBT_CALM: Duration = Duration::from_secs(10);

// A client's pool of links.

/// The most links of one client to its server. A quarter of what a user may have by default.
pub const POOL_MAX: u16 = 16;

/// From the handshake of one member of a pool to that of another, ±50 %: a pool takes a second or
/// two to come up, and a third of the handshakes that one address may make.
pub const POOL_STAGGER: Duration = Duration::from_millis(100);

// What a client believes of its link.

/// A link whose peer surely owes an answer is probed after this, ±40 %, or after
/// [`ASKED_ROUND_TRIPS`]; then again and again, in steps that double up to `probe_interval`.
pub const ASKED_PROBE: Duration = Duration::from_millis(300);

/// The same in round trips.
pub const ASKED_ROUND_TRIPS: u32 = 2;

/// A link is doubted when its peer has surely owed an answer for this long, or for
/// [`DOUBT_ROUND_TRIPS`]: long enough for two probes and the echo of either.
pub const DOUBT_TIME: Duration = Duration::from_secs(1);

/// The same in round trips.
pub const DOUBT_ROUND_TRIPS: u32 = 5;

/// The longest round-trip time that these are reckoned with: the session's own estimate may count
/// a pause of either end as a round trip.
pub const ASKED_RTT_MAX: Duration = Duration::from_millis(600);

/// How long after an interruption losses are put down to it.
pub const INTERRUPTION_TIME: Duration = Duration::from_secs(1);

/// A new link that has brought no packet of its session after this is given up.
pub const PROOF_TIME: Duration = Duration::from_secs(4);

/// After a pause of this end a link gets at least this long before it counts as idle for too long.
pub const RESUME_TIME: Duration = Duration::from_secs(5);

// Clocks: has this machine, or this process, been stopped?

/// How often a client with a link looks at the clocks.
pub const CLOCK_TICK: Duration = Duration::from_millis(1500);

/// A timer that fires this much too late tells of a pause.
pub const LATE_TIMER: Duration = Duration::from_secs(2);

/// A wall clock that runs ahead of the monotonic one by this much tells of sleep.
pub const CLOCK_JUMP: Duration = Duration::from_secs(5);

// Links of one user, when there are many.

/// From this share of a user's links on (in quarters), those that are silent are asked whether
/// they live, before one of them has to make room.
pub const CROWD_QUARTERS: usize = 3;

/// The most links asked for one handshake.
pub const CROWD_ASKED: usize = 8;

/// A link that has not answered for this long, or for four round trips, may make room for another
/// of the same user from the same address.
pub const CROWD_PATIENCE: Duration = Duration::from_secs(1);

// Relay, hand-over and host.

/// How long a socket that nobody listens to any more may go on talking once everything has been
/// said to it: a reset that came too soon could overtake the last words.
pub const LINGER_TIME: Duration = Duration::from_secs(1);

/// How long a broken stream's socket waits for its owner to take note and close its end.
pub const HANDOVER_CLOSE_TIME: Duration = Duration::from_secs(30);

/// A connection that has not said what it wants keeps its place for so long, also where others wait
/// for one.
pub const NEWCOMER_TIME: Duration = Duration::from_secs(1);

/// The whole negotiation with an application, however slowly it talks; each read of it has
/// `step_time`.
pub const NEGOTIATION_TIME: Duration = Duration::from_secs(30);

/// Descriptors kept for attempts at connections, look-ups and files: an eighth of what the process
/// may open, within these bounds.
pub const DESCRIPTORS_KEPT: RangeInclusive<usize> = 32..=1024;

/// After a failed accept (no descriptors left, say), a pause: it may pass, it must not spin.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long the thread looks after last words once everything is closed.
pub const FAREWELL_TIME: Duration = Duration::from_millis(300);

/// How long a question about counters may wait for the engine's thread.
pub const STATS_TIME: Duration = Duration::from_secs(1);

// Resolver.

/// The whole time one look-up may take, waiting for a place included.
pub const LOOKUP_TIME: Duration = Duration::from_secs(2);

/// Look-ups that ask the network at the same time. Each holds one or two UDP sockets. A look-up
/// past this waits for a place, in order, within its [`LOOKUP_TIME`].
pub const CONCURRENT_LOOKUPS: usize = 256;

/// Look-ups that run or wait for a place. One more is refused at once: the limit is reached.
pub const PENDING_LOOKUPS: usize = 2048;

/// Answers kept, counted per name and family; past this, the oldest
/// answer that was not used since its last turn goes.
pub const CACHED_ANSWERS: usize = 4096;

/// Addresses kept of one answer; the rest is dropped. More than any dialler tries.
pub const ADDRESSES_PER_ANSWER: usize = 16;

/// Bounds on how long an answer is kept, whatever its time to live says: even 0 serves the burst of
/// connections that opens one page, and after an hour a moved name is found again.
pub const ANSWER_TTL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60 * 60);

/// Bounds on how long "there is no such name" is kept (RFC 2308 §5). Short at the top: somebody who
/// has just made the name is waiting for it.
pub const UNKNOWN_TTL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(30);

/// How long a look-up that failed for another reason is not tried again (RFC 9520 §3.2: at least
/// one second).
pub const FAILURE_TTL: Duration = Duration::from_secs(1);

// Connections to targets, and all TCP sockets.

/// From the request to the connection, look-up included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The head start of one attempt over the next (RFC 8305 §5, "Connection Attempt Delay").
pub const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// How long IPv4 addresses wait for IPv6 ones that are still being looked up (RFC 8305 §3,
/// "Resolution Delay").
pub const RESOLUTION_DELAY: Duration = Duration::from_millis(50);

/// Addresses tried for one target, and so the most sockets that one connecting stream holds; the
/// rest is never tried.
pub const MAX_ATTEMPTS: usize = 8;

/// The pause between two questions of the kernel whether the peer of a TCP connection still lives,
/// once the first went unanswered.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

// What a link looks like from outside.

/// Session packets after such a pause begin a burst, whose first sizes are drawn one by one.
pub const BURST_GAP: Duration = Duration::from_millis(500);

/// A pair of addresses on which a client has sent nothing for so long gets junk first.
pub const JUNK_IDLE: Duration = Duration::from_secs(60);

/// A client whose session has not found out by then whether its path carries full datagrams asks.
pub const WIDTH_BEGIN: Duration = Duration::from_millis(1500);

/// It asks again after this, ±40 %.
pub const WIDTH_AGAIN: Duration = Duration::from_millis(400);

/// A link on which nothing as long as a full datagram has come back after so many is given up.
pub const WIDTH_ASKS: u32 = 12;

/// A question for new keys is asked again after this, doubling, as long as the link is used.
pub const REKEY_AGAIN: Duration = Duration::from_millis(500);

/// The longest time until it is asked again.
pub const REKEY_AGAIN_MAX: Duration = Duration::from_secs(8);

/// Addresses that a client remembers to have dialled lately.
pub const PAIRS_REMEMBERED: usize = 1024;

/// Keys that wait to be written into a key log; further ones wait in their links.
pub const KEYS_WAITING: usize = 1024;

/// Links of key logs whose datagrams a dissector opens; the oldest are forgotten for new ones.
pub const DISSECTED_LINKS: usize = 4096;

/// Sets of keys of one link that a dissector tries, and of all links together; the oldest are forgotten.
pub const DISSECTED_KEYS: [usize; 2] = [4096, 65_536];

/// Requests whose answers a dissector recognises: the latest.
pub const DISSECTED_REQUESTS: usize = 64;

/// Servers and secrets that a dissector takes.
pub const DISSECTED_SERVERS: usize = 64;
