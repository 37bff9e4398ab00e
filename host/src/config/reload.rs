//! Follows the file: a reconciler with one idempotent step, taken on a period and on a hint. What fails leaves the last
//! good configuration in place and shows in the status until it is put right.
//!
//! The step compares contents, never times or events, so it does not matter how an editor writes: a rename over the file,
//! an empty file for a moment, several events for one change, or no event at all, as on some network file systems.

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher, event::AccessKind, event::AccessMode};
use tokio::sync::{Notify, watch};

use super::error::ConfigErrors;
use super::load::{parse, text};
use super::overrides::Overrides;
use super::settings::Config;

/// How often the file is read without a hint: what a person who saved it waits at most.
const PERIOD: Duration = Duration::from_secs(2);

/// How long a changed file must stay as it is: longer than the pause between two writes of one save.
const SETTLE: Duration = Duration::from_millis(50);

/// Looks at a file that keeps changing before it is left for the next period.
const LOOKS: usize = 20;

/// Why the file as it is now does not serve.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReloadError {
    /// The file cannot be read or has mistakes.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The file is sound, but the application could not put it to work.
    #[error("{0}")]
    Apply(String),
}

/// A failure that has not been put right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReloadFailure {
    /// When it was first met.
    pub at: Timestamp,
    /// What it is.
    pub error: ReloadError,
}

/// What operators see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReloadStatus {
    /// When the configuration that serves was put to work.
    pub loaded_at: Timestamp,
    /// Counts configurations that were put to work; the first is 1.
    pub generation: u64,
    /// Why the file as it is now does not serve; none when it does.
    pub last_error: Option<ReloadFailure>,
    /// What in the file has no effect yet, and why.
    pub warnings: Vec<String>,
}

/// Asks for a step now.
#[derive(Clone, Debug)]
pub struct ReloadHint(Arc<Notify>);

impl ReloadHint {
    /// Asks. Hints that come during a step are one hint.
    pub fn give(&self) {
        self.0.notify_one();
    }
}

/// Keeps the running configuration what the file says.
pub struct Reloader {
    path: PathBuf,
    overrides: Overrides,
    running: Arc<Config>,
    /// The text that the running configuration comes from.
    applied: String,
    /// The last text that did not compile: it will not the next time.
    refused: Option<String>,
    status: watch::Sender<ReloadStatus>,
    hint: ReloadHint,
}

impl Reloader {
    /// Loads the file for the first time. Putting that configuration to work is up to the caller.
    pub fn load(path: &Path, overrides: &Overrides) -> Result<Self, ConfigErrors> {
        let applied = text(path, std::fs::read(path))?;
        let running = Arc::new(parse(&applied, path, overrides)?);
        let (status, _) = watch::channel(ReloadStatus {
            loaded_at: Timestamp::now(),
            generation: 1,
            last_error: None,
            warnings: Vec::new(),
        });
        Ok(Self {
            path: path.to_owned(),
            overrides: overrides.clone(),
            running,
            applied,
            refused: None,
            status,
            hint: ReloadHint(Arc::default()),
        })
    }

    /// The configuration that serves.
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.running)
    }

    /// What operators see, now and from now on.
    pub fn status(&self) -> watch::Receiver<ReloadStatus> {
        self.status.subscribe()
    }

    /// To ask for a step before the period is over.
    pub fn hint(&self) -> ReloadHint {
        self.hint.clone()
    }

    /// Follows the file for ever. `apply` puts a configuration to work: all of it, or none and says why not. It is called
    /// again with a configuration that it refused, since what was missing (a plugin, a free port) may have come.
    pub async fn run<A, F>(mut self, mut apply: A)
    where
        A: FnMut(Arc<Config>) -> F,
        F: Future<Output = Result<(), String>>,
    {
        let _watcher = self.watch_folder();
        loop {
            self.reconcile(&mut apply).await;
            tokio::select! {
                () = self.hint.0.notified() => {}
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
    }

    /// One step: makes the running configuration what the file says, if it does not serve already.
    pub async fn reconcile<A, F>(&mut self, apply: &mut A)
    where
        A: FnMut(Arc<Config>) -> F,
        F: Future<Output = Result<(), String>>,
    {
        let Some(content) = self.settled().await else { return };
        // Forgotten unless it is met again at once: the status must always tell of the latest content.
        let refused = self.refused.take();
        let text = match content {
            Err(unreadable) => return self.failed(unreadable.into()),
            Ok(text) if text == self.applied => return self.serves(),
            Ok(text) if refused.as_ref() == Some(&text) => {
                self.refused = refused;
                return;
            }
            Ok(text) => text,
        };
        let mut config = match parse(&text, &self.path, &self.overrides) {
            Ok(config) => config,
            Err(errors) => {
                self.refused = Some(text);
                return self.failed(errors.into());
            }
        };
        let warnings = keep_what_cannot_change(&mut config, &self.running);
        // A changed comment is no change.
        let is_new = config != *self.running;
        let config = Arc::new(config);
        if is_new && let Err(reason) = apply(Arc::clone(&config)).await {
            return self.failed(ReloadError::Apply(reason));
        }
        self.running = config;
        self.applied = text;
        self.applied_with(warnings, is_new);
    }

    /// The content of the file once it stays as it is; none when it keeps changing.
    async fn settled(&self) -> Option<Result<String, ConfigErrors>> {
        let mut last = self.content().await;
        for _ in 0..LOOKS {
            // Known, and what there is to know of it done: nothing to wait for.
            let known = last.as_ref().is_ok_and(|text| *text == self.applied || Some(text) == self.refused.as_ref());
            if known {
                return Some(last);
            }
            tokio::time::sleep(SETTLE).await;
            let now = self.content().await;
            if now == last {
                return Some(now);
            }
            last = now;
        }
        None
    }

    async fn content(&self) -> Result<String, ConfigErrors> {
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
        text(&self.path, read.unwrap_or_else(|stopped| Err(std::io::Error::other(stopped))))
    }

    /// Notes that the file says what serves.
    fn serves(&self) {
        self.status.send_if_modified(|status| status.last_error.take().is_some());
    }

    /// Notes that the file has been put to work.
    fn applied_with(&self, warnings: Vec<String>, is_new: bool) {
        for warning in &warnings {
            tracing::warn!(file = %self.path.display(), "{warning}");
        }
        self.status.send_modify(|status| {
            if is_new {
                status.generation += 1;
                status.loaded_at = Timestamp::now();
                tracing::info!(file = %self.path.display(), generation = status.generation, "configuration reloaded");
            }
            status.last_error = None;
            status.warnings = warnings;
        });
    }

    /// Notes a failure, once for as long as it stays the same.
    fn failed(&self, error: ReloadError) {
        self.status.send_if_modified(|status| {
            if status.last_error.as_ref().is_some_and(|last| last.error == error) {
                return false;
            }
            match &error {
                ReloadError::Config(errors) => {
                    for mistake in errors {
                        let line = mistake.line.unwrap_or_default();
                        tracing::error!(file = %self.path.display(), line, "configuration not reloaded: {mistake}");
                    }
                }
                ReloadError::Apply(reason) => {
                    tracing::error!(file = %self.path.display(), "configuration not reloaded: {reason}");
                }
            }
            status.last_error = Some(ReloadFailure { at: Timestamp::now(), error });
            true
        });
    }

    /// Has every change in the file's folder give the hint. The folder, since an editor that renames a new file over the
    /// old one takes the watch on the file away with it. Without a watcher the period still finds every change.
    fn watch_folder(&self) -> Option<RecommendedWatcher> {
        let hint = self.hint.clone();
        let changed = move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| is_change(event.kind)) {
                hint.give();
            }
        };
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let watching = notify::recommended_watcher(changed).and_then(|mut watcher| {
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        let report = |error: &notify::Error| {
            tracing::warn!(folder = %folder.display(), "cannot watch, changes are found every {PERIOD:?}: {error}");
        };
        watching.inspect_err(report).ok()
    }
}

impl fmt::Debug for Reloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloader").field("path", &self.path).field("status", &*self.status.borrow()).finish()
    }
}

/// Whether an event may mean new content. Reading is none, or each look would ask for the next.
pub fn is_change(kind: EventKind) -> bool {
    !kind.is_access() || kind == EventKind::Access(AccessKind::Close(AccessMode::Write))
}

/// Puts back what is fixed for the life of the process, and says so.
pub fn keep_what_cannot_change(config: &mut Config, running: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    if config.workers != running.workers {
        let wanted = std::mem::replace(&mut config.workers, running.workers);
        warnings.push(format!("workers: {wanted} takes effect at the next start, {} run now", running.workers));
    }
    let (wanted, held) = (&mut config.plugins, &running.plugins);
    for (name, wanted, held) in
        [("folder", &mut wanted.folder, &held.folder), ("cache", &mut wanted.cache, &held.cache)]
    {
        if wanted != held {
            warnings.push(format!("plugins.{name}: takes effect at the next start"));
            wanted.clone_from(held);
        }
    }
    warnings
}
