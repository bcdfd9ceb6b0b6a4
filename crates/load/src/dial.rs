//! The ways to a target: directly, or through a proxy that is asked as any application would ask it.

use crate::wording::invalid;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long a connection may take, with all that is said to a proxy.
const DIAL_TIME: Duration = Duration::from_secs(10);

/// The longest head of an answer to an HTTP CONNECT that is read, bytes.
const MAX_HEAD: usize = 8192;

/// A way to the target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Via {
    /// No proxy.
    Direct,
    /// SOCKS5 without a login (RFC 1928).
    Socks5(SocketAddr),
    /// The CONNECT method of HTTP (RFC 9110 §9.3.6).
    Http(SocketAddr),
}

impl FromStr for Via {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WAYS: &str = "it is `direct`, `socks5://IP:PORT` or `http://IP:PORT`";
        match text.split_once("://") {
            None if text == "direct" => Ok(Self::Direct),
            Some(("socks5", proxy)) => proxy.parse().map(Self::Socks5).map_err(|_| WAYS),
            Some(("http", proxy)) => proxy.parse().map(Self::Http).map_err(|_| WAYS),
            _ => Err(WAYS),
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => formatter.write_str("direct"),
            Self::Socks5(proxy) => write!(formatter, "socks5://{proxy}"),
            Self::Http(proxy) => write!(formatter, "http://{proxy}"),
        }
    }
}

/// Connects. The error says with whom it went wrong.
pub(crate) async fn dial(via: Via, target: SocketAddr) -> io::Result<TcpStream> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{target} by {via}: {error}"));
    let outcome = tokio::time::timeout(DIAL_TIME, async {
        match via {
            Via::Direct => connect(target).await,
            Via::Socks5(proxy) => ask_socks5(connect(proxy).await?, target).await,
            Via::Http(proxy) => ask_http(connect(proxy).await?, target).await,
        }
    });
    match outcome.await {
        Ok(outcome) => outcome.map_err(named),
        Err(_) => Err(named(io::Error::new(io::ErrorKind::TimedOut, format!("no connection in {DIAL_TIME:?}")))),
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

async fn ask_socks5(mut socket: TcpStream, target: SocketAddr) -> io::Result<TcpStream> {
    socket.write_all(&[5, 1, 0]).await?;
    let mut choice = [0; 2];
    socket.read_exact(&mut choice).await?;
    if choice != [5, 0] {
        return Err(invalid(format!("the proxy answers {choice:02x?}: no SOCKS5, or it wants a login")));
    }
    let mut request = vec![5, 1, 0];
    match target {
        SocketAddr::V4(address) => {
            request.push(1);
            request.extend(address.ip().octets());
        }
        SocketAddr::V6(address) => {
            request.push(4);
            request.extend(address.ip().octets());
        }
    }
    request.extend(target.port().to_be_bytes());
    socket.write_all(&request).await?;
    let mut head = [0; 4];
    socket.read_exact(&mut head).await?;
    let [5, code, _, kind] = head else {
        return Err(invalid(format!("the proxy answers {head:02x?}, which is no SOCKS5")));
    };
    if code != 0 {
        return Err(io::Error::other(format!("the proxy refuses: code {code} of RFC 1928")));
    }
    let mut bound = match kind {
        1 => vec![0; 4 + 2],
        3 => vec![0; usize::from(socket.read_u8().await?) + 2],
        4 => vec![0; 16 + 2],
        _ => return Err(invalid(format!("the proxy is bound to an address of kind {kind}: RFC 1928 has 1, 3 and 4"))),
    };
    socket.read_exact(&mut bound).await?;
    Ok(socket)
}

async fn ask_http(mut socket: TcpStream, target: SocketAddr) -> io::Result<TcpStream> {
    socket.write_all(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n").as_bytes()).await?;
    let mut head = Vec::new();
    // Byte by byte, so that nothing behind the head is taken.
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await?);
        if head.len() > MAX_HEAD {
            return Err(invalid(format!("the proxy's answer has no end within {MAX_HEAD} bytes")));
        }
    }
    let line = String::from_utf8_lossy(head.split(|byte| *byte == b'\r').next().unwrap_or_default()).into_owned();
    match line.split(' ').collect::<Vec<_>>()[..] {
        ["HTTP/1.0" | "HTTP/1.1", code, ..] if code.len() == 3 && code.starts_with('2') => Ok(socket),
        ["HTTP/1.0" | "HTTP/1.1", ..] => Err(io::Error::other(format!("the proxy refuses: {line}"))),
        _ => Err(invalid("the proxy's answer is no HTTP/1.1".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::{Via, dial};
    use std::io::ErrorKind;
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const V6: &str = "[2001:db8::1]:258";

    /// What a proxy hears when it answers so, and how the dialling ends; what came behind the answers, if it did well.
    async fn ask(http: bool, target: &str, answers: &[&[u8]]) -> (Vec<u8>, std::io::Result<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy: SocketAddr = listener.local_addr().unwrap();
        let via = if http { Via::Http(proxy) } else { Via::Socks5(proxy) };
        let proxy = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let (mut heard, mut buffer) = (Vec::new(), [0; 1024]);
            for answer in answers {
                let length = socket.read(&mut buffer).await.unwrap();
                heard.extend_from_slice(&buffer[..length]);
                socket.write_all(answer).await.unwrap();
            }
            heard
        };
        let application = async {
            let mut behind = Vec::new();
            dial(via, target.parse().unwrap()).await?.read_to_end(&mut behind).await.map(|_| behind)
        };
        tokio::join!(proxy, application)
    }

    #[tokio::test]
    async fn socks5_is_spoken_as_the_rfc_has_it() {
        let bound: [(&str, &[u8]); 3] = [
            ("192.0.2.1:80", b"\x05\0\0\x01\0\0\0\0\0\0behind"),
            ("192.0.2.1:80", b"\x05\0\0\x03\x04name\0\0behind"),
            (V6, b"\x05\0\0\x04................\0\0behind"),
        ];
        for (target, reply) in bound {
            let (heard, outcome) = ask(false, target, &[b"\x05\0", reply]).await;
            assert_eq!(outcome.unwrap(), b"behind");
            let v4: &[u8] = b"\x05\x01\0\x05\x01\0\x01\xc0\0\x02\x01\0\x50";
            let v6: &[u8] = b"\x05\x01\0\x05\x01\0\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x01\x02";
            assert_eq!(heard, if target == V6 { v6 } else { v4 });
        }
    }

    #[tokio::test]
    async fn what_is_no_socks5_is_told_apart_from_a_refusal() {
        let other: ErrorKind = ErrorKind::Other;
        let cases: [(&[&[u8]], ErrorKind, &str); 5] = [
            (&[b"\x05\x02"], ErrorKind::InvalidData, "login"),
            (&[b"\x05\0", b"\x04\0\0\x01"], ErrorKind::InvalidData, "no SOCKS5"),
            (&[b"\x05\0", b"\x05\0\0\x09"], ErrorKind::InvalidData, "kind 9"),
            (&[b"\x05\0", b"\x05\x05\0\x01\0\0\0\0\0\0"], other, "code 5"),
            (&[b"\x05\0", b"\x05\0"], ErrorKind::UnexpectedEof, "socks5://127.0.0.1"),
        ];
        for (answers, kind, word) in cases {
            let error = ask(false, "192.0.2.1:80", answers).await.1.unwrap_err();
            assert!(error.kind() == kind && error.to_string().contains(word), "{error}");
        }
    }

    #[tokio::test]
    async fn nothing_behind_the_head_of_an_http_answer_is_taken() {
        let (heard, outcome) = ask(true, V6, &[b"HTTP/1.0 200 Yes\r\nA: b\r\n\r\nbehind"]).await;
        assert_eq!(outcome.unwrap(), b"behind");
        assert_eq!(heard, b"CONNECT [2001:db8::1]:258 HTTP/1.1\r\nHost: [2001:db8::1]:258\r\n\r\n");
        for (answer, word) in [
            (&b"HTTP/1.1 407 Who are you?\r\n\r\n"[..], "407 Who are you?"),
            (b"HTTP/1.1 2000 Odd\r\n\r\n", "2000 Odd"),
            (b"SSH-2.0-x\r\n\r\n", "no HTTP/1.1"),
            (&[b'x'; 9000], "no end within 8192 bytes"),
            (b"HTTP/1.1 200", "end of file"),
        ] {
            let error = ask(true, V6, &[answer]).await.1.unwrap_err();
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}
