//! Golden vectors of the KCP session: what stands in `vectors/kcp.json` is what the code makes, what
//! the code reads, and what PROTOCOL.md says in section 18.
//!
//! Nobody edits that file by hand: `GINNEL_VECTORS=write cargo test -p ginnel-proto --test
//! kcp_vectors the_code_makes` writes it anew, and a change in it is a change of the protocol.

mod vectors;

use bytes::Bytes;
use ginnel_proto::session::kcp::mux::frame::Frame;
use ginnel_proto::session::kcp::params::Params;
use ginnel_proto::session::kcp::segment::{Command, Segment};
use serde_json::{Value, json};
use std::path::Path;
use vectors::{bytes, cases, load, number};

const FILE: &str = "kcp.json";

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn generate() -> Value {
    json!({
        "about": "The KCP session. All bytes are hexadecimal; PROTOCOL.md, section 18, says what each of them is. \
                  Written by tests/kcp_vectors.rs, never by hand.",
        "parameters": [parameters(8, 1024, 2 << 20, true), parameters(1, u32::MAX, 0, false)],
        "segments": segments(),
        "frames": frames(),
    })
}

fn parameters(lanes: u8, streams: u32, stream_window: u32, extended: bool) -> Value {
    let params = Params { extended, lanes, streams, stream_window };
    json!({
        "lanes": lanes, "streams": streams, "stream_window": stream_window, "extended": extended,
        "bytes": hex(params.encode()),
    })
}

fn segment(name: &str, command: Command, data: &[u8]) -> Value {
    let (serial, next) = (0x0102_0304, u32::MAX);
    let segment = Segment { conversation: 16, command, fragment: 0, window: 0x8000, time: 0xfedc_ba98, serial, next };
    let mut out = Vec::new();
    segment.write(data.len(), &mut out);
    out.extend_from_slice(data);
    json!({
        "segment": name, "conv": 16, "wnd": segment.window, "ts": segment.time, "sn": serial, "una": next,
        "data": hex(data), "bytes": hex(out),
    })
}

fn segments() -> Value {
    let ranges: Vec<u8> = [7u32, 9, 20, 21].iter().flat_map(|number| number.to_le_bytes()).collect();
    json!([
        segment("PUSH", Command::Push, b"the bytes of a pipe"),
        segment("ACK", Command::Ack, b""),
        segment("WASK", Command::Ask, b""),
        segment("WINS", Command::Tell, b""),
        segment("RANGES", Command::Ranges, &ranges),
        segment("PART", Command::Part, &[0x64, 0, 0x78, 0x05, b'x']),
    ])
}

fn frames() -> Value {
    let frame = |name: &str, frame: Frame, facts: Value| {
        let mut out = Vec::new();
        frame.encode(&mut out);
        json!({"frame": name, "facts": facts, "bytes": hex(out)})
    };
    json!([
        frame("SYN", Frame::Syn(1), json!({"stream": 1})),
        frame("FIN", Frame::Fin(2), json!({"stream": 2})),
        frame("PSH", Frame::Psh(0x0102_0304, 65_535), json!({"stream": 0x0102_0304, "length": 65_535})),
        frame("NOP", Frame::Nop, json!({"stream": 0})),
        frame("UPD", Frame::Upd(3, u32::MAX, 1 << 30), json!({"stream": 3, "consumed": u32::MAX, "window": 1 << 30}),),
        frame("RST", Frame::Rst(5, 3), json!({"stream": 5, "code": 3})),
        frame("STP", Frame::Stp(u32::MAX, 2), json!({"stream": u32::MAX, "code": 2})),
        frame("GRT", Frame::Grt(2048), json!({"stream": 0, "streams": 2048})),
    ])
}

#[test]
fn the_code_makes_what_the_vectors_say() {
    let made = generate();
    if std::env::var_os("GINNEL_VECTORS").is_some_and(|what| what == "write") {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(FILE);
        std::fs::write(path, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
    }
    assert_eq!(made, load(FILE));
}

#[test]
fn the_code_reads_what_the_vectors_say() {
    let file = load(FILE);
    for case in cases(&file, "parameters") {
        let read = Params::decode(&bytes(case, "bytes")).unwrap();
        assert_eq!(u64::from(read.stream_window), number(case, "stream_window"));
        assert_eq!((u64::from(read.lanes), u64::from(read.streams)), (number(case, "lanes"), number(case, "streams")));
    }
    for case in cases(&file, "segments") {
        let mut packet = Bytes::from(bytes(case, "bytes"));
        let (segment, data) = Segment::read(&mut packet).unwrap().unwrap();
        assert_eq!((&data[..], packet.len()), (&bytes(case, "data")[..], 0));
        assert_eq!(u64::from(segment.serial), number(case, "sn"));
        assert_eq!((u64::from(segment.next), u64::from(segment.time)), (number(case, "una"), number(case, "ts")));
    }
    for case in cases(&file, "frames") {
        let frame = Frame::decode(&bytes(case, "bytes")).unwrap().unwrap();
        let mut again = Vec::new();
        frame.encode(&mut again);
        assert_eq!(again, bytes(case, "bytes"));
    }
}
