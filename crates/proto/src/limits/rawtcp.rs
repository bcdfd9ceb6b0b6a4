//! Limits of the flows of raw TCP.

use std::time::Duration;

/// A flow of raw TCP of which nothing authentic was heard for so long is ended.
pub const FLOW_IDLE: Duration = Duration::from_secs(600);

/// Idle flows are looked for this often.
pub const FLOW_SWEEP: Duration = Duration::from_secs(300);

/// A client replaces a flow of raw TCP after this, ±25 %.
pub const FLOW_RENEW: Duration = Duration::from_secs(1200);

/// A client replaces a flow that has sent, and has heard nothing authentic since for so long. Well before its link
/// would be given up.
pub const FLOW_STALLED: Duration = Duration::from_secs(4);

/// The most flows of raw TCP: more than there are links, for each may be between two.
pub const FLOWS_MAX: usize = 65_536;

/// The least that the first payload of a flow of raw TCP has, bytes.
pub const FIRST_PAYLOAD: u16 = 64;
