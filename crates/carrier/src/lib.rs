//! Packets against the operating system.
//!
//! A carrier moves datagrams to and from the network, in batches, and knows nothing of what is in them. There are two,
//! [`udp`] and [`rawtcp`].

pub mod batch;
mod buffers;
pub mod rawtcp;
pub mod udp;
