//! Inbounds: where an application's traffic enters.

pub mod handover;
pub mod newcomers;
pub mod socks5;
