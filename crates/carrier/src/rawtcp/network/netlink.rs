//! One question to the kernel by netlink, and its answers (netlink(7)).
//!
//! Only headers and the attributes that somebody asks for are read, each by its number: a name that is no UTF-8, or an
//! attribute that a newer kernel writes in another way, must not cost the message that it stands in.

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN, NetlinkBuffer,
    NetlinkMessage, NlasIterator,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use socket2::SockRef;
use std::io;
use std::time::{Duration, Instant};

/// The kernel answers while the question is asked; this is for a machine that is out of memory or stopped.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often a question is asked again, when the answers did not fit or changed while they were written.
const TRIES: usize = 4;

/// The kernel cuts its answers to 32 KiB; one that is about a single thing may be longer.
const ANSWER_BYTES: usize = 64 << 10;

/// `NLM_F_DUMP_INTR`: what is listed changed meanwhile.
const INTERRUPTED: u16 = 0x10;

/// Bytes of an attribute's length and number.
const ATTRIBUTE_HEADER: usize = 4;

/// What one try of a question led to.
enum Outcome {
    Answered(Vec<Vec<u8>>),
    /// Something is missing in the answers.
    Again,
}

/// Asks for one thing: the payload of the answer, which is of type `kind`. An error is the kernel's own.
pub(super) fn ask(question: RouteNetlinkMessage, kind: u16) -> io::Result<Vec<u8>> {
    // With the acknowledgement the kernel ends every answer, be there none.
    let answers = repeat(&question, NLM_F_REQUEST | NLM_F_ACK, kind)?;
    answers.into_iter().next().ok_or_else(|| io::Error::from_raw_os_error(libc::ENODATA))
}

/// Asks for all of them: the payloads of the answers of type `kind`.
pub(super) fn list(question: RouteNetlinkMessage, kind: u16) -> io::Result<Vec<Vec<u8>>> {
    repeat(&question, NLM_F_REQUEST | NLM_F_DUMP, kind)
}

fn repeat(question: &RouteNetlinkMessage, flags: u16, kind: u16) -> io::Result<Vec<Vec<u8>>> {
    let until = Instant::now() + PATIENCE;
    for _ in 0..TRIES {
        if let Outcome::Answered(answers) = once(question, flags, kind, until)? {
            return Ok(answers);
        }
    }
    Err(io::Error::from_raw_os_error(libc::EBUSY))
}

fn once(question: &RouteNetlinkMessage, flags: u16, kind: u16, until: Instant) -> io::Result<Outcome> {
    // A socket for each question: nothing of an earlier one can be mistaken for an answer.
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    send(&socket, question, flags)?;
    let mut answers = Vec::new();
    let mut buffer = Vec::with_capacity(ANSWER_BYTES);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        SockRef::from(&socket).set_read_timeout(Some(left))?;
        buffer.clear();
        match socket.recv_from(&mut buffer, libc::MSG_TRUNC) {
            // Only the kernel knows the answer.
            Ok((_, sender)) if sender.port_number() != 0 => {}
            Ok((length, _)) if length > buffer.len() => return Err(io::Error::from_raw_os_error(libc::EMSGSIZE)),
            Ok(_) => match read(&buffer, kind, &mut answers)? {
                Progress::More => {}
                Progress::End => return Ok(Outcome::Answered(answers)),
                Progress::Lost => return Ok(Outcome::Again),
            },
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // The time is over: the loop says so.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => return Ok(Outcome::Again),
            Err(error) => return Err(error),
        }
    }
}

fn send(socket: &Socket, question: &RouteNetlinkMessage, flags: u16) -> io::Result<()> {
    let mut message = NetlinkMessage::from(question.clone());
    message.header.flags = flags;
    message.header.sequence_number = 1;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    loop {
        match socket.send_to(&bytes, &SocketAddr::new(0, 0), 0) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            sent => return sent.map(drop),
        }
    }
}

#[derive(PartialEq, Eq, Debug)]
enum Progress {
    More,
    End,
    Lost,
}

/// Reads one datagram of messages: payloads of type `kind` go to `answers`.
fn read(mut bytes: &[u8], kind: u16, answers: &mut Vec<Vec<u8>>) -> io::Result<Progress> {
    while let Ok(message) = NetlinkBuffer::new_checked(bytes) {
        if message.flags() & INTERRUPTED != 0 {
            return Ok(Progress::Lost);
        }
        let payload = message.payload();
        match message.message_type() {
            NLMSG_DONE | NLMSG_ERROR => {
                // Both begin with zero or a negative error number; a short one has nothing to say.
                let code = payload.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
                return match code {
                    0 => Ok(Progress::End),
                    _ => Err(io::Error::from_raw_os_error(code.saturating_neg())),
                };
            }
            NLMSG_OVERRUN => return Ok(Progress::Lost),
            NLMSG_NOOP => {}
            other if other == kind => answers.push(payload.to_vec()),
            _ => {}
        }
        let length = (message.length() as usize).next_multiple_of(4);
        bytes = bytes.get(length..).unwrap_or_default();
    }
    Ok(Progress::More)
}

/// The attributes that follow a header of `header` bytes: number and value. What is cut off ends them.
pub(super) fn attributes(payload: &[u8], header: usize) -> impl Iterator<Item = (u16, &[u8])> {
    let attributes = NlasIterator::new(payload.get(header..).unwrap_or_default());
    attributes.map_while(|attribute| {
        let attribute = attribute.ok()?;
        let (kind, length) = (attribute.kind(), attribute.length() as usize);
        Some((kind, attribute.into_inner().get(ATTRIBUTE_HEADER..length)?))
    })
}

/// A number in the machine's order.
pub(super) fn number(value: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(value.try_into().ok()?))
}

/// An IP address.
pub(super) fn address(value: &[u8]) -> Option<std::net::IpAddr> {
    match value.len() {
        4 => Some(<[u8; 4]>::try_from(value).ok()?.into()),
        16 => Some(<[u8; 16]>::try_from(value).ok()?.into()),
        _ => None,
    }
}

#[cfg(test)]
#[path = "netlink_tests.rs"]
mod tests;
