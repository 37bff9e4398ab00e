//! What is wrong with a configuration: every mistake with where it is and what to write instead. Only says; what to do
//! about it is the caller's.

use std::fmt;
use std::path::{Path, PathBuf};

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The setting, as in `cluster.web.endpoints[2].weight`; the variable when it came from the environment; empty when
    /// the mistake is the file's as a whole.
    pub path: String,
    /// The line, counted from 1; none when the mistake is in no line of the file.
    pub line: Option<usize>,
    /// The character of that line, counted from 1.
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it, where that is not plain from the message.
    pub advice: Option<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.advice {
            Some(advice) => write!(f, " ({advice})"),
            None => Ok(()),
        }
    }
}

/// Every mistake in a configuration, in the order of the file. Shown one to a line, each as
/// `leverframe.toml:12:5: cluster.web.retry.attempts: what is wrong (what to do)`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors {
    origin: PathBuf,
    errors: Vec<ConfigError>,
}

impl ConfigErrors {
    pub(super) fn new(origin: &Path, mut errors: Vec<ConfigError>) -> Self {
        // Stable, so that what has no line comes first and keeps its order.
        errors.sort_by_key(|error| (error.line, error.column));
        Self { origin: origin.to_owned(), errors }
    }

    /// The mistake of a file that gives no text to look into.
    pub(super) fn whole_file(origin: &Path, line: Option<usize>, message: String) -> Self {
        Self::new(origin, vec![ConfigError { path: String::new(), line, column: None, message, advice: None }])
    }

    /// The file that the mistakes are in.
    pub fn origin(&self) -> &Path {
        &self.origin
    }

    /// Each mistake.
    pub fn iter(&self) -> std::slice::Iter<'_, ConfigError> {
        self.errors.iter()
    }

    /// How many there are; at least one.
    #[allow(clippy::len_without_is_empty, reason = "there is no such thing as an error without a mistake")]
    pub fn len(&self) -> usize {
        self.errors.len()
    }
}

impl<'a> IntoIterator for &'a ConfigErrors {
    type Item = &'a ConfigError;
    type IntoIter = std::slice::Iter<'a, ConfigError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, error) in self.errors.iter().enumerate() {
            if nth > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}", self.origin.display())?;
            for number in [error.line, error.column].into_iter().flatten() {
                write!(f, ":{number}")?;
            }
            write!(f, ": {error}")?;
        }
        Ok(())
    }
}
