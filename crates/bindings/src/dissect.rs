//! `Dissector`: says what captured datagrams are, as Python values.

use crate::spec::key32;
use ginnel_proto::envelope::control::Control;
use ginnel_proto::envelope::dissect::{self, Data, Found, Opened, Outer, Requested, Sealed};
use ginnel_proto::envelope::handshake::HandshakeError;
use ginnel_proto::envelope::header::Kind;
use ginnel_proto::envelope::hello::Hello;
use ginnel_proto::envelope::key_log::LoggedKeys;
use ginnel_proto::envelope::keys::{PrivateKey, Psk, PublicKey};
use ginnel_proto::link::Side;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

/// Opens datagrams with the keys that it is given.
#[pyclass(module = "ginnel._engine")]
pub(crate) struct Dissector(dissect::Dissector);

#[pymethods]
impl Dissector {
    #[new]
    fn new() -> Self {
        Self(dissect::Dissector::default())
    }

    /// Adds a server by the secret of its deployment and its public key.
    fn add_server(&mut self, psk: &[u8], public_key: &[u8]) -> PyResult<()> {
        let psk = Psk::new(key32("psk", psk)?);
        let server = PublicKey(key32("public_key", public_key)?);
        taken(self.0.add_server(psk, &server))
    }

    /// Adds a server by the secret of its deployment and its private key.
    fn add_own_server(&mut self, psk: &[u8], private_key: &[u8]) -> PyResult<()> {
        let psk = Psk::new(key32("psk", psk)?);
        let server = PrivateKey::new(key32("private_key", private_key)?);
        taken(self.0.add_own_server(psk, server))
    }

    /// Adds a line of a key log. `False`: it is none of ours, and is passed over.
    fn add_line(&mut self, line: &str) -> PyResult<bool> {
        let keys = LoggedKeys::parse(line).map_err(|error| PyValueError::new_err(error.to_string()))?;
        let is_ours = keys.is_some();
        keys.into_iter().for_each(|keys| self.0.add_keys(keys));
        Ok(is_ours)
    }

    /// Says what a datagram is.
    fn dissect<'py>(&mut self, py: Python<'py>, datagram: &[u8]) -> PyResult<Bound<'py, PyDict>> {
        found(py, &self.0.dissect(datagram))
    }

    /// The length of the segments of what was captured before segmentation.
    fn segment(&self, piece: &[u8]) -> Option<usize> {
        self.0.segment(piece)
    }
}

fn taken(taken: bool) -> PyResult<()> {
    if taken { Ok(()) } else { Err(PyValueError::new_err("more servers than a dissector takes")) }
}

fn found<'py>(py: Python<'py>, found: &Found) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    match found {
        Found::Unknown => dict.set_item("what", "unknown")?,
        Found::Request(Requested { server, outer: layer, contents }) => {
            dict.set_item("what", "request")?;
            dict.set_item("server", server)?;
            outer(&dict, layer.as_ref())?;
            match contents {
                None => {}
                Some(Ok((user, message))) => hello(&dict, user, message)?,
                Some(Err(HandshakeError::Payload(_))) => dict.set_item("fault", "its contents make no sense")?,
                Some(Err(_)) => dict.set_item("fault", "the server's key does not open it")?,
            }
        }
        Found::Answer { request, server, outer: layer } => {
            dict.set_item("what", "answer")?;
            dict.set_item("server", server)?;
            dict.set_item("request", request)?;
            outer(&dict, layer.as_ref())?;
        }
        Found::Data(data) => self::data(&dict, data)?,
    }
    Ok(dict)
}

fn outer(dict: &Bound<'_, PyDict>, outer: Option<&Outer>) -> PyResult<()> {
    match outer {
        None => dict.set_item("fault", "a version or form that is unknown"),
        Some(Outer { version, noise }) => {
            dict.set_item("version", *version as u8)?;
            dict.set_item("noise", noise)
        }
    }
}

fn hello(dict: &Bound<'_, PyDict>, user: &PublicKey, hello: &Hello) -> PyResult<()> {
    let bytes = |bytes| PyBytes::new(dict.py(), bytes);
    dict.set_item("user", bytes(&user.0))?;
    dict.set_item("time_ns", hello.time_ns)?;
    dict.set_item("instance", bytes(&hello.identity.instance))?;
    dict.set_item("member", hello.identity.member)?;
    dict.set_item("attempt", hello.epoch)?;
    dict.set_item("session", hello.session)?;
    dict.set_item("aes", hello.aes)?;
    dict.set_item("session_kind", hello.kind.name())?;
    dict.set_item("parameters", bytes(&hello.params))
}

fn data(dict: &Bound<'_, PyDict>, Data { to, header, payload }: &Data) -> PyResult<()> {
    dict.set_item("what", "data")?;
    dict.set_item("to", if *to == Side::Server { "server" } else { "client" })?;
    dict.set_item("session", header.session)?;
    dict.set_item("counter", header.counter)?;
    let kind = match header.kind {
        Kind::Session => "session",
        Kind::Control => "control",
        Kind::Trimmed => "trimmed",
    };
    dict.set_item("kind", kind)?;
    dict.set_item("epoch", u8::from(header.epoch))?;
    dict.set_item("padded", header.padded)?;
    match payload {
        Ok(opened) => self::opened(dict, opened),
        Err(sealed) => dict.set_item(
            "sealed",
            match sealed {
                Sealed::NoKeys => "no keys",
                Sealed::OtherKeys => "other keys",
                Sealed::Malformed => "malformed",
            },
        ),
    }
}

fn opened(dict: &Bound<'_, PyDict>, opened: &Opened) -> PyResult<()> {
    dict.set_item("link", opened.link)?;
    dict.set_item("aead", opened.aead.name())?;
    dict.set_item("number", opened.number)?;
    dict.set_item("padding", opened.padding)?;
    dict.set_item("zeros", opened.zeros)?;
    dict.set_item("plaintext", PyBytes::new(dict.py(), &opened.plaintext))?;
    match opened.control {
        None => Ok(()),
        Some(control) => self::control(dict, control),
    }
}

fn control(dict: &Bound<'_, PyDict>, control: Control) -> PyResult<()> {
    let bytes = |bytes| PyBytes::new(dict.py(), bytes);
    let (name, token) = match &control {
        Control::Probe(token) => ("probe", Some(token)),
        Control::Echo(token) => ("echo", Some(token)),
        Control::Challenge(token) => ("challenge", Some(token)),
        Control::ChallengeEcho(token) => ("challenge echo", Some(token)),
        Control::Close(_) => ("close", None),
        Control::Rekey(..) => ("rekey", None),
        Control::RekeyAnswer(..) => ("rekey answer", None),
        Control::WideProbe(token) => ("wide probe", Some(token)),
        Control::WideEcho(token) => ("wide echo", Some(token)),
        Control::LongProbe(token, _) => ("long probe", Some(token)),
        Control::LongEcho(token) => ("long echo", Some(token)),
    };
    dict.set_item("message", name)?;
    if let Some(token) = token {
        dict.set_item("token", bytes(token))?;
    }
    match control {
        Control::Close(code) => dict.set_item("code", code),
        Control::LongProbe(_, length) => dict.set_item("datagram_length", length),
        Control::Rekey(number, key) | Control::RekeyAnswer(number, key) => {
            dict.set_item("next_number", number)?;
            dict.set_item("public_key", bytes(&key.0))
        }
        _ => Ok(()),
    }
}
