//! Inbounds: where an application's traffic enters.

pub mod handover;
pub mod socks5;
