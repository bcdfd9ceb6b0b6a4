//! The rule that drops early, in network namespaces whose firewall rejects.
#![cfg(target_os = "linux")]

mod namespaces;

use ginnel_carrier::rawtcp::firewall::EarlyDrop;
use namespaces::Namespace;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Set for the process that holds a rule until it is killed.
const HOLDER: &str = "GINNEL_TEST_HOLDER";

/// Two ends of a wire, the second of which rejects all new TCP with a reset, and leads to a third machine.
struct Lab {
    near: Namespace,
    server: Namespace,
    beyond: Namespace,
}

fn lab() -> Option<Lab> {
    let (near, server, beyond) = (Namespace::new()?, Namespace::new()?, Namespace::new()?);
    if Command::new("nft").arg("--version").output().is_err() {
        eprintln!("skipped: needs nft(8)");
        return None;
    }
    for (first, second, net) in [(&near, &server, 1), (&server, &beyond, 2)] {
        first.ip(&format!("link add right type veth peer name left netns {}", second.name()));
        for (end, device, host) in [(first, "right", 1), (second, "left", 2)] {
            end.ip(&format!("link set {device} up"));
            end.ip(&format!("address add 10.9.{net}.{host}/24 dev {device}"));
            end.ip(&format!("address add fd00:{net}::{host}/64 dev {device} nodad"));
        }
    }
    near.ip("route add default via 10.9.1.2");
    beyond.ip("route add default via 10.9.2.1");
    server.run("sysctl -q -w net.ipv4.ip_forward=1");
    server.run("nft add table inet wall");
    server.run("nft add chain inet wall input { type filter hook input priority 0 ; policy accept ; }");
    server.run("nft add rule inet wall input meta l4proto tcp reject with tcp reset");
    Some(Lab { near, server, beyond })
}

impl Lab {
    /// What the first machine gets for a SYN: None for silence. Silence takes its time, so it is a short one.
    fn answer(&self, to: &str) -> Option<ErrorKind> {
        let to: SocketAddr = to.parse().unwrap();
        let error =
            self.near.inside(|| TcpStream::connect_timeout(&to, Duration::from_millis(400)).unwrap_err().kind());
        (error != ErrorKind::TimedOut).then_some(error)
    }

    /// Waits until the server's rules have or have not a word.
    fn until(&self, there: bool, word: &str) {
        until(|| self.server.run("nft list ruleset").contains(word) == there, word);
    }
}

/// Looks again and again: nft tells nobody when it is done. The bound is for what hangs.
fn until(mut known: impl FnMut() -> bool, what: &str) {
    let begun = Instant::now();
    while !known() {
        assert!(begun.elapsed() < Duration::from_secs(20), "waited for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A port of all addresses, of both families.
fn all(port: u16) -> SocketAddr {
    SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)
}

#[test]
fn a_held_port_is_silent_although_the_firewall_rejects() {
    let Some(lab) = lab() else { return };
    assert_eq!(lab.answer("10.9.1.2:4433"), Some(ErrorKind::ConnectionRefused));
    let mut early = lab.server.inside(EarlyDrop::start).expect("root may");
    lab.until(true, "flags owner");
    assert_eq!(lab.answer("10.9.1.2:4433"), Some(ErrorKind::ConnectionRefused), "no port is held yet");
    early.hold(all(4433));
    early.hold(all(443));
    lab.until(true, "443, 4433");
    for (to, answer) in [
        ("10.9.1.2:4433", None),
        ("10.9.1.2:443", None),
        ("[fd00:1::2]:4433", None),
        ("10.9.1.2:4434", Some(ErrorKind::ConnectionRefused)),
        ("[fd00:1::2]:4434", Some(ErrorKind::ConnectionRefused)),
    ] {
        assert_eq!(lab.answer(to), answer, "{to}");
    }
    early.release(all(4433));
    lab.until(false, "4433");
    assert_eq!(lab.answer("10.9.1.2:4433"), Some(ErrorKind::ConnectionRefused));
    assert_eq!(lab.answer("10.9.1.2:443"), None);
}

#[test]
fn other_programs_have_the_same_port_at_other_addresses() {
    let Some(lab) = lab() else { return };
    lab.server.ip("address add 10.9.1.3/24 dev left");
    let mut early = lab.server.inside(EarlyDrop::start).unwrap();
    early.hold("10.9.1.2:4433".parse().unwrap());
    early.hold("[fd00:1::2]:4434".parse().unwrap());
    early.hold("0.0.0.0:4435".parse().unwrap());
    lab.until(true, "4435");
    for (to, silent) in [
        ("10.9.1.2:4433", true),
        ("10.9.1.3:4433", false),
        ("[fd00:1::2]:4433", false),
        ("[fd00:1::2]:4434", true),
        ("10.9.1.2:4434", false),
        ("10.9.1.3:4435", true),
        ("[fd00:1::2]:4435", false),
    ] {
        assert_eq!(lab.answer(to).is_none(), silent, "{to}");
    }
    early.release("10.9.1.2:4433".parse().unwrap());
    lab.until(false, "4433");
    assert!(lab.answer("10.9.1.2:4433").is_some());
}

#[test]
fn what_is_only_passed_on_passes() {
    let Some(lab) = lab() else { return };
    let listener = lab.beyond.inside(|| TcpListener::bind("10.9.2.2:4433")).unwrap();
    let mut early = lab.server.inside(EarlyDrop::start).unwrap();
    early.hold(all(4433));
    lab.until(true, "4433");
    let bound = Duration::from_secs(10);
    lab.near.inside(|| TcpStream::connect_timeout(&"10.9.2.2:4433".parse().unwrap(), bound)).unwrap();
    assert!(listener.accept().unwrap().1.to_string().starts_with("10.9.1.1:"));
}

#[test]
fn the_end_leaves_nothing() {
    let Some(lab) = lab() else { return };
    let mut first = lab.server.inside(EarlyDrop::start).unwrap();
    let second = lab.server.inside(EarlyDrop::start).unwrap();
    first.hold(all(1));
    let pids = lab.server.run(&format!("ip netns pids {}", lab.server.name()));
    // Without the command that looks.
    let is_nft = |pid: &&str| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "nft\n");
    let nft: Vec<&str> = pids.lines().filter(is_nft).collect();
    assert_eq!(nft.len(), 2);
    drop(first);
    let rules = lab.server.run("nft list ruleset");
    assert_eq!(rules.matches("flags owner").count(), 1, "each has its own table: {rules}");
    drop(second);
    assert!(!lab.server.run("nft list ruleset").contains("ginnel"));
    for pid in nft {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "it was not reaped");
    }
}

/// Children of a process that are nft, dead ones as well.
fn children(process: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_ours = |child: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        let mut after_name = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        stat.contains("(nft)") && after_name.nth(1) == Some(&process.to_string())
    };
    all.filter(is_ours).collect()
}

#[test]
fn it_is_no_member_of_our_group_and_has_nothing_of_ours_open() {
    let Some(lab) = lab() else { return };
    let holder = Holder::start(&lab.server);
    let [nft] = children(holder.process.id())[..] else { panic!("one nft") };
    let stat = std::fs::read_to_string(format!("/proc/{nft}/stat")).unwrap();
    let group = stat.rsplit(')').next().unwrap().split_whitespace().nth(2).unwrap();
    assert_eq!(group, nft.to_string());
    let open = std::fs::read_dir(format!("/proc/{nft}/fd")).unwrap();
    let open: Vec<_> = open.map(|one| std::fs::read_link(one.unwrap().path()).unwrap()).collect();
    // Input, output, errors, and its own socket to the kernel.
    assert!(open.len() == 4 && open.iter().all(|one| *one != std::env::current_exe().unwrap()), "{open:?}");
    assert_eq!(std::fs::read_to_string(format!("/proc/{nft}/environ")).unwrap().matches("GINNEL").count(), 0);
}

#[test]
fn nothing_is_left_of_a_process_that_is_killed() {
    let Some(lab) = lab() else { return };
    let mut holder = Holder::start(&lab.server);
    lab.until(true, "4433");
    let nft = children(holder.process.id());
    assert_eq!(nft.len(), 1);
    holder.process.kill().unwrap();
    holder.process.wait().unwrap();
    lab.until(false, "ginnel");
    until(|| !Path::new(&format!("/proc/{}", nft[0])).exists(), "the end of nft");
    assert_eq!(lab.answer("10.9.1.2:4433"), Some(ErrorKind::ConnectionRefused));
}

#[test]
fn an_nft_that_was_killed_costs_the_rule_and_nothing_else() {
    let Some(lab) = lab() else { return };
    let holder = Holder::start(&lab.server);
    let [nft] = children(holder.process.id())[..] else { panic!("one nft") };
    rustix::process::kill_process(rustix::process::Pid::from_raw(nft as i32).unwrap(), rustix::process::Signal::KILL)
        .unwrap();
    lab.until(false, "ginnel");
    // It holds another port when it reads a line; SIGPIPE, a panic or a wait would keep it from its answer.
    let mut holder = holder;
    writeln!(holder.process.stdin.as_mut().unwrap(), "more").unwrap();
    let mut line = String::new();
    holder.output.read_line(&mut line).unwrap();
    assert_eq!(line, "held more\n");
}

#[test]
fn a_right_that_the_file_has_is_enough() {
    let Some(lab) = lab() else { return };
    let program = std::env::temp_dir().join(format!("{}-holder", lab.server.name()));
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let granted = Command::new("setcap").arg("cap_net_admin+ep").arg(&program).status();
    if granted.is_ok_and(|status| status.success()) {
        let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
        let holder = Holder::start_by(&lab.server, &nobody, &program);
        lab.until(true, "4433");
        assert_eq!(lab.answer("10.9.1.2:4433"), None);
        drop(holder);
        lab.until(false, "ginnel");
    } else {
        eprintln!("skipped: needs setcap(8), and a file system that keeps rights");
    }
    std::fs::remove_file(&program).unwrap();
}

#[test]
fn without_the_right_there_is_none_and_no_error() {
    let Some(here) = Namespace::new() else { return };
    let started = here.inside(|| {
        // Of this thread alone.
        let sets = rustix::thread::capabilities(None).unwrap();
        let effective = sets.effective - rustix::thread::CapabilitySet::NET_ADMIN;
        rustix::thread::set_capabilities(None, rustix::thread::CapabilitySets { effective, ..sets }).unwrap();
        EarlyDrop::start().is_some()
    });
    assert!(!started);
}

/// This program once more, holding port 4433 until it is killed.
struct Holder {
    process: std::process::Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Holder {
    fn start(namespace: &Namespace) -> Self {
        Self::start_by(namespace, &[], &std::env::current_exe().unwrap())
    }

    fn start_by(namespace: &Namespace, before: &[&str], program: &Path) -> Self {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace.name()]).args(before).arg(program);
        command.args(["--exact", "holder", "--ignored", "--nocapture"]).env(HOLDER, "1");
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        while line != "holding\n" {
            line.clear();
            assert_ne!(output.read_line(&mut line).unwrap(), 0, "the holder ended");
        }
        Self { process, output }
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
#[ignore = "is a process of other tests, not a test"]
fn holder() {
    if std::env::var_os(HOLDER).is_none() {
        return;
    }
    let open = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
    // One that a careless library would leave to our children.
    rustix::io::fcntl_setfd(&open, rustix::io::FdFlags::empty()).unwrap();
    let mut early = EarlyDrop::start().unwrap();
    early.hold(all(4433));
    println!("\nholding");
    let mut line = String::new();
    while std::io::stdin().read_line(&mut line).is_ok_and(|length| length > 0) {
        early.hold(all(4434));
        early.hold(all(4435));
        println!("held {}", line.trim());
    }
    loop {
        std::thread::park();
    }
}
