//! What plugins there are: an immutable map behind one atomic pointer. The supervisor writes it; the admin API and the
//! metrics read it.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use jiff::Timestamp;

use super::artifact::ContentHash;
use super::version::{Origin, Version};
use crate::model::PluginName;

/// Bytes that were not taken, or were taken back.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Which bytes; none when they could not even be read.
    pub hash: Option<ContentHash>,
    /// Where they came from.
    pub origin: Origin,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// One plugin.
#[derive(Clone, Default)]
pub struct PluginEntry {
    /// The version that serves; none while an embedded plugin is not used by anyone.
    pub current: Option<Arc<Version>>,
    /// The version before it, kept to go back to.
    pub previous: Option<Arc<Version>>,
    /// The last bytes that were not taken, until better ones come.
    pub refused: Option<Refusal>,
    /// What an operator should know beside that.
    pub note: Option<String>,
    /// Whether an operator has forbidden its use.
    pub disabled: bool,
}

impl PluginEntry {
    /// The version that serves, and the one before it.
    pub fn versions(&self) -> impl Iterator<Item = &Arc<Version>> {
        [&self.current, &self.previous].into_iter().flatten()
    }
}

/// What went wrong with a plugin, over all its versions since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// Calls that trapped.
    pub traps: u64,
    /// Calls that ran out of time.
    pub deadlines: u64,
    /// Answers that could not be used.
    pub bad_answers: u64,
    /// Decisions and judgements that were made in its place.
    pub fallbacks: u64,
    /// Instances that replaced one that failed.
    pub restarts: u64,
}

impl Failures {
    fn of(version: &Version) -> Self {
        let (seats, policies) = (version.figures.read(), version.figures.read_policies());
        Self {
            traps: seats.traps + policies.traps,
            deadlines: seats.deadlines + policies.deadlines,
            bad_answers: seats.bad_answers + policies.bad_answers,
            fallbacks: seats.fallbacks + policies.fallbacks,
            restarts: version.figures.restarts(),
        }
    }
}

impl AddAssign for Failures {
    fn add_assign(&mut self, other: Self) {
        self.traps += other.traps;
        self.deadlines += other.deadlines;
        self.bad_answers += other.bad_answers;
        self.fallbacks += other.fallbacks;
        self.restarts += other.restarts;
    }
}

/// All plugins by name.
#[derive(Default)]
pub struct Registry {
    plugins: ArcSwap<BTreeMap<PluginName, PluginEntry>>,
    /// The failures of versions that are not kept any more. Held while the plugins change, so that none is told twice, or
    /// not at all.
    gone: Mutex<BTreeMap<PluginName, Failures>>,
}

impl Registry {
    /// The plugins of this moment.
    pub fn read(&self) -> Arc<BTreeMap<PluginName, PluginEntry>> {
        self.plugins.load_full()
    }

    /// The version of a plugin that serves.
    pub fn current(&self, name: &PluginName) -> Option<Arc<Version>> {
        self.plugins.load().get(name)?.current.clone()
    }

    /// Changes one entry, made anew if need be; one change after the other.
    pub(super) fn change(&self, name: &PluginName, change: impl FnOnce(&mut PluginEntry)) {
        let mut gone = self.gone();
        let mut plugins = BTreeMap::clone(&self.plugins.load());
        let entry = plugins.entry(name.clone()).or_default();
        let before = entry.clone();
        change(entry);
        let kept: Vec<u64> = entry.versions().map(|version| version.revision).collect();
        for version in before.versions().filter(|version| !kept.contains(&version.revision)) {
            *gone.entry(name.clone()).or_default() += Failures::of(version);
        }
        self.plugins.store(Arc::new(plugins));
    }

    /// What went wrong with each plugin that has ever served.
    pub fn failures(&self) -> BTreeMap<PluginName, Failures> {
        let gone = self.gone();
        let mut failures = gone.clone();
        for version in self.read().values().flat_map(PluginEntry::versions) {
            *failures.entry(version.plugin.clone()).or_default() += Failures::of(version);
        }
        failures
    }

    /// A poisoned lock is taken all the same: every operation leaves what it guards whole.
    fn gone(&self) -> MutexGuard<'_, BTreeMap<PluginName, Failures>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
