//! Network namespaces for tests: made with `ip`, left again with the test.
#![allow(dead_code, reason = "each test file uses a part of it")]

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// How many were made, so that each has a name of its own.
static MADE: AtomicU32 = AtomicU32::new(0);

/// A namespace with its loopback up, for as long as this lives.
pub(crate) struct Namespace(String);

impl Namespace {
    /// None, and a word about it, where tests may not make namespaces.
    pub(crate) fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() || Command::new("ip").arg("-V").output().is_err() {
            eprintln!("skipped: needs root and ip(8) to make network namespaces");
            return None;
        }
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("ginnel-carrier-{}-{number}", std::process::id());
        run("ip", &["netns", "add", &name]);
        let namespace = Self(name);
        namespace.ip("link set lo up");
        Some(namespace)
    }

    /// What `ip -n` knows it by.
    pub(crate) fn name(&self) -> &str {
        &self.0
    }

    /// Runs `ip` here, with words that have no space in them.
    pub(crate) fn ip(&self, words: &str) {
        self.run(&format!("ip {words}"));
    }

    /// Runs a command here, and gives what it prints.
    pub(crate) fn run(&self, words: &str) -> String {
        let words: Vec<&str> = words.split_whitespace().collect();
        run("ip", &[&["netns", "exec", &self.0], &words[..]].concat())
    }

    /// Runs a closure on a thread that is here.
    pub(crate) fn inside<T: Send>(&self, closure: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let namespace = File::open(format!("/run/netns/{}", self.0)).unwrap();
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
                closure()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
