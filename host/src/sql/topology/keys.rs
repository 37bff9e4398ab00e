//! Owns sets of keys: what a predicate leaves of a key column, as spans, and whether NULL is among it.

use super::key::Key;

/// A place between keys. Those of integers are kept in one form only, so that spans that touch are seen to touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Below every key.
    Lowest,
    /// Directly below a key.
    Before(Key),
    /// Directly above a key.
    After(Key),
    /// Above every key.
    Highest,
}

impl Cut {
    /// Directly below `key`.
    pub fn before(key: Key) -> Self {
        match key {
            Key::Int(i64::MIN) => Self::Lowest,
            key => Self::Before(key),
        }
    }

    /// Directly above `key`.
    pub fn after(key: Key) -> Self {
        match key {
            Key::Int(number) => number.checked_add(1).map_or(Self::Highest, |next| Self::Before(Key::Int(next))),
            key => Self::After(key),
        }
    }
}

impl Ord for Cut {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        fn rank(cut: &Cut) -> (u8, Option<&Key>, bool) {
            match cut {
                Cut::Lowest => (0, None, false),
                Cut::Before(key) => (1, Some(key), false),
                Cut::After(key) => (1, Some(key), true),
                Cut::Highest => (2, None, false),
            }
        }
        rank(self).cmp(&rank(other))
    }
}

impl PartialOrd for Cut {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The keys between two cuts; never empty inside a [`KeySet`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Where it begins.
    pub from: Cut,
    /// Where it ends.
    pub to: Cut,
}

impl Span {
    /// The key, when it is one only.
    pub fn point(&self) -> Option<Key> {
        match (&self.from, &self.to) {
            (Cut::Before(key), to) if Cut::after(key.clone()) == *to => Some(key.clone()),
            (Cut::Lowest, Cut::Before(Key::Int(to))) if to.checked_sub(1) == Some(i64::MIN) => Some(Key::Int(i64::MIN)),
            _ => None,
        }
    }
}

/// A set of keys: spans in order that neither overlap nor touch, and NULL or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySet {
    has_null: bool,
    spans: Vec<Span>,
}

impl KeySet {
    /// Every key, and NULL.
    pub fn everything() -> Self {
        Self { has_null: true, ..Self::not_null() }
    }

    /// Every key but NULL.
    pub fn not_null() -> Self {
        Self { has_null: false, spans: vec![Span { from: Cut::Lowest, to: Cut::Highest }] }
    }

    /// NULL alone.
    pub fn null() -> Self {
        Self { has_null: true, spans: Vec::new() }
    }

    /// No key at all.
    pub fn nothing() -> Self {
        Self { has_null: false, spans: Vec::new() }
    }

    /// One key.
    pub fn point(key: Key) -> Self {
        Self::between(Cut::before(key.clone()), Cut::after(key))
    }

    /// The keys between two cuts.
    pub fn between(from: Cut, to: Cut) -> Self {
        let spans = if from < to { vec![Span { from, to }] } else { Vec::new() };
        Self { has_null: false, spans }
    }

    /// What is in any of them.
    pub fn union(sets: impl IntoIterator<Item = Self>) -> Self {
        let (mut has_null, mut all) = (false, Vec::new());
        for set in sets {
            has_null |= set.has_null;
            all.extend(set.spans);
        }
        all.sort_unstable();
        let mut spans: Vec<Span> = Vec::with_capacity(all.len());
        for span in all {
            match spans.last_mut() {
                Some(last) if span.from <= last.to => {
                    if span.to > last.to {
                        last.to = span.to;
                    }
                }
                _ => spans.push(span),
            }
        }
        Self { has_null, spans }
    }

    /// What is in all of them; everything when there is none.
    pub fn intersection(sets: impl IntoIterator<Item = Self>) -> Self {
        Self::union(sets.into_iter().map(|set| set.complement())).complement()
    }

    /// What is not in it.
    pub fn complement(&self) -> Self {
        let mut spans = Vec::with_capacity(self.spans.len() + 1);
        let mut from = Cut::Lowest;
        for span in &self.spans {
            if from < span.from {
                spans.push(Span { from, to: span.from.clone() });
            }
            from = span.to.clone();
        }
        if from < Cut::Highest {
            spans.push(Span { from, to: Cut::Highest });
        }
        Self { has_null: !self.has_null, spans }
    }

    /// The same without NULL.
    pub fn without_null(self) -> Self {
        Self { has_null: false, ..self }
    }

    /// Whether NULL is in it.
    pub fn has_null(&self) -> bool {
        self.has_null
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        !self.has_null && self.spans.is_empty()
    }

    /// Its spans in order.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }
}
