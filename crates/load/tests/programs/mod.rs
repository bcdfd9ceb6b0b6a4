//! The program under test, started and ended, and partners that are not it.

#![allow(dead_code, reason = "each test file uses a part of it")]

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

/// The command with its arguments, all of its streams in pipes.
pub(crate) fn load(arguments: &[&str]) -> Command {
    piped(Command::new(env!("CARGO_BIN_EXE_ginnel-load")), arguments)
}

/// The same in a network namespace.
fn load_in(namespace: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace, env!("CARGO_BIN_EXE_ginnel-load")]);
    piped(command, arguments)
}

fn piped(mut command: Command, arguments: &[&str]) -> Command {
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Whether it was content, and what it said.
pub(crate) fn ended(mut command: Command) -> (bool, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

/// The report of a run, or what it complained of.
pub(crate) fn run(line: &str) -> Result<Value, String> {
    report_of(load(&run_arguments(line)))
}

/// The same in a network namespace.
pub(crate) fn run_in(namespace: &str, line: &str) -> Result<Value, String> {
    report_of(load_in(namespace, &run_arguments(line)))
}

fn run_arguments(line: &str) -> Vec<&str> {
    ["run"].into_iter().chain(line.split(' ')).collect()
}

fn report_of(command: Command) -> Result<Value, String> {
    let (success, out, error) = ended(command);
    if !success {
        assert_eq!(out, "", "a run that has failed reports nothing");
        return Err(error);
    }
    Ok(serde_json::from_str(&out).unwrap())
}

/// A program that runs until the test is over.
pub(crate) struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
    /// What stood behind `listening` in its first line.
    pub(crate) address: String,
}

impl Running {
    /// Starts a program that listens, and waits until it does.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::with_first_line(load(arguments), "listening ")
    }

    /// The same in a network namespace.
    pub(crate) fn start_in(namespace: &str, arguments: &[&str]) -> Self {
        Self::with_first_line(load_in(namespace, arguments), "listening ")
    }

    /// Starts a program and waits for a first line that begins so.
    pub(crate) fn with_first_line(mut command: Command, begins: &str) -> Self {
        let mut child = command.stderr(Stdio::inherit()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let Some(address) = line.trim_end().strip_prefix(begins) else { panic!("{line:?} has no {begins:?}") };
        Self { child, address: address.to_owned(), out }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How many descriptors it has of a kind.
    pub(crate) fn descriptors(&self, kind: &str) -> usize {
        let all = std::fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap();
        let links = all.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        links.filter(|link| link.to_string_lossy().starts_with(kind)).count()
    }

    /// Ends its standard input, and returns what it says until it ends.
    pub(crate) fn finish(&mut self) -> String {
        drop(self.child.stdin.take());
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success());
        rest
    }

    /// Tells it to end.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address where nobody listens, and nobody else will: it is bound for as long as this process lives.
pub(crate) fn refusing() -> SocketAddr {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    std::mem::forget(socket);
    address
}

/// A server that says one thing to everybody, hears them out, and ends.
pub(crate) fn saying(what: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut socket = socket;
                let _ = socket.write_all(what);
                let _ = socket.shutdown(std::net::Shutdown::Write);
                let _ = std::io::copy(&mut socket, &mut std::io::sink());
            });
        }
    });
    address
}
