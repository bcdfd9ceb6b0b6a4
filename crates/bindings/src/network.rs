//! What the system knows of the network, for Python.

use crate::engine::os_error;
use ginnel_carrier::rawtcp::network::{self, Interface, Kind};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::net::IpAddr;

/// All interfaces of this machine.
#[pyfunction]
pub(crate) fn interfaces(py: Python<'_>) -> PyResult<Vec<Bound<'_, PyDict>>> {
    let all = py.detach(network::interfaces).map_err(os_error)?;
    all.iter().map(|one| interface(py, one)).collect()
}

/// The way to an address.
#[pyfunction]
#[pyo3(signature = (host, interface, source))]
pub(crate) fn way<'py>(
    py: Python<'py>,
    host: &str,
    interface: Option<&str>,
    source: Option<&str>,
) -> PyResult<Bound<'py, PyDict>> {
    let (host, source) = (address("host", host)?, source.map(|source| address("source", source)).transpose()?);
    let (way, hardware) = py
        .detach(|| {
            let way = network::way(host, interface, source)?;
            let hardware = match way.interface.kind {
                Kind::Ethernet => network::neighbour(way.interface.index, way.next)?,
                _ => None,
            };
            Ok((way, hardware))
        })
        .map_err(os_error)?;
    let dict = PyDict::new(py);
    dict.set_item("interface", self::interface(py, &way.interface)?)?;
    dict.set_item("source", way.source.to_string())?;
    dict.set_item("next", way.next.to_string())?;
    dict.set_item("hardware", hardware.map(hexadecimal))?;
    Ok(dict)
}

fn interface<'py>(py: Python<'py>, interface: &Interface) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("index", interface.index)?;
    dict.set_item("name", &interface.name)?;
    dict.set_item("kind", kind(interface.kind))?;
    dict.set_item("tunnel", interface.tunnel)?;
    dict.set_item("up", interface.up)?;
    dict.set_item("mtu", interface.mtu)?;
    dict.set_item("hardware", interface.hardware.map(hexadecimal))?;
    dict.set_item("addresses", interface.addresses.iter().map(IpAddr::to_string).collect::<Vec<_>>())?;
    Ok(dict)
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Ethernet => "ethernet",
        Kind::Loopback => "loopback",
        Kind::Bare => "bare",
        Kind::Other => "other",
    }
}

fn hexadecimal(hardware: [u8; 6]) -> String {
    hardware.map(|byte| format!("{byte:02x}")).join(":")
}

fn address(name: &str, text: &str) -> PyResult<IpAddr> {
    text.parse().map_err(|_| PyValueError::new_err(format!("{name} is no IP address")))
}
