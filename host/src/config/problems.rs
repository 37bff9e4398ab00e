//! Collects the mistakes. A [`Reported`] proves that a mistake was reported, so that nothing can be dropped in silence.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Range;

use super::document::{At, Document, position};
use super::error::ConfigError;

/// Stands for a value that could not be had, and whose mistake has been reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reported(());

/// Who says something: the file at a path, or an environment variable.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    File(At),
    Variable(&'static str),
}

/// The mistakes found so far, and what is needed to say where the next one is.
#[derive(Debug)]
pub(super) struct Problems<'t> {
    text: &'t str,
    document: Option<Document<'t>>,
    found: Vec<ConfigError>,
    spoiled: Vec<At>,
}

impl<'t> Problems<'t> {
    /// None so far.
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, document: None, found: Vec::new(), spoiled: Vec::new() }
    }

    /// From now on, places are looked up here.
    pub(super) fn look_in(&mut self, document: Document<'t>) {
        self.document = Some(document);
    }

    /// Whether nothing was reported.
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All of them.
    pub(super) fn into_errors(self) -> Vec<ConfigError> {
        self.found
    }

    /// Reports a mistake in the value at a path.
    pub(super) fn report(&mut self, at: &At, message: impl Display) -> Reported {
        let span = self.document.as_ref().and_then(|document| document.span(at));
        self.push(at.to_string(), span, message.to_string(), None)
    }

    /// Reports a mistake, with what to do about it.
    pub(super) fn advise(&mut self, at: &At, message: impl Display, advice: impl Display) -> Reported {
        let span = self.document.as_ref().and_then(|document| document.span(at));
        self.push(at.to_string(), span, message.to_string(), Some(advice.to_string()))
    }

    /// Reports a mistake in an environment variable; once, however many settings it is used for.
    pub(super) fn variable(&mut self, name: &str, message: impl Display, advice: impl Display) -> Reported {
        let message = message.to_string();
        if self.found.iter().any(|found| found.path == name && found.message == message) {
            return Reported(());
        }
        self.push(name.to_owned(), None, message, Some(advice.to_string()))
    }

    /// Reports a mistake to whoever made it.
    pub(super) fn refuse(&mut self, origin: &Origin, message: impl Display, advice: impl Display) -> Reported {
        match origin {
            Origin::File(at) => self.advise(at, message, advice),
            Origin::Variable(name) => self.variable(name, message, advice),
        }
    }

    /// Reports a mistake at a place in the text.
    pub(super) fn place(&mut self, at: &At, span: Option<Range<usize>>, message: &str, advice: Option<String>) {
        self.push(at.to_string(), span, message.to_owned(), advice);
    }

    /// Remembers that reading had to leave this out: that it is missing is no mistake of its own.
    pub(super) fn spoil(&mut self, at: At) {
        self.spoiled.push(at);
    }

    /// Whether reading left this out, itself or something that it is in.
    pub(super) fn spoiled(&self, at: &At) -> Option<Reported> {
        self.spoiled.iter().any(|spoiled| at.is_within(spoiled)).then_some(Reported(()))
    }

    /// The line that the value at a path is in.
    pub(super) fn line(&self, at: &At) -> Option<usize> {
        let span = self.document.as_ref()?.span(at)?;
        Some(position(self.text, span.start).0)
    }

    /// Takes a value that has to be there.
    pub(super) fn required<T>(&mut self, value: Option<T>, at: &At, advice: &str) -> Result<T, Reported> {
        match (value, self.spoiled(at)) {
            (Some(value), _) => Ok(value),
            (None, Some(reported)) => Err(reported),
            (None, None) => Err(self.advise(at, "is missing", advice)),
        }
    }

    fn push(&mut self, path: String, span: Option<Range<usize>>, message: String, advice: Option<String>) -> Reported {
        let (line, column) = span.map(|span| position(self.text, span.start)).unzip();
        self.found.push(ConfigError { path, line, column, message, advice });
        Reported(())
    }
}

/// Values that no two settings may share, and who has each.
#[derive(Debug)]
pub(super) struct Unique<K> {
    what: &'static str,
    taken: BTreeMap<K, At>,
}

impl<K: Ord + Display> Unique<K> {
    /// `what` names the values in messages.
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, taken: BTreeMap::new() }
    }

    /// Takes a value for the setting at a path, unless another has it.
    pub(super) fn claim(&mut self, value: K, at: &At, problems: &mut Problems<'_>) -> Result<(), Reported> {
        if let Some(first) = self.taken.get(&value) {
            let line = problems.line(first).map(|line| format!(", line {line}")).unwrap_or_default();
            return Err(problems.report(at, format!("the {} `{value}` is taken by {first}{line}", self.what)));
        }
        self.taken.insert(value, at.clone());
        Ok(())
    }
}
