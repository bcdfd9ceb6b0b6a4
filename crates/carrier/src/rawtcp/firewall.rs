//! A rule that drops segments for our ports before a local firewall can answer them: packet sockets have seen them by
//! then.
//!
//! A port that is held by a listening socket with a filter is silent by itself; only a firewall that *rejects* would
//! answer. The rule stands in an nftables table with the flag `owner`, which the kernel removes when the process that
//! made it ends. That is an `nft -i` of ours, which ends when its input does: also when this process is killed.

use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, configure_capability_in_ambient_set};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Rules of the table: for each family those for all addresses, and those for some.
const RULES: usize = 4;

/// How long nft may take to make the table, and to end; it takes a hundredth.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often is looked whether it has.
const LOOK: Duration = Duration::from_millis(5);

/// Where nft is: not every user's path has the administrator's directories.
const PATH: &str = "/usr/sbin:/sbin:/usr/local/sbin:/usr/bin:/bin:/usr/local/bin:/run/current-system/sw/bin";

/// Tables that this process has made.
static MADE: AtomicU32 = AtomicU32::new(0);

/// Holds the rule. Without it, or when it is gone, nothing is dropped early: whoever uses it must not depend on it.
pub struct EarlyDrop {
    nft: Child,
    /// What nft reads. None once it is to end.
    input: Option<UnixStream>,
    table: String,
}

impl EarlyDrop {
    /// Makes the table, for no port yet. None where it cannot be: without `CAP_NET_ADMIN`, without nft, or if the kernel
    /// lacks what it needs. Waits for nft, for two seconds at most.
    pub fn start() -> Option<Self> {
        capabilities(None).ok().filter(|sets| sets.effective.contains(CapabilitySet::NET_ADMIN))?;
        with_rights(|| {
            // Fails at once where there is no nft, or nothing that it could talk to.
            nft().args(["list", "tables"]).status().ok().filter(|status| status.success())?;
            // A number of a process is its own in its container only, and containers may share a network.
            let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos();
            let number = MADE.fetch_add(1, Ordering::Relaxed);
            let table = format!("ginnel_{}_{number}_{time:x}", std::process::id());
            let (input, output) = UnixStream::pair().ok()?;
            input.set_nonblocking(true).ok()?;
            let nft = nft().arg("-i").stdin(OwnedFd::from(output)).spawn().ok()?;
            let mut made = Self { nft, input: Some(input), table };
            made.tell(&made.commands());
            made.is_there().then_some(made)
        })
    }

    /// Drops what comes for this address and port of ours early, from a moment on that is near.
    pub fn hold(&mut self, at: SocketAddr) {
        self.change("add", at);
    }

    /// No longer does so.
    pub fn release(&mut self, at: SocketAddr) {
        self.change("delete", at);
    }

    /// Another program may have the same port at another address, or for the other family.
    fn change(&mut self, verb: &str, at: SocketAddr) {
        let (table, port) = (&self.table, at.port());
        let elements: &[(&str, String)] = &match at.ip() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => [Some(("ports4", port.to_string())), None],
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
                [Some(("ports4", port.to_string())), Some(("ports6", port.to_string()))]
            }
            IpAddr::V4(v4) => [Some(("ends4", format!("{v4} . {port}"))), None],
            IpAddr::V6(v6) => [Some(("ends6", format!("{v6} . {port}"))), None],
        }
        .into_iter()
        .flatten()
        .collect::<Vec<_>>();
        let line = |(set, element): &(&str, String)| format!("{verb} element inet {table} {set} {{ {element} }}\n");
        let lines: String = elements.iter().map(line).collect();
        self.tell(&lines);
    }

    /// A line each: `create` fails if there is such a table already. Before conntrack (-200) and raw (-300), and only
    /// what is for this machine: forwarded packets with the same port are somebody else's. The last set says that all
    /// has been read.
    fn commands(&self) -> String {
        let table = &self.table;
        format!(
            "create table inet {table} {{ flags owner; }}\n\
             add set inet {table} ports4 {{ type inet_service; }}\n\
             add set inet {table} ports6 {{ type inet_service; }}\n\
             add set inet {table} ends4 {{ type ipv4_addr . inet_service; }}\n\
             add set inet {table} ends6 {{ type ipv6_addr . inet_service; }}\n\
             add chain inet {table} early {{ type filter hook prerouting priority -400; policy accept; }}\n\
             add rule inet {table} early meta nfproto ipv4 fib daddr type local tcp dport @ports4 drop\n\
             add rule inet {table} early meta nfproto ipv6 fib daddr type local tcp dport @ports6 drop\n\
             add rule inet {table} early fib daddr type local ip daddr . tcp dport @ends4 drop\n\
             add rule inet {table} early fib daddr type local ip6 daddr . tcp dport @ends6 drop\n\
             add set inet {table} complete {{ type inet_service; }}\n"
        )
    }

    /// Never waits: lines are short, and nft reads them at once. One that is gone takes nothing, and nothing is lost
    /// but the rule.
    fn tell(&mut self, lines: &str) {
        if let Some(input) = &mut self.input {
            let _ = input.write_all(lines.as_bytes());
        }
    }

    /// Waits until nft has read all, and says whether the rule stands.
    fn is_there(&mut self) -> bool {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until && matches!(self.nft.try_wait(), Ok(None)) {
            let listed = nft().args(["list", "table", "inet", &self.table]).stdout(Stdio::piped()).output();
            let text = listed.map(|listed| String::from_utf8_lossy(&listed.stdout).into_owned()).unwrap_or_default();
            if text.contains("set complete") {
                return text.matches("fib daddr type local").count() == RULES && text.contains("@ends6 drop");
            }
            std::thread::sleep(LOOK);
        }
        false
    }
}

impl Drop for EarlyDrop {
    fn drop(&mut self) {
        // The end of its input ends it, and its end the table.
        self.input = None;
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if !matches!(self.nft.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(LOOK);
        }
        let _ = self.nft.kill();
        let _ = self.nft.wait();
    }
}

/// nft with nothing of ours: no descriptors, what it says is not read, and there is no home where it could keep a history
/// of commands.
fn nft() -> Command {
    let mut nft = Command::new("nft");
    nft.env_clear().env("PATH", PATH).env("HOME", "/dev/null").env("TERM", "dumb").current_dir("/");
    nft.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    alone(&mut nft);
    nft
}

#[expect(unsafe_code, reason = "what happens between fork and exec can only be said with it")]
fn alone(command: &mut Command) {
    let between = || {
        // Not of the terminal's session: Ctrl-C is for us, and we end it when our ports are given up.
        rustix::process::setsid()?;
        // What somebody has opened without O_CLOEXEC. Kernels before 5.11 cannot, and it is no harm.
        // SAFETY: no descriptor is closed here; those above 2 are marked to be closed by exec, which only ends this
        // copy of the process.
        unsafe { libc::close_range(3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC as libc::c_int) };
        Ok(())
    };
    // SAFETY: both are plain system calls, which allocate nothing and take no lock.
    unsafe { command.pre_exec(between) };
}

/// Runs a closure on a thread whose children keep `CAP_NET_ADMIN`: rights that a file has given (`setcap`) end with a
/// new program otherwise.
fn with_rights<T: Send>(closure: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // Where it is not to be had, nft says so, and there is no rule.
            if let Ok(sets) = capabilities(None) {
                let inheritable = sets.inheritable | CapabilitySet::NET_ADMIN;
                let _ = rustix::thread::set_capabilities(None, CapabilitySets { inheritable, ..sets });
                let _ = configure_capability_in_ambient_set(CapabilitySet::NET_ADMIN, true);
            }
            closure()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
