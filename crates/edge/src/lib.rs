//! Where traffic enters and leaves: inbounds, outbounds, the resolver; and the host, the thread
//! that an engine runs on.

pub mod host;
pub mod inbound;
pub mod opening;
pub mod outbound;
pub mod places;
pub mod resolver;
pub mod serve;
pub mod socket;
