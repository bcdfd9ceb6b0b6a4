//! Frames over real interfaces, in network namespaces.

#[path = "../../tests/namespaces/mod.rs"]
mod namespaces;

use super::super::hold::Hold;
use super::super::packets::{headers, sum};
use super::super::{filter, frame, network};
use super::*;
use ginnel_proto::rawtcp::Checksum;
use namespaces::Namespace;
use std::fs::File;
use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::Duration;
use tokio::runtime::Runtime;

const SEND: SendOptions = SendOptions { queue: 2000, retries: 3 };
const PORT: u16 = 443;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// An end of a wire: a socket that sees what is sent to a port, which is held.
struct End {
    wire: Wire,
    address: SocketAddr,
    _hold: Hold,
}

impl End {
    fn new(place: &Namespace, runtime: &Runtime, address: &str) -> Self {
        let address = SocketAddr::new(address.parse().unwrap(), PORT);
        place.inside(|| {
            let _inside = runtime.enter();
            let wire = Wire::open(&[true, false], &filter::to_ports([PORT..=PORT]), SEND).unwrap();
            Self { wire, address, _hold: Hold::take(address, 0).unwrap() }
        })
    }

    /// Sends datagrams as one batch.
    async fn send(&mut self, hop: Hop, to: SocketAddr, data: &[u8], segment: usize) {
        let headers = headers(self.address, to, 7, 1000, 0x18, data.len());
        let head = Stamp::of(hop, &headers, if to.is_ipv4() { 20 } else { 40 }).unwrap();
        assert_eq!(self.wire.send(&head, data, segment), Sent::Taken);
        poll_fn(|cx| {
            self.wire.poll_flush(cx);
            self.wire.poll_writable(cx)
        })
        .await
        .unwrap();
        assert!(self.wire.flush());
    }

    /// What comes, until it is so many bytes: datagrams, and in how many frames they came.
    async fn receive(&mut self, bytes: usize) -> Vec<Frame> {
        let (mut frames, mut seen) = (Vec::new(), 0);
        while seen < bytes {
            let receiving = poll_fn(|cx| self.wire.poll_receive(cx, |arrival| frames.extend(Frame::read(&arrival))));
            tokio::time::timeout(Duration::from_secs(10), receiving)
                .await
                .unwrap_or_else(|_| panic!("{seen} of {bytes} bytes have come"))
                .unwrap();
            seen = frames.iter().map(|frame: &Frame| frame.payload.len()).sum();
        }
        frames
    }
}

#[derive(Debug)]
struct Frame {
    hop: Hop,
    checksum: Checksum,
    segment: usize,
    /// All of it is right, TCP's checksum too if it is there.
    is_whole: bool,
    payload: Vec<u8>,
}

impl Frame {
    fn read(arrival: &Arrival<'_>) -> Option<Self> {
        let (offload, rest) = frame::split(arrival.frame)?;
        let (hop, packet) = frame::unwrap(arrival.interface, arrival.link, rest)?;
        let (start, addresses, end) = if packet[0] >> 4 == 4 {
            (20, &packet[12..20], usize::from(u16::from_be_bytes([packet[2], packet[3]])))
        } else {
            (40, &packet[8..40], 40 + usize::from(u16::from_be_bytes([packet[4], packet[5]])))
        };
        let (payload, segment) = (packet[start + 32..end].to_vec(), offload.segment);
        let pseudo = [&packet[start..end], if end % 2 == 1 { &[0][..] } else { &[] }].concat();
        let pseudo = [&pseudo, addresses, &[0, 6], &((end - start) as u16).to_be_bytes()].concat();
        let is_whole = (start == 40 || sum(&packet[..20]) == 0xffff)
            && (offload.checksum == Checksum::Trusted || sum(&pseudo) == 0xffff);
        let segment = if segment == 0 { payload.len() } else { segment };
        Some(Self { hop, checksum: offload.checksum, segment, is_whole, payload })
    }
}

fn datagrams(frames: &[Frame]) -> Vec<Vec<u8>> {
    frames.iter().flat_map(|frame| frame.payload.chunks(frame.segment).map(<[u8]>::to_vec)).collect()
}

/// Two ends with Ethernet between them, and how the first reaches the second.
struct Cable {
    here: Namespace,
    there: Namespace,
}

impl Cable {
    fn lay() -> Option<Self> {
        let (here, there) = (Namespace::new()?, Namespace::new()?);
        here.ip(&format!("link add near address 02:00:00:00:00:01 type veth peer name far netns {}", there.name()));
        there.ip("link set far address 02:00:00:00:00:02");
        for (end, device, host) in [(&here, "near", 1), (&there, "far", 2)] {
            end.ip(&format!("address add 10.9.0.{host}/24 dev {device}"));
            end.ip(&format!("address add fd00:9::{host}/64 dev {device} nodad"));
            end.ip(&format!("link set {device} up"));
        }
        for (end, device) in [(&here, "near"), (&there, "far")] {
            // It can be used a little later than it is up: its queue is made when the kernel finds the time.
            while !end.run(&format!("ip link show {device}")).contains("state UP") {}
        }
        Some(Self { here, there })
    }

    fn hop(&self) -> Hop {
        let hardware = Some(([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]));
        Hop { interface: index(&self.here, "near"), hardware }
    }
}

fn index(place: &Namespace, name: &str) -> u32 {
    let all = place.inside(|| network::interfaces().unwrap());
    all.iter().find(|interface| interface.name == name).unwrap().index
}

/// A whole batch, each datagram with bytes of its own; the last is shorter.
fn batch(segment: usize) -> Vec<u8> {
    (0..43 * segment + 77).map(|at| (at / segment) as u8 ^ at as u8).collect()
}

fn reversed(hop: Hop) -> Option<([u8; 6], [u8; 6])> {
    hop.hardware.map(|(ours, theirs)| (theirs, ours))
}

/// Sends a batch of the largest segments over a cable, in both families, and back. `check` sees their size, and what
/// has come there.
fn exchange(cable: &Cable, mtu: usize, cut_here: bool, check: impl Fn(usize, &[Frame])) {
    let runtime = runtime();
    for (near, far, segment) in [("10.9.0.1", "10.9.0.2", mtu - 52), ("fd00:9::1", "fd00:9::2", mtu - 72)] {
        let (mut near, mut far) = (End::new(&cable.here, &runtime, near), End::new(&cable.there, &runtime, far));
        if cut_here {
            near.wire.cut_here();
            far.wire.cut_here();
        }
        let data = batch(segment);
        let expected: Vec<_> = data.chunks(segment).map(<[u8]>::to_vec).collect();
        runtime.block_on(async {
            near.send(cable.hop(), far.address, &data, segment).await;
            let there = far.receive(data.len()).await;
            assert_eq!(there[0].hop.hardware, reversed(cable.hop()));
            assert!(there.iter().all(|frame| frame.is_whole), "{:?}", there[0]);
            assert_eq!(datagrams(&there), expected);
            check(segment, &there);
            // Back the way that it came.
            far.send(there[0].hop, near.address, &data, segment).await;
            assert_eq!(datagrams(&near.receive(data.len()).await), expected);
        });
    }
}

#[test]
fn a_batch_travels_as_one_frame_where_the_interfaces_can() {
    let Some(cable) = Cable::lay() else { return };
    exchange(&cable, 1500, false, |segment, frames| {
        assert_eq!((frames.len(), frames[0].segment, frames[0].checksum), (1, segment, Checksum::Trusted));
    });
}

#[test]
fn a_batch_that_is_cut_here_is_the_same_to_the_other_end() {
    let Some(cable) = Cable::lay() else { return };
    exchange(&cable, 1500, true, |_, frames| assert_eq!(frames.len(), 44));
}

#[test]
fn without_offloads_the_system_cuts_and_makes_checksums() {
    let Some(cable) = Cable::lay() else { return };
    let off = |place: &Namespace, device: &str| {
        place.run(&format!("ethtool -K {device} tx off tso off gso off gro off rx off"));
    };
    if !has_ethtool() {
        return;
    }
    off(&cable.here, "near");
    off(&cable.there, "far");
    for cut_here in [false, true] {
        exchange(&cable, 1500, cut_here, |_, frames| assert_eq!(frames.len(), 44));
    }
}

fn has_ethtool() -> bool {
    let has = std::process::Command::new("ethtool").arg("--version").output().is_ok();
    if !has {
        eprintln!("skipped: needs ethtool(8) to turn offloads off");
    }
    has
}

#[test]
fn small_segments_pass_an_interface_of_a_small_mtu() {
    let Some(cable) = Cable::lay() else { return };
    cable.here.ip("link set near mtu 1300");
    cable.there.ip("link set far mtu 1300");
    exchange(&cable, 1300, false, |segment, frames| assert_eq!(frames[0].segment, segment));
    exchange(&cable, 1300, true, |_, frames| assert_eq!(frames.len(), 44));
}

#[test]
fn a_batch_passes_the_loopback() {
    let Some(place) = Namespace::new() else { return };
    let runtime = runtime();
    place.ip("address add 127.0.0.2/8 dev lo");
    place.ip("address add fd00:9::1/128 dev lo");
    let hop = Hop { interface: index(&place, "lo"), hardware: Some(([0; 6], [0; 6])) };
    for (near, far) in [("127.0.0.1", "127.0.0.2"), ("::1", "fd00:9::1")] {
        let (mut near, mut far) = (End::new(&place, &runtime, near), End::new(&place, &runtime, far));
        let data = batch(1448);
        runtime.block_on(async {
            near.send(hop, far.address, &data, 1448).await;
            let frames = far.receive(data.len()).await;
            // Once: that it was sent, too, is no news.
            assert_eq!((frames.len(), frames[0].hop, &frames[0].payload), (1, hop, &data));
        });
    }
}

#[test]
fn what_is_sent_to_other_ports_does_not_come_until_they_are_ours() {
    let Some(cable) = Cable::lay() else { return };
    let runtime = runtime();
    let (mut near, mut far) =
        (End::new(&cable.here, &runtime, "10.9.0.1"), End::new(&cable.there, &runtime, "10.9.0.2"));
    let to = |port| SocketAddr::new(IpAddr::from([10, 9, 0, 2]), port);
    runtime.block_on(async {
        for round in [PORT, PORT + 1] {
            for port in [PORT - 1, PORT, PORT + 1] {
                near.send(cable.hop(), to(port), &port.to_be_bytes(), 2).await;
            }
            assert_eq!(datagrams(&far.receive(2).await), [round.to_be_bytes()]);
            far.wire.set_filter(&filter::to_ports([PORT + 1..=PORT + 1])).unwrap();
        }
    });
}

#[test]
fn an_interface_that_is_gone_refuses_and_one_that_is_there_goes_on() {
    let Some(cable) = Cable::lay() else { return };
    let runtime = runtime();
    let mut near = End::new(&cable.here, &runtime, "10.9.0.1");
    let mut far = End::new(&cable.there, &runtime, "10.9.0.2");
    let gone = Hop { interface: 4711, ..cable.hop() };
    runtime.block_on(async {
        near.send(cable.hop(), far.address, b"first", 5).await;
        let headers = headers(near.address, far.address, 7, 1000, 0x18, 4);
        let head = Stamp::of(gone, &headers, 20).unwrap();
        assert_eq!(near.wire.send(&head, b"lost", 4), Sent::Refused);
        near.send(cable.hop(), far.address, b"next!", 5).await;
        assert_eq!(datagrams(&far.receive(10).await), [b"first", b"next!"]);
    });
}

#[test]
fn a_socket_that_is_full_keeps_one_batch_and_sends_it_later() {
    let Some(cable) = Cable::lay() else { return };
    let runtime = runtime();
    let mut near = End::new(&cable.here, &runtime, "10.9.0.1");
    let mut far = End::new(&cable.there, &runtime, "10.9.0.2");
    runtime.block_on(async {
        // The runtime does not know yet that the socket takes anything.
        let headers = headers(near.address, far.address, 7, 1000, 0x18, 2 * 1448);
        let head = Stamp::of(cable.hop(), &headers, 20).unwrap();
        assert_eq!(near.wire.send(&head, &[1; 2 * 1448], 1448), Sent::Taken);
        assert!(!near.wire.flush());
        poll_fn(|cx| near.wire.poll_writable(cx)).await.unwrap();
        assert!(near.wire.flush());
        assert_eq!(datagrams(&far.receive(2 * 1448).await), vec![vec![1; 1448]; 2]);
    });
}

/// A device whose frames begin with IP, and the file that is its other end.
#[expect(unsafe_code, reason = "no safe wrapper makes a tun device")]
fn bare_device(place: &Namespace) -> File {
    let file = place.inside(|| {
        let file = File::options().read(true).write(true).open("/dev/net/tun").unwrap();
        let mut request = [0u8; 40];
        request[..4].copy_from_slice(b"bare");
        request[16..18].copy_from_slice(&((libc::IFF_TUN | libc::IFF_NO_PI) as u16).to_ne_bytes());
        // SAFETY: a `struct ifreq` has 40 bytes at most, which the kernel reads and writes.
        let made = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, request.as_mut_ptr()) };
        assert_eq!(made, 0, "{}", io::Error::last_os_error());
        file
    });
    place.ip("address add 10.9.0.1/24 dev bare");
    place.ip("link set bare up");
    while !place.run("ip link show bare").contains("LOWER_UP") {}
    file
}

#[test]
fn a_device_without_ethernet_has_frames_that_begin_with_ip() {
    let Some(place) = Namespace::new() else { return };
    let mut file = bare_device(&place);
    let runtime = runtime();
    let mut near = End::new(&place, &runtime, "10.9.0.1");
    let far = SocketAddr::new(IpAddr::from([10, 9, 0, 2]), PORT);
    runtime.block_on(async {
        file.write_all(&[&headers(far, near.address, 1, 1, 0x18, 5)[..], b"there"].concat()).unwrap();
        let there = near.receive(5).await;
        let hop = Hop { interface: index(&place, "bare"), hardware: None };
        assert_eq!((there[0].hop, &there[0].payload[..]), (hop, &b"there"[..]));
        near.send(hop, far, &[7; 2100], 1000).await;
    });
    let mut lengths = Vec::new();
    while lengths.len() < 3 {
        let mut packet = [0; 2000];
        let length = file.read(&mut packet).unwrap();
        // What the kernel says of its own is of another version.
        if packet[0] == 0x45 {
            assert_eq!(sum(&packet[..20]), 0xffff);
            lengths.push(length);
        }
    }
    assert_eq!(lengths, [1052, 1052, 152]);
}
