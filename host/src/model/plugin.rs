//! The words that both kinds of plugins need: who sits on a seat, and what becomes of what the version before knew.

use super::fault::Fault;
use super::names::PluginName;

/// Who sits on a seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeatHolder {
    /// The plugin.
    pub plugin: PluginName,
    /// Counts the versions that this process loaded, over all plugins.
    pub revision: u64,
    /// The version as its author counts.
    pub version: String,
}

impl SeatHolder {
    /// Whether this one goes on from what another knew: a later version of the same plugin does. None goes back to what a
    /// later one knew: a version that is taken back is the last whose word can be relied on, and an older one may not
    /// read it.
    pub fn goes_on_from(&self, before: &Self) -> bool {
        self.plugin == before.plugin && self.revision > before.revision
    }
}

/// Whether state went over to the version that was seated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// It did.
    Yes,
    /// There was none, or another plugin's.
    Nothing,
}

/// Why an instance did not take over from the version before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// It said so.
    #[error("refused the state of the version before: {0}")]
    Refused(String),
    /// It failed over it.
    #[error("failed to take over the state of the version before: {0}")]
    Fault(#[from] Fault),
    /// It failed before it came to that.
    #[error("failed over the candidates: {0}")]
    Candidates(Fault),
}

/// A plugin's text for people: its first line, without control characters, cut off after so many characters. A plugin must
/// not be able to forge a line of the log, or fill one.
pub fn one_line(text: &str, most: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(most).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugins_text_is_one_line_without_control_characters() {
        assert_eq!(one_line("a\u{1b}[2J\tb\nlevel=ERROR forged", 99), "a [2J b");
        assert_eq!(one_line(&"x".repeat(1_000_000), 3), "xxx");
    }

    #[test]
    fn only_a_later_version_of_the_same_plugin_goes_on() {
        let holder = |plugin: &str, revision| SeatHolder {
            plugin: PluginName::new(plugin).unwrap(),
            revision,
            version: "1.0.0".into(),
        };
        let second = holder("a", 2);
        assert!(second.goes_on_from(&holder("a", 1)));
        assert!([holder("a", 2), holder("a", 3), holder("b", 1)].iter().all(|before| !second.goes_on_from(before)));
    }
}
