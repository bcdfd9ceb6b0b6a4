//! Key functions for Python, which has no X25519 of its own.

use crate::spec::key32;
use ginnel_proto::envelope::keys::{self, PrivateKey};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// Draws an X25519 private key: 32 bytes.
#[pyfunction]
pub(crate) fn generate_private_key(py: Python<'_>) -> Bound<'_, PyBytes> {
    PyBytes::new(py, &rand::random::<[u8; 32]>())
}

/// The public key (32 bytes) of an X25519 private key (RFC 7748 section 5).
#[pyfunction]
pub(crate) fn public_key<'py>(py: Python<'py>, private_key: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let key = PrivateKey::new(key32("private_key", private_key)?);
    Ok(PyBytes::new(py, &key.public().0))
}

/// The X25519 private key (32 bytes) of a user, always the same for the same arguments.
#[pyfunction]
pub(crate) fn derive_user_key<'py>(
    py: Python<'py>,
    server_private_key: &[u8],
    user: &str,
    generation: u32,
) -> PyResult<Bound<'py, PyBytes>> {
    let server = PrivateKey::new(key32("server_private_key", server_private_key)?);
    Ok(PyBytes::new(py, keys::derive_user_key(&server, user, generation).expose()))
}

/// The engine's version.
#[pyfunction]
pub(crate) fn engine_version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
