//! What plugins there are: an immutable map behind one atomic pointer. The supervisor writes it; the admin API and the
//! metrics read it.

use std::collections::BTreeMap;
use std::sync::Arc;

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

/// All plugins by name.
#[derive(Default)]
pub struct Registry {
    plugins: ArcSwap<BTreeMap<PluginName, PluginEntry>>,
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

    /// Changes one entry, made anew if need be. Called by one writer at a time.
    pub(super) fn change(&self, name: &PluginName, change: impl FnOnce(&mut PluginEntry)) {
        let mut plugins = BTreeMap::clone(&self.plugins.load());
        change(plugins.entry(name.clone()).or_default());
        self.plugins.store(Arc::new(plugins));
    }
}
