//! Watches the drop-in folder. A reconciler: one scan compares the files with what was offered last; it runs on every hint
//! of the file system and on a period. A file is read once it has stopped changing, so a slow copy is not taken by halves.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use notify::Watcher;
use tokio::sync::Notify;

use super::supervisor::Supervisor;
use super::version::Origin;
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
        for (name, (path, stamp)) in files(&self.path) {
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

    /// Compares the files with what was offered; tells whether all are settled.
    async fn scan(&mut self) -> bool {
        let found = files(&self.path);
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
            Ok(bytes) => drop(self.supervisor.offer(&name, bytes, origin).await),
            Err(error) => self.supervisor.refuse(&name, None, origin, format!("cannot be read: {error}")),
        }
    }
}

/// The `.wasm` files of a folder, by plugin name. A folder that is not there has none.
fn files(folder: &Path) -> BTreeMap<PluginName, (PathBuf, Stamp)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let file = |entry: std::fs::DirEntry| {
        let path = entry.path();
        let is_wasm = path.extension().is_some_and(|extension| extension == "wasm");
        let name = PluginName::new(path.file_stem()?.to_str()?).ok().filter(|_| is_wasm)?;
        let metadata = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file)?;
        Some((name, (path, stamp(&metadata))))
    };
    entries.filter_map(file).collect()
}

fn stamp(metadata: &std::fs::Metadata) -> Stamp {
    Stamp { inode: metadata.ino(), size: metadata.len(), modified: metadata.modified().ok() }
}

/// Has the file system give hints; none when the folder is not there or hints cannot be had.
fn watch_path(path: &Path, hint: Arc<Notify>) -> Option<notify::RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |_| hint.notify_one()).ok()?;
    watcher.watch(path, notify::RecursiveMode::NonRecursive).ok()?;
    Some(watcher)
}
