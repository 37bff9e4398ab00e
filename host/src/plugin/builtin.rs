//! The plugins that are part of the binary, built by `build.rs` from `plugins/`.

use crate::model::PluginName;

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Name and bytes of every embedded plugin.
pub fn builtins() -> impl Iterator<Item = (PluginName, &'static [u8])> {
    EMBEDDED.iter().filter_map(|(name, bytes)| Some((PluginName::new(name).ok()?, *bytes)))
}
