//! What the kernel lets through to a packet socket: TCP for our ports (classic BPF, the kernel's
//! Documentation/networking/filter.rst).
//!
//! All loads are relative to the IP header, so that one program fits frames with an Ethernet header and those without.

use libc::{BPF_ABS, BPF_ALU, BPF_AND, BPF_B, BPF_H, BPF_IMM, BPF_IND, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JGT, BPF_JMP};
use libc::{BPF_JSET, BPF_K, BPF_LD, BPF_LSH, BPF_MISC, BPF_RET, BPF_RSH, BPF_TAX, SKF_NET_OFF, sock_filter};
use std::ops::RangeInclusive;

/// Where the IP header begins, as loads say it.
const IP: u32 = SKF_NET_OFF as u32;

/// TCP, as IP headers say it.
const TCP: u32 = libc::IPPROTO_TCP as u32;

/// The part of a fragment's place in its packet that says where it is.
const FRAGMENT_OFFSET: u32 = 0x1fff;

/// How much of a packet is let through: all of it.
const WHOLE: u32 = u32::MAX;

/// Lets nothing through.
pub(super) fn nothing() -> Vec<sock_filter> {
    vec![line(BPF_RET | BPF_K, 0)]
}

/// Lets TCP to these ports through, of packets that are whole or their packet's first fragment. IPv6 packets with
/// extension headers are not: nobody sends TCP that way.
pub(super) fn to_ports(ports: impl IntoIterator<Item = RangeInclusive<u16>>) -> Vec<sock_filter> {
    let mut program = vec![
        line(BPF_LD | BPF_B | BPF_ABS, IP),
        line(BPF_ALU | BPF_RSH | BPF_K, 4),
        jump(BPF_JEQ, 6, 0, 5),
        // IPv6: the next header, and the length of this one.
        line(BPF_LD | BPF_B | BPF_ABS, IP + 6),
        jump(BPF_JEQ, TCP, 1, 0),
        line(BPF_RET | BPF_K, 0),
        line(BPF_LD | BPF_IMM, 40),
        line(BPF_JMP | BPF_JA, 11),
        // IPv4: the version, the protocol, the fragment's place, the length of the header.
        jump(BPF_JEQ, 4, 1, 0),
        line(BPF_RET | BPF_K, 0),
        line(BPF_LD | BPF_B | BPF_ABS, IP + 9),
        jump(BPF_JEQ, TCP, 1, 0),
        line(BPF_RET | BPF_K, 0),
        line(BPF_LD | BPF_H | BPF_ABS, IP + 6),
        jump(BPF_JSET, FRAGMENT_OFFSET, 0, 1),
        line(BPF_RET | BPF_K, 0),
        line(BPF_LD | BPF_B | BPF_ABS, IP),
        line(BPF_ALU | BPF_AND | BPF_K, 0xf),
        line(BPF_ALU | BPF_LSH | BPF_K, 2),
        // Both: the destination's port, behind the header.
        line(BPF_MISC | BPF_TAX, 0),
        line(BPF_LD | BPF_H | BPF_IND, IP + 2),
    ];
    for range in ports {
        // Each range jumps over its own answer only, for a jump reaches no further than 255 lines.
        program.push(jump(BPF_JGE, (*range.start()).into(), 0, 2));
        program.push(jump(BPF_JGT, (*range.end()).into(), 1, 0));
        program.push(line(BPF_RET | BPF_K, WHOLE));
    }
    program.push(line(BPF_RET | BPF_K, 0));
    program
}

fn line(code: u32, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

fn jump(condition: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: (BPF_JMP | condition | BPF_K) as u16, jt, jf, k }
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
