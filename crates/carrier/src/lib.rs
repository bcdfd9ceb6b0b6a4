//! Packets against the operating system.
//!
//! A carrier moves datagrams to and from the network, in batches, and knows nothing of what is in
//! them. There is one so far, [`udp`]; `rawtcp` will be the second.

pub mod udp;
