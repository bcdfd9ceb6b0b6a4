//! `Engine`: a handle of one host.

use crate::allocator::memory_in_use;
use crate::convert;
use crate::spec::{
    ClientConfig, CongestionSpec, KcpSpec, ProfileSpec, ServerConfig, address, key32, limits, log_error, log_levels,
    named, session, user_table,
};
use ginnel_carrier::rawtcp::Error as RawTcpError;
use ginnel_edge::host::{Command, CommandError, Host, LogLevels, Role};
use ginnel_proto::carrier::CarrierKind;
use ginnel_proto::envelope::keys::Psk;
use ginnel_proto::limits::Limits;
use ginnel_proto::socks5::Credentials;
use ginnel_proto::target::{Host as TargetHost, Target};
use pyo3::exceptions::{PyOSError, PyOverflowError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use std::collections::BTreeMap;
use std::time::Duration;

/// The longest time that a command may be told to wait: a year.
const TIME_MAX: f64 = 365.0 * 86_400.0;

/// One engine: its thread, one shard, its links, and an inbox of replies and events.
#[pyclass(frozen, module = "ginnel._engine")]
pub(crate) struct Engine {
    /// There until `drop`, which leaves it alone in a fork and lets the interpreter go meanwhile.
    host: Option<Host>,
    addresses: Vec<(&'static str, String, u16)>,
    descriptor: i32,
    process: u32,
    /// What a limit is that nobody names.
    defaults: Limits,
}

#[pymethods]
impl Engine {
    /// Starts a server.
    #[staticmethod]
    fn server(py: Python<'_>, config: ServerConfig) -> PyResult<Self> {
        let limits = limits(Limits::server(), &config.limits, &config.congestion, &config.kcp, &config.profile)?;
        let log = log_levels(&config.log)?;
        Self::start(py, Role::Server(config.spec()?), limits, log)
    }

    /// Starts a client, which sets up its link at once.
    #[staticmethod]
    fn client(py: Python<'_>, config: ClientConfig) -> PyResult<Self> {
        let mut limits = limits(Limits::client(), &config.limits, &config.congestion, &config.kcp, &config.profile)?;
        limits.session = session(&config.session)?;
        let log = log_levels(&config.log)?;
        Self::start(py, Role::Client(config.spec()?), limits, log)
    }

    /// Of each carrier its name, host and lowest port, of a server in the order in which it listens.
    #[getter]
    fn local_addresses(&self) -> Vec<(&'static str, String, u16)> {
        self.addresses.clone()
    }

    /// A descriptor that is readable when the inbox went from empty to non-empty.
    fn fileno(&self) -> i32 {
        self.descriptor
    }

    /// Takes all that is in the inbox, oldest first. RuntimeError: the engine has ended, and why.
    fn drain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        let messages = self.host()?.inbox().drain().map_err(PyRuntimeError::new_err)?;
        for message in messages {
            list.append(convert::message(py, message)?)?;
        }
        Ok(list)
    }

    /// Waits until the link is up.
    fn connect(&self, ticket: u64, timeout: f64) -> PyResult<()> {
        self.command(ticket, Command::Connect { timeout: seconds("timeout", timeout)? })
    }

    /// Sends one probe on the live link.
    fn probe(&self, ticket: u64, timeout: f64) -> PyResult<()> {
        self.command(ticket, Command::Probe { timeout: seconds("timeout", timeout)? })
    }

    /// Listens for SOCKS5 on a TCP address.
    fn listen_socks5(
        &self,
        ticket: u64,
        host: &str,
        port: u16,
        username: Option<&str>,
        password: Option<&str>,
    ) -> PyResult<()> {
        let credentials = match (username, password) {
            (None, None) => None,
            (Some(user), Some(password)) => {
                let credentials = Credentials::new(user.as_bytes(), password.as_bytes());
                Some(credentials.map_err(|error| PyValueError::new_err(error.to_string()))?)
            }
            _ => return Err(PyValueError::new_err("username and password go together: give both or none")),
        };
        self.command(ticket, Command::ListenSocks5 { address: address("host", host, port)?, credentials })
    }

    /// Stops accepting; streams that came through the listener live on.
    fn close_listener(&self, ticket: u64, listener: u64) -> PyResult<()> {
        self.command(ticket, Command::CloseListener(listener))
    }

    /// Opens a stream to a target and hands its socket over.
    fn open(&self, ticket: u64, host: &str, port: u16) -> PyResult<()> {
        let target = TargetHost::from_bytes(host.as_bytes()).and_then(|host| Target::new(host, port));
        let target = target.map_err(|error| PyValueError::new_err(error.to_string()))?;
        self.command(ticket, Command::Open(target))
    }

    /// Replaces a server's user table.
    fn set_users(&self, ticket: u64, users: Vec<(String, Vec<u8>)>) -> PyResult<()> {
        self.command(ticket, Command::SetUsers(user_table(users)?))
    }

    /// Replaces a server's secrets, the current one first. Links that use one that is gone end.
    fn set_psks(&self, ticket: u64, psks: Vec<Vec<u8>>) -> PyResult<()> {
        let psks = psks.iter().map(|psk| Ok(Psk::new(key32("psks", psk)?)));
        self.command(ticket, Command::SetPsks(psks.collect::<PyResult<_>>()?))
    }

    /// Lets a server's clients reach loopback and private addresses, or no longer.
    fn set_allow_private(&self, ticket: u64, allow: bool) -> PyResult<()> {
        self.command(ticket, Command::SetAllowPrivate(allow))
    }

    /// Replaces all limits, the controller of congestion, how KCP sends and the profile, for what begins from now on.
    fn set_limits(
        &self,
        ticket: u64,
        limits: BTreeMap<String, f64>,
        congestion: CongestionSpec,
        profile: ProfileSpec,
        kcp: KcpSpec,
    ) -> PyResult<()> {
        let limits = self::limits(self.defaults.clone(), &limits, &congestion, &kcp, &profile)?;
        self.command(ticket, Command::SetLimits(Box::new(limits)))
    }

    /// Ends gracefully: `drain` seconds for the streams, then closes.
    fn shutdown(&self, ticket: u64, drain: f64) -> PyResult<()> {
        self.command(ticket, Command::Shutdown { drain: seconds("drain", drain)? })
    }

    /// Sets the levels of the log, at once.
    fn set_log(&self, levels: BTreeMap<String, String>) -> PyResult<()> {
        self.host()?.set_log(named(&levels)).map_err(log_error)
    }

    /// All that is counted and measured.
    fn stats<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let host = self.host()?;
        let stats = py.detach(|| host.stats()).map_err(refused)?;
        convert::stats(py, &stats)
    }

    /// Every link that is up, with what it has learnt about its path.
    fn links<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let host = self.host()?;
        let links = py.detach(|| host.links()).map_err(refused)?;
        convert::links(py, &links)
    }
}

impl Engine {
    fn start(py: Python<'_>, role: Role, limits: Limits, log: LogLevels) -> PyResult<Self> {
        let defaults = match role {
            Role::Server(_) => Limits::server(),
            Role::Client(_) => Limits { session: limits.session, ..Limits::client() },
        };
        let host = py.detach(|| Host::start(role, limits, log, memory_in_use)).map_err(os_error)?;
        let addresses = host.local_addresses().iter();
        Ok(Self {
            addresses: addresses.map(|(kind, at)| (kind.name(), at.ip().to_string(), at.port())).collect(),
            descriptor: host.inbox().descriptor(),
            process: std::process::id(),
            defaults,
            host: Some(host),
        })
    }

    fn command(&self, ticket: u64, command: Command) -> PyResult<()> {
        if ticket == 0 {
            return Err(PyValueError::new_err("ticket: 0 stands for events; a command's is above it"));
        }
        self.host()?.command(ticket, command).map_err(refused)
    }

    /// The host, unless this process is a fork of the one that made it: the engine's thread did
    /// not come along, and waiting for it would be waiting for ever.
    fn host(&self) -> PyResult<&Host> {
        if std::process::id() != self.process {
            let made = self.process;
            let message = format!("this engine lives in process {made}; make a new one after a fork");
            return Err(PyRuntimeError::new_err(message));
        }
        self.host.as_ref().ok_or_else(|| refused(CommandError::Closed))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let host = self.host.take();
        if std::process::id() == self.process {
            Python::attach(|py| py.detach(|| drop(host)));
        } else {
            // The thread to join is in another process.
            std::mem::forget(host);
        }
    }
}

/// An OSError with `errno` and `strerror`, where there is a number; PyO3's own has only a text. What comes from raw TCP
/// says so in its `filename`.
fn os_error(error: std::io::Error) -> PyErr {
    let text = error.to_string();
    if let Some(rawtcp) = error.get_ref().and_then(|inner| inner.downcast_ref::<RawTcpError>()) {
        return PyOSError::new_err((rawtcp_errno(rawtcp), text, CarrierKind::RawTcp.name()));
    }
    // Of one of many ports, the system's own error is behind that which names the port.
    let behind = error.get_ref().and_then(|inner| inner.source()?.downcast_ref::<std::io::Error>());
    match error.raw_os_error().or_else(|| behind?.raw_os_error()) {
        Some(number) => {
            let plain = text.strip_suffix(&format!(" (os error {number})")).unwrap_or(&text);
            PyOSError::new_err((number, plain.to_owned()))
        }
        None => PyOSError::new_err(text),
    }
}

/// The system's number for what keeps raw TCP from starting.
fn rawtcp_errno(error: &RawTcpError) -> i32 {
    match error {
        RawTcpError::Rights => libc::EPERM,
        RawTcpError::System => libc::EOPNOTSUPP,
        RawTcpError::Port { source, .. } | RawTcpError::Io(source) => source.raw_os_error().unwrap_or(libc::EIO),
    }
}

fn refused(error: CommandError) -> PyErr {
    match error {
        CommandError::Closed => PyRuntimeError::new_err(error.to_string()),
        CommandError::TooMany => PyOverflowError::new_err(error.to_string()),
    }
}

/// A time that a command waits, in seconds.
fn seconds(name: &str, value: f64) -> PyResult<Duration> {
    if (0.0..=TIME_MAX).contains(&value) {
        Ok(Duration::from_secs_f64(value))
    } else {
        Err(PyValueError::new_err(format!("{name}: {value} is not a number of seconds from 0 to a year")))
    }
}
