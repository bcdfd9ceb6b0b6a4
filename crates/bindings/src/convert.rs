//! Messages of the inbox, and statistics, as Python values.

use ginnel_edge::host::{Event, Fact, Failure, LinkFigures, Message, Stats, Value};
use ginnel_engine::histogram::Histogram;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyDict, PyList};
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
        Value::Link { peer, session, carrier, rtt } => {
            let link = PyDict::new(py);
            link.set_item("peer", peer.to_string())?;
            link.set_item("rtt", rtt.as_secs_f64())?;
            link.set_item("session", session.name())?;
            link.set_item("carrier", carrier.name())?;
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

/// A dictionary of dictionaries, as the stub describes it.
pub(crate) fn stats<'py>(py: Python<'py>, stats: &Stats) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, counts) in [("counters", &stats.counters), ("gauges", &stats.gauges), ("drops", &stats.drops)] {
        dict.set_item(name, counts.iter().copied().into_py_dict(py)?)?;
    }
    let open_time = PyDict::new(py);
    for (stage, histogram) in &stats.open_time {
        open_time.set_item(stage, self::histogram(py, histogram)?)?;
    }
    dict.set_item("open_time", open_time)?;
    let users = PyDict::new(py);
    for (name, usage) in &stats.users {
        let counts = [
            ("links", usage.links),
            ("streams", usage.streams),
            ("streams_opened", usage.streams_opened),
            ("bytes_received", usage.bytes_received),
            ("bytes_sent", usage.bytes_sent),
        ];
        users.set_item(&**name, counts.into_py_dict(py)?)?;
    }
    dict.set_item("users", users)?;
    Ok(dict)
}

/// A dictionary for each link, as the stub describes it.
pub(crate) fn links<'py>(py: Python<'py>, links: &[LinkFigures]) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for LinkFigures { link, peer, session, carrier, path } in links {
        let dict = PyDict::new(py);
        dict.set_item("link", link.to_string())?;
        dict.set_item("peer", peer.to_string())?;
        dict.set_item("session", session.name())?;
        dict.set_item("carrier", carrier.name())?;
        dict.set_item("rtt_seconds", path.rtt.as_secs_f64())?;
        dict.set_item("window", path.window)?;
        dict.set_item("pace", path.pace)?;
        dict.set_item("mtu", path.mtu)?;
        dict.set_item("sent", path.sent)?;
        dict.set_item("lost", path.lost)?;
        dict.set_item("receive_window", path.receive_window)?;
        dict.set_item("send_window", path.send_window)?;
        dict.set_item("refused", path.refused)?;
        list.append(dict)?;
    }
    Ok(list)
}

fn histogram<'py>(py: Python<'py>, histogram: &Histogram) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("count", histogram.count())?;
    dict.set_item("sum_seconds", histogram.sum().as_secs_f64())?;
    let buckets = PyList::empty(py);
    for (upper, count) in histogram.buckets() {
        buckets.append(PyList::new(py, [any(py, upper.as_secs_f64())?, any(py, count)?])?)?;
    }
    dict.set_item("buckets", buckets)?;
    Ok(dict)
}

fn any<'py, T: IntoPyObjectExt<'py>>(py: Python<'py>, value: T) -> PyResult<Py<PyAny>> {
    value.into_py_any(py)
}
