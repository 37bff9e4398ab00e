//! Watches the drop-in folder. A reconciler: one scan compares the files with what was offered last; it runs on every hint
//! of the file system and on a period. A file is read once it has stopped changing, so a slow copy is not taken by halves.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use notify::{Event, Watcher};
use tokio::sync::Notify;

use super::artifact::ContentHash;
use super::supervisor::Supervisor;
use super::version::Origin;
use crate::config::is_change;
use crate::model::PluginName;

/// A file that did not change for this long is taken to be whole.
const QUIET: Duration = Duration::from_millis(100);
/// How often the folder is looked at without a hint: some file systems give none.
const PERIOD: Duration = Duration::from_secs(2);

/// What a file's content is known by without reading it. The inode tells a file that was renamed into place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    modified: Option<SystemTime>,
}

/// The drop-in folder as it was last seen.
pub struct Folder {
    path: PathBuf,
    supervisor: Arc<Supervisor>,
    offered: BTreeMap<PluginName, Stamp>,
    unsettled: BTreeMap<PluginName, Stamp>,
}

impl Folder {
    /// The folder at a path, which need not exist yet.
    pub fn new(path: PathBuf, supervisor: Arc<Supervisor>) -> Self {
        Self { path, supervisor, offered: BTreeMap::new(), unsettled: BTreeMap::new() }
    }

    /// Takes in what is there, at start: a file that is still being copied is taken in again when it has changed.
    pub async fn load(&mut self) {
        let found = files(&self.path).inspect_err(|error| self.unreadable(error)).unwrap_or_default();
        for (name, (path, stamp)) in found {
            self.offer(name, path, stamp).await;
        }
    }

    /// Watches until the task is ended.
    pub async fn watch(mut self) {
        let hint = Arc::new(Notify::new());
        let mut watcher = None;
        loop {
            if watcher.is_none() {
                watcher = watch_path(&self.path, Arc::clone(&hint));
            }
            let settled = self.scan().await;
            let wait = if settled { PERIOD } else { QUIET };
            // A hint that comes while a file settles would only shorten the wait that it needs.
            match settled {
                true => drop(tokio::time::timeout(wait, hint.notified()).await),
                false => tokio::time::sleep(wait).await,
            }
        }
    }

    fn unreadable(&self, error: &io::Error) {
        tracing::warn!(folder = %self.path.display(), %error, "cannot be read; every plugin stays as it is");
    }

    /// Compares the files with what was offered; tells whether all are settled.
    async fn scan(&mut self) -> bool {
        let Ok(found) = files(&self.path).inspect_err(|error| self.unreadable(error)) else { return true };
        let gone: Vec<_> = self.offered.keys().filter(|name| !found.contains_key(*name)).cloned().collect();
        for name in gone {
            self.offered.remove(&name);
            self.supervisor.withdraw(&name).await;
        }
        let mut unsettled = BTreeMap::new();
        for (name, (path, stamp)) in found {
            if self.offered.get(&name) == Some(&stamp) {
                continue;
            }
            if self.unsettled.get(&name) == Some(&stamp) {
                self.offer(name, path, stamp).await;
            } else {
                unsettled.insert(name, stamp);
            }
        }
        self.unsettled = unsettled;
        self.unsettled.is_empty()
    }

    async fn offer(&mut self, name: PluginName, path: PathBuf, stamp: Stamp) {
        self.offered.insert(name.clone(), stamp);
        let origin = Origin::File(path.clone());
        let limit = self.supervisor.limits(&name).file_bytes;
        if stamp.size > limit {
            let reason = super::error::LoadError::TooLarge { size: stamp.size, limit }.to_string();
            return self.supervisor.refuse(&name, None, origin, reason);
        }
        match tokio::fs::read(&path).await {
            // The outcome is in the registry, where operators look.
            Ok(bytes) if self.supervisor.went_back_from(&name, ContentHash::of(&bytes)).await => {
                tracing::info!(plugin = name.as_str(), %origin, "left alone: an operator went back from these bytes");
            }
            Ok(bytes) => drop(self.supervisor.offer(&name, bytes, origin).await),
            Err(error) => self.supervisor.refuse(&name, None, origin, format!("cannot be read: {error}")),
        }
    }
}

/// The `.wasm` files of a folder, by plugin name. A folder that is not there has none; one that cannot be read is an
/// error, so that no plugin is withdrawn because the process ran out of file descriptors.
fn files(folder: &Path) -> io::Result<BTreeMap<PluginName, (PathBuf, Stamp)>> {
    let mut files = BTreeMap::new();
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(files),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        let stem = path.file_stem().and_then(std::ffi::OsStr::to_str);
        if path.extension().is_none_or(|extension| extension != "wasm") {
            continue;
        }
        let Some(name) = stem.and_then(|stem| PluginName::new(stem).ok()) else {
            tracing::debug!(file = %path.display(), "passed over: its name cannot be that of a plugin");
            continue;
        };
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => drop(files.insert(name, (path, stamp(&metadata)))),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(files)
}

/// The file of a plugin in a folder: the one that is there, or a new one.
pub(super) fn file_of(folder: &Path, name: &PluginName) -> PathBuf {
    let found = files(folder).ok().and_then(|mut files| files.remove(name));
    found.map_or_else(|| folder.join(format!("{name}.wasm")), |(path, _)| path)
}

fn stamp(metadata: &std::fs::Metadata) -> Stamp {
    Stamp { inode: metadata.ino(), size: metadata.len(), modified: metadata.modified().ok() }
}

/// Has the file system give hints; none when the folder is not there or hints cannot be had.
fn watch_path(path: &Path, hint: Arc<Notify>) -> Option<notify::RecommendedWatcher> {
    let changed = move |event: notify::Result<Event>| {
        // Looking at the folder is an event as well: taken for a hint, each scan would ask for the next. An error may mean
        // that events were lost.
        if event.map_or(true, |event| is_change(event.kind)) {
            hint.notify_one();
        }
    };
    let mut watcher = notify::recommended_watcher(changed).ok()?;
    watcher.watch(path, notify::RecursiveMode::NonRecursive).ok()?;
    Some(watcher)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_missing_has_no_files_and_one_that_cannot_be_read_is_an_error() {
        let place = tempfile::tempdir().unwrap();
        assert!(files(&place.path().join("missing")).unwrap().is_empty());
        let file = place.path().join("my_strategy.wasm");
        std::fs::write(&file, "x").unwrap();
        std::fs::write(place.path().join("no name!.wasm"), "x").unwrap();
        std::fs::write(place.path().join("readme.md"), "x").unwrap();
        let found = files(place.path()).unwrap();
        assert_eq!(found.keys().map(PluginName::as_str).collect::<Vec<_>>(), ["my-strategy"]);
        assert!(files(&file).is_err());
    }
}
