//! The filters, run by a small interpreter of classic BPF.

use super::*;
use libc::{BPF_X, sock_filter};

/// What the kernel would do with a packet, its IP header first: how much of it is let through.
fn run(program: &[sock_filter], packet: &[u8]) -> u32 {
    let (mut a, mut x, mut at) = (0u32, 0u32, 0usize);
    loop {
        let sock_filter { code, jt, jf, k } = program[at];
        at += 1;
        let code = u32::from(code);
        let load = |place: u32, bytes: u32| {
            let place = place.wrapping_sub(IP) as usize;
            let read = packet.get(place..place + bytes as usize)?;
            Some(read.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
        };
        let bytes = if code & BPF_B != 0 { 1 } else { 2 };
        match code {
            _ if code == BPF_LD | BPF_IMM => a = k,
            _ if code & !BPF_B & !BPF_H == BPF_LD | BPF_ABS || code & !BPF_B & !BPF_H == BPF_LD | BPF_IND => {
                let behind = if code & BPF_IND != 0 { x } else { 0 };
                // The kernel ends a program that reads behind the packet, and drops it.
                let Some(value) = load(k.wrapping_add(behind), bytes) else { return 0 };
                a = value;
            }
            _ if code == BPF_ALU | BPF_AND | BPF_K => a &= k,
            _ if code == BPF_ALU | BPF_LSH | BPF_K => a <<= k,
            _ if code == BPF_ALU | BPF_RSH | BPF_K => a >>= k,
            _ if code == BPF_MISC | BPF_TAX => x = a,
            _ if code == BPF_RET | BPF_K => return k,
            _ if code == BPF_JMP | BPF_JA => at += k as usize,
            _ => {
                assert_eq!(code & (BPF_JMP | BPF_X), BPF_JMP, "an instruction that is not used: {code:#x}");
                let holds = match code & 0xf0 {
                    BPF_JEQ => a == k,
                    BPF_JGT => a > k,
                    BPF_JGE => a >= k,
                    BPF_JSET => a & k != 0,
                    _ => panic!("a condition that is not used: {code:#x}"),
                };
                at += usize::from(if holds { jt } else { jf });
            }
        }
    }
}

/// A packet over IPv4 with so many words of options, its place as a fragment, and a transport's header.
fn v4(options: u8, fragment: u16, protocol: u8, port: u16) -> Vec<u8> {
    let mut packet = vec![0x45 + options, 0, 0, 60, 1, 2];
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
    packet.extend(vec![1; 4 * usize::from(options)]);
    packet.extend([0x12, 0x34]);
    packet.extend(port.to_be_bytes());
    packet.extend([0; 16]);
    packet
}

fn v6(next: u8, port: u16) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, 20, next, 64];
    packet.extend([0x20; 32]);
    packet.extend([0x12, 0x34]);
    packet.extend(port.to_be_bytes());
    packet.extend([0; 16]);
    packet
}

#[test]
fn tcp_to_our_ports_comes_whole_and_nothing_else_comes() {
    let program = to_ports([443..=443, 8000..=8003, 65535..=65535]);
    for port in [443, 8000, 8001, 8003, 65535] {
        for packet in [v4(0, 0, 6, port), v4(10, 0, 6, port), v4(0, 0x4000, 6, port), v6(6, port)] {
            assert_eq!(run(&program, &packet), WHOLE, "{port}");
        }
        for packet in [v4(0, 0, 17, port), v6(17, port), v6(0, port)] {
            assert_eq!(run(&program, &packet), 0, "{port} of another transport");
        }
    }
    for port in [0, 442, 444, 7999, 8004, 65534, 0x1234] {
        for packet in [v4(0, 0, 6, port), v4(10, 0, 6, port), v6(6, port)] {
            assert_eq!(run(&program, &packet), 0, "{port}");
        }
    }
}

#[test]
fn only_the_first_fragment_says_what_port_it_is_for() {
    let program = to_ports([443..=443]);
    // More of them follow, and the machine counts it.
    assert_eq!(run(&program, &v4(0, 0x2000, 6, 443)), WHOLE);
    for fragment in [1, 0x2001, 0x1fff, 0x4001] {
        assert_eq!(run(&program, &v4(0, fragment, 6, 443)), 0, "{fragment:#x}");
    }
}

#[test]
fn what_is_cut_off_or_no_ip_is_not_let_through() {
    let program = to_ports([443..=443]);
    for packet in [v4(0, 0, 6, 443), v6(6, 443)] {
        let port_ends = packet.len() - 16;
        for length in 0..port_ends {
            assert_eq!(run(&program, &packet[..length]), 0, "{length} bytes");
        }
        assert_eq!(run(&program, &packet[..port_ends]), WHOLE);
        for version in (0..16).filter(|version| ![4, 6].contains(version)) {
            let mut other = packet.clone();
            other[0] = version << 4 | 5;
            assert_eq!(run(&program, &other), 0, "version {version}");
        }
    }
}

#[test]
fn as_many_ports_as_a_server_may_have_fit_however_far_apart() {
    let ports: Vec<u16> = (0..256).map(|number| 1000 + 7 * number).collect();
    let program = to_ports(ports.iter().map(|&port| port..=port));
    for port in 990..1000 + 7 * 256 + 10 {
        let expected = if ports.contains(&port) { WHOLE } else { 0 };
        assert_eq!((run(&program, &v4(0, 0, 6, port)), run(&program, &v6(6, port))), (expected, expected), "{port}");
    }
}

#[test]
fn without_a_port_nothing_comes() {
    for program in [nothing(), to_ports([])] {
        assert_eq!((run(&program, &v4(0, 0, 6, 443)), run(&program, &v6(6, 443))), (0, 0));
    }
}
