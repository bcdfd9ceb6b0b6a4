//! Messages of the inbox as Python values.

use ginnel_edge::host::{Event, Fact, Failure, Message, Value};
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::os::fd::IntoRawFd;

/// `(ticket, ok, value)`, as the stub describes it.
pub(crate) fn message(py: Python<'_>, message: Message) -> PyResult<(u64, bool, Py<PyAny>)> {
    match message {
        Message::Reply(ticket, Ok(value)) => Ok((ticket, true, self::value(py, value)?)),
        Message::Reply(ticket, Err(failure)) => Ok((ticket, false, self::failure(py, &failure)?)),
        Message::Event(event) => Ok((0, true, self::event(py, &event)?)),
    }
}

fn value(py: Python<'_>, value: Value) -> PyResult<Py<PyAny>> {
    match value {
        Value::Done => Ok(py.None()),
        Value::Link { peer, rtt } => {
            let link = PyDict::new(py);
            link.set_item("peer", peer.to_string())?;
            link.set_item("rtt", rtt.as_secs_f64())?;
            link.set_item("session", "quic")?;
            link.set_item("carrier", "udp")?;
            Ok(link.into_any().unbind())
        }
        Value::Seconds(time) => any(py, time.as_secs_f64()),
        Value::Listener(number, address) => any(py, (number, address.ip().to_string(), address.port())),
        // From here on the descriptor is Python's to close.
        Value::Socket(socket, stream) => any(py, (socket.into_raw_fd(), stream)),
    }
}

fn failure(py: Python<'_>, failure: &Failure) -> PyResult<Py<PyAny>> {
    any(py, (failure.kind, &*failure.message, facts(py, &failure.facts)?))
}

fn event(py: Python<'_>, event: &Event) -> PyResult<Py<PyAny>> {
    any(py, (event.name, facts(py, &event.facts)?))
}

fn facts<'py>(py: Python<'py>, facts: &[(&'static str, Fact)]) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, fact) in facts {
        match fact {
            Fact::Text(text) => dict.set_item(name, text)?,
            Fact::Number(number) => dict.set_item(name, number)?,
            Fact::Seconds(seconds) => dict.set_item(name, seconds)?,
        }
    }
    Ok(dict)
}

fn any<'py, T: IntoPyObjectExt<'py>>(py: Python<'py>, value: T) -> PyResult<Py<PyAny>> {
    value.into_py_any(py)
}
