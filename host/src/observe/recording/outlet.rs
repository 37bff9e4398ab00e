//! Where the lines of the access log end up. Only its writer's own thread comes here: a disk that is full or slow, or a
//! pipe that nobody reads, holds up nobody else.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::config::AccessTarget;

/// Something that is written to.
#[derive(Debug)]
pub(super) enum Outlet {
    File(Opened),
    /// A descriptor of its own, so that one that does not take its lines holds up nobody else who writes there.
    Stream(File),
}

/// A file that is open.
#[derive(Debug)]
pub(super) struct Opened {
    path: PathBuf,
    file: File,
    /// Which file it is, by device and number.
    identity: (u64, u64),
    /// Nobody can read it any more: it was removed, and cannot be made anew.
    is_lost: bool,
}

impl Outlet {
    pub(super) fn open(target: &AccessTarget) -> io::Result<Self> {
        Ok(match target {
            AccessTarget::File(path) => Self::File(Opened::open(path)?),
            AccessTarget::Stdout => Self::Stream(own(io::stdout().as_fd())?),
            AccessTarget::Stderr => Self::Stream(own(io::stderr().as_fd())?),
        })
    }

    /// Opens the file anew where another one, or none, has its name: it was moved away, to be kept.
    /// Whether it is another now.
    pub(super) fn follow(&mut self) -> io::Result<bool> {
        if let Self::File(opened) = self
            && !opened.is_there()
        {
            match Opened::open(&opened.path) {
                Ok(another) => *opened = another,
                Err(error) => {
                    opened.is_lost = opened.is_removed();
                    return Err(error);
                }
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// Writes as much as is taken.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(opened) if opened.is_lost => {
                Err(io::Error::new(io::ErrorKind::NotFound, "its file was removed"))
            }
            Self::File(Opened { file, .. }) | Self::Stream(file) => file.write(bytes),
        }
    }
}

fn own(stream: BorrowedFd<'_>) -> io::Result<File> {
    stream.try_clone_to_owned().map(File::from)
}

impl Opened {
    fn open(path: &Path) -> io::Result<Self> {
        // A pipe that is opened for reading, too, does not make its opener wait for somebody who reads.
        let is_pipe = path.metadata().is_ok_and(|found| found.file_type().is_fifo());
        let mut how = OpenOptions::new();
        let file =
            if is_pipe { how.read(true).write(true).open(path)? } else { how.append(true).create(true).open(path)? };
        let found = file.metadata()?;
        Ok(Self { path: path.to_owned(), file, identity: (found.dev(), found.ino()), is_lost: false })
    }

    fn is_removed(&self) -> bool {
        self.file.metadata().is_ok_and(|found| found.nlink() == 0)
    }

    fn is_there(&self) -> bool {
        self.path.metadata().is_ok_and(|found| (found.dev(), found.ino()) == self.identity)
    }
}
