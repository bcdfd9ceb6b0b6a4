use super::*;

const WANTED: u16 = 16;

/// A message of netlink: length, type, flags, sequence number and port, and its payload.
fn message(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (16 + payload.len() as u32).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn read_all(bytes: &[u8]) -> (io::Result<Progress>, Vec<Vec<u8>>) {
    let mut answers = Vec::new();
    (read(bytes, WANTED, &mut answers), answers)
}

#[test]
fn answers_of_the_wanted_type_are_taken_until_the_end() {
    let bytes = [message(WANTED, 2, b"one"), message(99, 2, b"other"), message(WANTED, 2, b"two")].concat();
    let (progress, answers) = read_all(&bytes);
    assert_eq!(progress.unwrap(), Progress::More);
    assert_eq!(answers, [b"one".to_vec(), b"two".to_vec()]);
    let bytes = [message(WANTED, 2, b"one"), message(NLMSG_DONE, 2, &[0; 4]), message(WANTED, 2, b"late")].concat();
    let (progress, answers) = read_all(&bytes);
    assert_eq!((progress.unwrap(), answers.len()), (Progress::End, 1));
}

#[test]
fn the_kernels_error_is_passed_on() {
    let payload = [&(-libc::ENETUNREACH).to_ne_bytes()[..], &[0; 16]].concat();
    let (progress, _) = read_all(&message(NLMSG_ERROR, 0, &payload));
    assert_eq!(progress.unwrap_err().raw_os_error(), Some(libc::ENETUNREACH));
    // A dump that fails in its middle says so at its end.
    let (progress, _) = read_all(&message(NLMSG_DONE, 2, &(-libc::ENOMEM).to_ne_bytes()));
    assert_eq!(progress.unwrap_err().raw_os_error(), Some(libc::ENOMEM));
}

#[test]
fn what_was_lost_or_changed_meanwhile_is_asked_for_again() {
    assert_eq!(read_all(&message(NLMSG_OVERRUN, 0, &[])).0.unwrap(), Progress::Lost);
    assert_eq!(read_all(&message(WANTED, 2 | INTERRUPTED, b"half")).0.unwrap(), Progress::Lost);
}

#[test]
fn broken_answers_end_and_never_panic() {
    let good = [message(WANTED, 2, b"payload"), message(NLMSG_DONE, 2, &[0; 4])].concat();
    for end in 0..good.len() {
        let _ = read_all(&good[..end]);
        for byte in [0, 1, 15, 17, 0xff] {
            let mut bad = good.clone();
            bad[end] = byte;
            let (_, answers) = read_all(&bad);
            assert!(answers.len() <= 2);
        }
    }
    assert!(read_all(&message(NLMSG_ERROR, 0, &i32::MIN.to_ne_bytes())).0.is_err());
    assert_eq!(read_all(&message(NLMSG_ERROR, 0, &[1])).0.unwrap(), Progress::End);
}

#[test]
fn attributes_end_where_they_are_cut_off() {
    let whole = [&[0u8; 8][..], &[7, 0, 3, 0, b'a', b'b', 0, 0], &[4, 0, 5, 0x80], &[8, 0, 4, 0, 1, 0, 0, 0]].concat();
    let all: Vec<_> = attributes(&whole, 8).collect();
    assert_eq!(all[0], (3, &b"ab\0"[..]));
    assert_eq!(all[1], (5, &[][..]), "flags are no part of the number");
    assert_eq!(number(all[2].1), Some(u32::from_ne_bytes([1, 0, 0, 0])));
    for end in 0..whole.len() {
        assert!(attributes(&whole[..end], 8).count() < 3);
    }
    assert_eq!(attributes(&[0; 4], 8).count(), 0);
    // A length of less than its own header would otherwise go round for ever.
    assert_eq!(attributes(&[0, 0, 1, 0, 0, 0, 1, 0], 0).count(), 0);
}

#[test]
fn values_of_the_wrong_length_are_none() {
    assert_eq!(number(&[1, 2, 3]), None);
    assert_eq!(address(&[1, 2, 3, 4, 5]), None);
    assert_eq!(address(&[10, 0, 0, 1]), Some([10, 0, 0, 1].into()));
    assert_eq!(address(&[0; 16]), Some([0; 16].into()));
}
