//! The TOML tree with the place of everything in it: finds the node at a path or at a span, and takes out or renames one,
//! so that reading can go on after a mistake. Knows nothing of what the settings mean.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One step down the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

/// Where a setting is: written `cluster.web.endpoints[2].weight`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct At(Vec<Step>);

impl At {
    /// The file itself.
    pub(super) fn root() -> Self {
        Self::default()
    }

    /// A key of this table.
    pub(super) fn key(&self, key: &str) -> Self {
        self.step(Step::Key(key.to_owned()))
    }

    /// An element of this array, counted from 0.
    pub(super) fn index(&self, index: usize) -> Self {
        self.step(Step::Index(index))
    }

    /// The table that this is a key of; the root is its own.
    pub(super) fn parent(&self) -> Self {
        Self(self.0.split_last().map_or_else(Vec::new, |(_, above)| above.to_vec()))
    }

    /// The key that this ends in.
    pub(super) fn last_key(&self) -> Option<&str> {
        match self.0.last() {
            Some(Step::Key(key)) => Some(key),
            _ => None,
        }
    }

    /// Whether this is `above` or below it.
    pub(super) fn is_within(&self, above: &Self) -> bool {
        self.0.starts_with(&above.0)
    }

    fn step(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => {
                    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
                    let dot = if nth > 0 { "." } else { "" };
                    if bare { write!(f, "{dot}{key}")? } else { write!(f, "{dot}{key:?}")? }
                }
            }
        }
        Ok(())
    }
}

/// The line and the character of it that a byte is at, both counted from 1.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// The parsed file.
#[derive(Clone, Debug)]
pub(super) struct Document<'t>(pub(super) Spanned<DeTable<'t>>);

impl<'t> Document<'t> {
    /// Where the node at a path is, or the nearest above it that exists; none for the file as a whole.
    pub(super) fn span(&self, at: &At) -> Option<Range<usize>> {
        self.nearest(at).map(|(node, _)| node.span())
    }

    /// Whether the node at a path is a table.
    pub(super) fn is_table(&self, at: &At) -> bool {
        self.nearest(at).is_some_and(|(node, is_it)| is_it && node.get_ref().is_table())
    }

    /// The outermost node that is at a span, by its key or by its value. Outermost, since the array of `[[listener]]` is
    /// at the place of its first element.
    pub(super) fn find(&self, span: &Range<usize>) -> Option<At> {
        find_in_table(self.0.get_ref(), span, &At::root())
    }

    /// Gives a key another name; `table.key` moves it into the table `table` beside it, which is made if there is none.
    /// Does nothing, and says so, when there is such a key already.
    pub(super) fn rename(&mut self, at: &At, to: &str) -> bool {
        let Some(table) = self.table(&at.parent()) else { return false };
        let Some(key) = at.last_key() else { return false };
        let (outer, inner) = to.split_once('.').map_or((to, None), |(outer, inner)| (outer, Some(inner)));
        let free = match (table.get(outer).map(Spanned::get_ref), inner) {
            (None, _) => true,
            (Some(DeValue::Table(table)), Some(inner)) => !table.contains_key(inner),
            (Some(_), _) => false,
        };
        if !free {
            return false;
        }
        let Some((key, value)) = table.remove_entry(key) else { return false };
        let place = key.span();
        let name = |text: &str| Spanned::new(place.clone(), Cow::Owned(text.to_owned()));
        let Some(inner) = inner else {
            table.insert(name(outer), value);
            return true;
        };
        let made = || Spanned::new(place.start..value.span().end, DeValue::Table(DeTable::new()));
        if let DeValue::Table(table) = table.entry(name(outer)).or_insert_with(made).get_mut() {
            table.insert(name(inner), value);
        }
        true
    }

    /// Takes a node out. An element of an array leaves an empty table behind, so that those after it keep their numbers.
    pub(super) fn remove(&mut self, at: &At) {
        match at.0.last() {
            Some(Step::Key(key)) => {
                self.table(&at.parent()).map(|table| table.remove(key.as_str()));
            }
            Some(Step::Index(_)) => {
                if let Some(node) = self.node(at) {
                    *node.get_mut() = DeValue::Table(DeTable::new());
                }
            }
            None => {}
        }
    }

    /// The node at a path, or the nearest above it that exists, and whether it is the one at the path.
    fn nearest(&self, at: &At) -> Option<(&Spanned<DeValue<'t>>, bool)> {
        let (first, rest) = at.0.split_first()?;
        let Step::Key(first) = first else { return None };
        let mut node = self.0.get_ref().get(first.as_str())?;
        for step in rest {
            let next = match (step, node.get_ref()) {
                (Step::Key(key), DeValue::Table(table)) => table.get(key.as_str()),
                (Step::Index(index), DeValue::Array(array)) => array.get(*index),
                _ => None,
            };
            match next {
                Some(next) => node = next,
                None => return Some((node, false)),
            }
        }
        Some((node, true))
    }

    fn table(&mut self, at: &At) -> Option<&mut DeTable<'t>> {
        if at.0.is_empty() {
            return Some(self.0.get_mut());
        }
        match self.node(at)?.get_mut() {
            DeValue::Table(table) => Some(table),
            _ => None,
        }
    }

    fn node(&mut self, at: &At) -> Option<&mut Spanned<DeValue<'t>>> {
        let (first, rest) = at.0.split_first()?;
        let Step::Key(first) = first else { return None };
        let mut node = self.0.get_mut().get_mut(first.as_str())?;
        for step in rest {
            node = match (step, node.get_mut()) {
                (Step::Key(key), DeValue::Table(table)) => table.get_mut(key.as_str())?,
                (Step::Index(index), DeValue::Array(array)) => array.get_mut(*index)?,
                _ => return None,
            };
        }
        Some(node)
    }
}

fn find_in_table(table: &DeTable<'_>, span: &Range<usize>, at: &At) -> Option<At> {
    table.iter().find_map(|(key, value)| {
        let here = at.key(key.get_ref());
        if key.span() == *span { Some(here) } else { find_in_value(value, span, here) }
    })
}

fn find_in_value(value: &Spanned<DeValue<'_>>, span: &Range<usize>, here: At) -> Option<At> {
    if value.span() == *span {
        return Some(here);
    }
    match value.get_ref() {
        DeValue::Table(table) => find_in_table(table, span, &here),
        DeValue::Array(array) => {
            array.iter().enumerate().find_map(|(index, value)| find_in_value(value, span, here.index(index)))
        }
        _ => None,
    }
}
