//! A file that the kernel makes up anew at each reading.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Kept open: reading is then one system call instead of three.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    file: File,
}

impl Source {
    pub(crate) fn open(path: PathBuf) -> io::Result<Source> {
        let file = File::open(&path).map_err(|error| named(&path, error))?;
        Ok(Source { path, file })
    }

    /// Hands its text of this moment to `parse`, which returns none for what it does not understand.
    pub(crate) fn read<T>(&self, parse: impl FnOnce(&str) -> Option<T>) -> io::Result<T> {
        // Larger than any of these files, but for a network namespace with hundreds of devices.
        let mut buffer = [0; 8192];
        let mut length = 0;
        while length < buffer.len() {
            let rest = &mut buffer[length..];
            match self.file.read_at(rest, length as u64) {
                Ok(0) => break,
                Ok(more) => length += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(named(&self.path, error)),
            }
        }
        std::str::from_utf8(&buffer[..length])
            .ok()
            .and_then(parse)
            .ok_or_else(|| named(&self.path, ErrorKind::InvalidData.into()))
    }
}

fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
