//! The key log: keys of links, in a file that only its owner may read. Off unless somebody asks for it.

use ginnel_engine::shard::Shard;
use ginnel_proto::envelope::key_log::LoggedKeys;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use tracing::warn;

/// Mode bits that let anybody but the owner in.
const OTHERS: u32 = 0o077;

/// What a new file begins with.
const REMARK: &str = "# Keys of links of ginnel. Whoever has them and a capture can read everything.\n";

/// The key log of one engine.
pub(super) struct KeyLog {
    path: PathBuf,
    file: File,
    /// The last line could not be written, or not as a whole.
    torn: bool,
    /// That this happened has been told.
    told: bool,
}

impl KeyLog {
    /// Opens the file, where one is asked for. The error names it.
    pub(super) fn open_where_asked(path: Option<&Path>) -> io::Result<Option<Self>> {
        let told = |path: &Path, error| {
            // Without an error number: this is about a file, not about the socket.
            io::Error::other(format!("the key log {} cannot be used: {error}", path.display()))
        };
        path.map(|path| Self::open(path).map_err(|error| told(path, error))).transpose()
    }

    /// Opens the file for more, or makes it. It is never anybody else's to read, not for a moment: it is
    /// made with that mode, and one that others may read is refused.
    fn open(path: &Path) -> io::Result<Self> {
        // Neither a pipe that nobody reads is waited for, nor a link followed that somebody else may have put there.
        let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW;
        let options = || OpenOptions::new().append(true).custom_flags(flags).to_owned();
        let made = options().create_new(true).mode(0o600).open(path);
        let mut file = match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options().open(path)?,
            made => made?,
        };
        let status = file.metadata()?;
        if !status.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        if status.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::Error::other("it belongs to another user of this machine"));
        }
        if status.mode() & OTHERS != 0 {
            let mode = status.mode() & 0o7777;
            return Err(io::Error::other(format!("others may open it (mode {mode:04o}); chmod 600 it first")));
        }
        if status.len() == 0 {
            file.write_all(REMARK.as_bytes())?;
        }
        Ok(Self { path: path.to_owned(), file, torn: false, told: false })
    }

    /// Has a shard write its keys down from now on, and says so.
    pub(super) fn start(mut self, shard: &Shard) {
        let file = self.path.display();
        warn!(target: "engine", %file, "keys are logged: whoever has this file and a capture can read everything");
        shard.log_keys(move |keys| self.append(keys));
    }

    /// Appends a line, in one piece: whoever reads along sees whole ones.
    fn append(&mut self, keys: &LoggedKeys) {
        let mut line = keys.to_line();
        line.push('\n');
        // What was written of a line that failed must not be the beginning of this one.
        let end: &[u8] = if self.torn { b"\n" } else { b"" };
        let written = self.file.write_all(end).and_then(|()| self.file.write_all(line.as_bytes()));
        self.torn = written.is_err();
        let Err(error) = written else { return };
        if !self.told {
            self.told = true;
            let file = self.path.display();
            warn!(target: "engine", %file, %error, "the key log cannot be written, and lacks keys from now on");
        }
    }
}
