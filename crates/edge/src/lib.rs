//! Where traffic enters and leaves: inbounds, outbounds, the resolver.

pub mod outbound;
pub mod resolver;
pub mod socket;
