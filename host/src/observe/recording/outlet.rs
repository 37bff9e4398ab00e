//! Where the lines of the access log end up. Only its writer's own thread comes here: a disk that is full or slow, or a
//! pipe that nobody reads, holds up nobody else.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::config::AccessTarget;

/// Something that is written to.
#[derive(Debug)]
pub(super) enum Outlet {
    File(Opened),
    Stdout,
    Stderr,
}

/// A file that is open.
#[derive(Debug)]
pub(super) struct Opened {
    path: PathBuf,
    file: File,
    /// Which file it is, by device and number.
    identity: (u64, u64),
}

impl Outlet {
    pub(super) fn open(target: &AccessTarget) -> io::Result<Self> {
        Ok(match target {
            AccessTarget::File(path) => Self::File(Opened::open(path)?),
            AccessTarget::Stdout => Self::Stdout,
            AccessTarget::Stderr => Self::Stderr,
        })
    }

    /// Opens the file anew where another one, or none, has its name: it was moved away, to be kept.
    pub(super) fn follow(&mut self) -> io::Result<()> {
        if let Self::File(opened) = self
            && !opened.is_there()
        {
            *opened = Opened::open(&opened.path)?;
        }
        Ok(())
    }

    /// Writes as much as is taken.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(opened) => opened.file.write(bytes),
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                let n = stdout.write(bytes)?;
                stdout.flush().map(|()| n)
            }
            Self::Stderr => io::stderr().lock().write(bytes),
        }
    }
}

impl Opened {
    fn open(path: &Path) -> io::Result<Self> {
        // A pipe that is opened for reading, too, does not make its opener wait for somebody who reads.
        let is_pipe = path.metadata().is_ok_and(|found| found.file_type().is_fifo());
        let mut how = OpenOptions::new();
        let file =
            if is_pipe { how.read(true).write(true).open(path)? } else { how.append(true).create(true).open(path)? };
        let found = file.metadata()?;
        Ok(Self { path: path.to_owned(), file, identity: (found.dev(), found.ino()) })
    }

    fn is_there(&self) -> bool {
        self.path.metadata().is_ok_and(|found| (found.dev(), found.ino()) == self.identity)
    }
}
