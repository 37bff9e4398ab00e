//! Where plugins come from, and the limits that they live under.

use super::super::defaults;
use super::super::document::At;
use super::super::file;
use super::super::problems::{Problems, Reported};
use super::super::settings::{PluginLimits, Plugins};
use super::super::units::{Size, Switch};
use super::{Surroundings, folder};
use crate::model::PluginName;

/// One page of WebAssembly memory; no memory is smaller.
const LEAST_MEMORY: u64 = 64 << 10;

/// What the engine grants at the most.
const MOST_MEMORY: u64 = PluginLimits::MOST_MEMORY as u64;

/// Compiles `[plugins]`.
pub(super) fn compile(
    file: file::Plugins,
    around: Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Result<Plugins, Reported> {
    let at = At::root().key("plugins");
    let limits = limits(&file.limits, PluginLimits::default(), &at.key("limits"), problems);
    let inherited = limits.unwrap_or_default();
    let mut overrides = Vec::new();
    for (name, file) in &file.overrides {
        let at = at.key("override").key(name);
        let plugin = PluginName::new(name).map_err(|wrong| problems.report(&at, wrong));
        let limits = self::limits(file, inherited, &at, problems);
        overrides.push(plugin.and_then(|plugin| Ok((plugin, limits?))));
    }
    Ok(Plugins {
        folder: folder(around.overrides.plugins.as_ref(), file.folder, defaults::PLUGIN_FOLDER, around),
        cache: match file.cache {
            Switch::Off => None,
            Switch::Default => around.overrides.cache.clone(),
            Switch::To(path) => Some(around.folder.join(path)),
        },
        limits: limits?,
        overrides: overrides.into_iter().collect::<Result<_, _>>()?,
    })
}

/// Takes what the file gives, and the rest from `inherited`.
fn limits(
    file: &file::PluginLimits,
    inherited: PluginLimits,
    at: &At,
    problems: &mut Problems<'_>,
) -> Result<PluginLimits, Reported> {
    let memory = |size: Size, problems: &mut Problems<'_>| match size.0 {
        LEAST_MEMORY..=MOST_MEMORY => Ok(size.0 as usize),
        bytes => Err(problems.report(&at.key("memory_bytes"), format!("{bytes} bytes is not from 64KiB to 1GiB"))),
    };
    let memory_bytes = file.memory_bytes.map_or(Ok(inherited.memory_bytes), |size| memory(size, problems));
    let most = PluginLimits::MOST_TABLE_ELEMENTS;
    let table_elements = match file.table_elements.map_or(inherited.table_elements, |elements| elements.count()) {
        elements if elements <= most => Ok(elements),
        elements => Err(problems.report(&at.key("table_elements"), format!("{elements} is over {most}"))),
    };
    Ok(PluginLimits {
        pick_deadline: file.pick_deadline.map_or(inherited.pick_deadline, |period| period.0),
        call_deadline: file.call_deadline.map_or(inherited.call_deadline, |period| period.0),
        memory_bytes: memory_bytes?,
        table_elements: table_elements?,
        state_bytes: file.state_bytes.map_or(inherited.state_bytes, |size| size.0 as usize),
        file_bytes: file.file_bytes.map_or(inherited.file_bytes, |size| size.0),
    })
}
