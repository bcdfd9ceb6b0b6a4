//! The replay file: handshakes that a server has accepted, for its next start.

use ginnel_proto::envelope::replay::{Entry, HANDSHAKES_REMEMBERED, Journal, ReplayCache};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The most of a file that is read: whatever is beyond cannot be ours.
const FILE_MAX: u64 = (4 * HANDSHAKES_REMEMBERED * Entry::LEN) as u64;

/// Appended entries after which the file is written anew.
const LONG: usize = 2 * HANDSHAKES_REMEMBERED;

/// The replay file of one server.
pub(super) struct FileJournal {
    path: PathBuf,
    file: File,
    length: u64,
    appended: usize,
}

impl FileJournal {
    /// Reads what the file holds, writes it anew without what has expired, and opens it for more.
    pub(super) fn open(path: &Path, now_ns: u64) -> io::Result<(Self, ReplayCache)> {
        let mut bytes = Vec::new();
        // Neither a pipe that nobody writes to nor somebody else's file is waited for or followed.
        let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW;
        match OpenOptions::new().read(true).custom_flags(flags).open(path) {
            Ok(file) if !file.metadata()?.is_file() => {
                return Err(io::Error::other("it is not a regular file"));
            }
            Ok(file) => {
                file.take(FILE_MAX).read_to_end(&mut bytes)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let cache = ReplayCache::restore(Entry::decode_all(&bytes), now_ns);
        let (file, length) = write_anew(path, &mut cache.entries())?;
        Ok((Self { path: path.to_owned(), file, length, appended: 0 }, cache))
    }
}

impl Journal for FileJournal {
    fn append(&mut self, entry: &Entry) -> bool {
        self.appended += 1;
        let written = self.file.write_all(&entry.encode()).is_ok();
        if written {
            self.length += Entry::LEN as u64;
        } else {
            // A part of an entry would shift all that come after it.
            let _ = self.file.set_len(self.length);
            let _ = self.file.seek(SeekFrom::Start(self.length));
        }
        written
    }

    fn is_long(&self) -> bool {
        self.appended >= LONG
    }

    fn rewrite(&mut self, entries: &mut dyn Iterator<Item = Entry>) {
        // On failure the old file goes on growing until the next try.
        self.appended = 0;
        if let Ok((file, length)) = write_anew(&self.path, entries) {
            (self.file, self.length) = (file, length);
        }
    }
}

/// Writes a new file beside the old one and puts it in its place. Returns it with its length.
fn write_anew(path: &Path, entries: &mut dyn Iterator<Item = Entry>) -> io::Result<(File, u64)> {
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
    let bytes: Vec<u8> = entries.flat_map(|entry| entry.encode()).collect();
    file.write_all(&bytes)?;
    std::fs::rename(&new, path)?;
    Ok((file, bytes.len() as u64))
}
