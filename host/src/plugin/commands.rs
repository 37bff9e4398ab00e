//! What operators have done about plugins: another version that they send, the one before, no use at all. Each goes on to its
//! end once it is begun, also when nobody waits for it any more.

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::artifact::ContentHash;
use super::error::{CommandError, LoadError};
use super::folder::file_of;
use super::supervisor::{Supervisor, Swap};
use super::version::Origin;
use super::workshop::blocking;
use crate::config::StrategySpec;
use crate::model::{ClusterName, PluginName};

/// Who chooses in the place of a strategy that is disabled by force.
const STAND_IN: &str = "round-robin";

/// What came of bytes that were sent.
#[derive(Debug)]
pub struct Uploaded {
    /// Whether they serve.
    pub swap: Swap,
    /// Why they will not be there after a restart; none when they will.
    pub unkept: Option<String>,
}

impl Supervisor {
    /// Takes bytes that an operator sent, and keeps them in the drop-in folder once they are taken.
    ///
    /// # Errors
    /// Why they are not taken; then nothing is written.
    pub async fn upload(self: &Arc<Self>, name: PluginName, bytes: Vec<u8>) -> Result<Uploaded, LoadError> {
        let supervisor = Arc::clone(self);
        let uploading = tokio::spawn(async move {
            // One after the other: what serves is what is kept, and one is enough to be tried out at a time.
            let _turn = supervisor.uploads.lock().await;
            let path = match supervisor.folder() {
                None => None,
                Some(folder) => {
                    let name = name.clone();
                    Some(blocking(move || Ok(file_of(&folder, &name))).await?)
                }
            };
            let origin = path.clone().map_or(Origin::Sent, Origin::File);
            let offered = supervisor.try_offer(&name, bytes.clone(), &origin).await;
            // Whoever sent it is told, and everything is as it was: there is nothing to keep in mind.
            let swap = offered.inspect_err(|error| {
                tracing::error!(plugin = name.as_str(), %error, "an operator sent a plugin that is not taken");
            })?;
            // What an operator sends is wanted, also when they went back from it before.
            supervisor.state.lock().await.gone_back.remove(&name);
            let unkept = match path {
                None => Some("there is no plugin folder (plugins.folder) to keep it in".to_owned()),
                Some(path) => keep(path, bytes).await.err(),
            };
            if let Some(why) = &unkept {
                let note = format!("sent by an operator, and gone after a restart: {why}");
                supervisor.registry.change(&name, |entry| entry.note = Some(note));
            }
            Ok(Uploaded { swap, unkept })
        });
        uploading.await.unwrap_or_else(|stopped| Err(LoadError::Io(stopped.to_string())))
    }

    /// Has the version before serve again, wherever the plugin is used or nowhere. The file in the drop-in folder does not
    /// come back by itself until its content is another.
    ///
    /// # Errors
    /// When there is no such version, or it cannot be seated.
    pub async fn roll_back(self: &Arc<Self>, name: PluginName) -> Result<Swap, CommandError> {
        let supervisor = Arc::clone(self);
        let going = tokio::spawn(async move {
            let mut state = supervisor.state.lock().await;
            let entry = supervisor.entry(&name)?;
            let (Some(current), Some(previous)) = (entry.current, entry.previous) else {
                return Err(CommandError::NoPrevious(name));
            };
            let swap = supervisor.swap(&mut state, &previous).await?;
            state.troubles.remove(&current.revision);
            state.gone_back.insert(name.clone(), current.artifact.hash());
            let note = format!(
                "an operator went back from version {} (revision {}); its file serves again at the next start, or once its \
                 content is another",
                current.about.version, current.revision
            );
            supervisor.registry.change(&name, |entry| {
                (entry.current, entry.previous) = (Some(previous), Some(current));
                (entry.refused, entry.note) = (None, Some(note));
            });
            tracing::info!(plugin = name.as_str(), ?swap, "an operator went back to the version before");
            Ok(swap)
        });
        going.await.unwrap_or_else(|stopped| Err(LoadError::Io(stopped.to_string()).into()))
    }

    /// Forbids the use of a plugin until it is enabled again, or until the end of the process. One that chooses somewhere is
    /// left alone, unless it is to be done by force: then `STAND_IN` chooses there. Tells where.
    ///
    /// # Errors
    /// When it is used, or stands in for others.
    pub async fn disable(self: &Arc<Self>, name: PluginName, force: bool) -> Result<Vec<ClusterName>, CommandError> {
        let supervisor = Arc::clone(self);
        let disabling = tokio::spawn(async move {
            let change = supervisor.begin().await;
            supervisor.entry(&name)?;
            let stand_in = PluginName::new(STAND_IN).map_err(|_| CommandError::StandsIn)?;
            if name == stand_in {
                return Err(CommandError::StandsIn);
            }
            let judges: Vec<_> =
                change.state.judges_on(&name).iter().map(|(panel, ..)| panel.cluster().clone()).collect();
            if !judges.is_empty() {
                return Err(CommandError::Judges { name, clusters: listed(&judges) });
            }
            let clusters: Vec<_> = change.state.chooses_in(&name).into_iter().map(|(cluster, _)| cluster).collect();
            if !clusters.is_empty() && !force {
                return Err(CommandError::Chooses { name, clusters: listed(&clusters) });
            }
            supervisor.registry.change(&name, |entry| entry.disabled = true);
            if !clusters.is_empty() {
                let spec = StrategySpec { plugin: stand_in, config: "{}".to_owned() };
                let switched = change.switch(clusters.clone(), spec).await;
                switched.inspect_err(|_| supervisor.registry.change(&name, |entry| entry.disabled = false))?;
            }
            tracing::info!(plugin = name.as_str(), clusters = listed(&clusters), "an operator disabled a plugin");
            Ok(clusters)
        });
        disabling.await.unwrap_or_else(|stopped| Err(LoadError::Io(stopped.to_string()).into()))
    }

    /// Allows the use of a plugin again.
    ///
    /// # Errors
    /// When there is no such plugin.
    pub async fn enable(&self, name: &PluginName) -> Result<(), CommandError> {
        let _state = self.state.lock().await;
        self.entry(name)?;
        self.registry.change(name, |entry| entry.disabled = false);
        Ok(())
    }

    fn entry(&self, name: &PluginName) -> Result<super::registry::PluginEntry, CommandError> {
        let known = self.registry.read();
        known.get(name).cloned().ok_or_else(|| CommandError::Unknown(name.clone()))
    }

    /// Whether an operator went back from these bytes.
    pub(super) async fn went_back_from(&self, name: &PluginName, hash: ContentHash) -> bool {
        self.state.lock().await.gone_back.get(name) == Some(&hash)
    }
}

fn listed(clusters: &[ClusterName]) -> String {
    clusters.iter().map(ClusterName::as_str).collect::<Vec<_>>().join(", ")
}

/// Writes a plugin's file: whole or not at all, so that the folder's watcher never sees half of it.
async fn keep(path: PathBuf, bytes: Vec<u8>) -> Result<(), String> {
    let place = path.display().to_string();
    let written = tokio::task::spawn_blocking(move || write(&path, &bytes)).await;
    match written {
        Ok(done) => done.map_err(|error| format!("{place} cannot be written: {error}")),
        Err(stopped) => Err(stopped.to_string()),
    }
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if std::fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    // Not an end that the watcher looks for; beside the file, since only within a file system is renaming one step.
    let mut beside = tempfile::Builder::new();
    let mut beside = beside.suffix(".sent").permissions(Permissions::from_mode(0o666)).tempfile_in(folder)?;
    beside.write_all(bytes)?;
    beside.as_file().sync_all()?;
    beside.persist(path)?;
    // The new name, too, is to be there after a crash.
    File::open(folder)?.sync_all()
}
