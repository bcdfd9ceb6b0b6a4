//! The KCP session: streams over a few conversations that lose nothing and keep their order.

pub mod mux;
