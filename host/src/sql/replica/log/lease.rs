//! Who may write to a log: at most one process. The lock of a file beside it is the lease of processes on one machine; it is
//! the kernel's, so that it ends with the process, however that ends. Others may be had elsewhere, for a term: one that thinks
//! that it holds such a lease and does not, as it was stopped in between, is kept out by the epoch of the log.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::Identity;

/// Lets one at a time write.
pub trait Lease: Send + Sync {
    /// Asks for it, without waiting for who has it.
    ///
    /// # Errors
    /// Where it cannot be asked for.
    fn claim(&self) -> BoxFuture<'_, Result<Claim, LeaseError>>;
}

/// What came of asking for a lease.
pub enum Claim {
    /// It is held until this is dropped, or was given back.
    Held(Arc<dyn Hold>),
    /// Somebody else holds it; who, for people.
    Taken(String),
}

/// A lease that is held. Dropped, it ends; at once, or when its term is over.
pub trait Hold: Send + Sync + 'static {
    /// Whether it is still held.
    fn is_valid(&self) -> bool;

    /// The log that it was last used for; none where it does not know, or there was none.
    fn known(&self) -> Option<Known> {
        None
    }

    /// Notes the log that it is used for now.
    ///
    /// # Errors
    /// Where that cannot be noted, or it is held no longer: the log must not be written then.
    fn note(&self, _now: Known) -> BoxFuture<'_, Result<(), LeaseError>> {
        Box::pin(async { Ok(()) })
    }

    /// Gives it back at once, if it can be. Called when nobody writes any more.
    fn release(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// What a lease knows of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Which.
    pub identity: Identity,
    /// The epoch of its last writer.
    pub epoch: u64,
}

/// Why a lease could not be asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lease {lease}: {why}")]
pub struct LeaseError {
    /// Which.
    pub lease: String,
    /// Why.
    pub why: String,
}

/// The lock of a file.
#[derive(Clone, Debug)]
pub struct FileLease(PathBuf);

impl FileLease {
    /// That of a log: its path with `.lock` after it.
    pub fn beside(log: &Path) -> Self {
        let mut path = log.as_os_str().to_owned();
        path.push(".lock");
        Self(path.into())
    }

    fn try_claim(&self) -> io::Result<Claim> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&self.0)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = io::read_to_string(&file).unwrap_or_default();
                return Ok(Claim::Taken(holder.trim().to_owned()));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        file.set_len(0)?;
        writeln!(file, "process {} since {}", std::process::id(), jiff::Timestamp::now())?;
        let held = FileHold { path: self.0.clone(), file };
        if !held.is_valid() {
            return Err(io::Error::other("the file was removed meanwhile"));
        }
        Ok(Claim::Held(Arc::new(held)))
    }
}

impl Lease for FileLease {
    fn claim(&self) -> BoxFuture<'_, Result<Claim, LeaseError>> {
        let error = |why: io::Error| LeaseError { lease: self.0.display().to_string(), why: why.to_string() };
        Box::pin(async move { self.try_claim().map_err(error) })
    }
}

/// The lock while it is held. The file stays when it is given back: who removed it could remove that of the next holder.
struct FileHold {
    path: PathBuf,
    file: File,
}

impl Hold for FileHold {
    /// The lock is on the file, not on its name: where that is another file's by now, somebody else may hold that one.
    fn is_valid(&self) -> bool {
        let identity = |metadata: io::Result<std::fs::Metadata>| metadata.ok().map(|it| (it.dev(), it.ino()));
        let held = identity(self.file.metadata());
        held.is_some() && held == identity(self.path.metadata())
    }
}
