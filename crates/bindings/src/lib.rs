//! The native module `ginnel._engine`: conversions and handles, nothing else.
//!
//! The language boundary carries decisions, not payload. In: one configuration value, and
//! commands. Out: replies, events, counters. No engine thread ever touches Python.

mod allocator;
mod convert;
mod dissect;
mod engine;
mod keys;
mod network;
mod spec;

/// The native half of ginnel.
#[pyo3::pymodule(gil_used = false)]
mod _engine {
    #[pymodule_export]
    use super::dissect::Dissector;
    #[pymodule_export]
    use super::engine::Engine;
    #[pymodule_export]
    use super::keys::{derive_user_key, engine_version, generate_private_key, public_key};
    #[pymodule_export]
    use super::network::{interfaces, way};
    #[pymodule_export]
    use super::spec::default_limits;
}

/// Packets and chunks are many small, short-lived allocations of a few sizes.
#[global_allocator]
static ALLOCATOR: allocator::Counted<mimalloc::MiMalloc> = allocator::Counted(mimalloc::MiMalloc);
