//! What came out of a run, counted: by construct and tier, why statements were refused, and why gathered.

use std::collections::BTreeMap;
use std::fmt::Write;

/// How a query fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// The answer of one database.
    Right,
    /// One database refuses it, and so does the entry.
    RightlyFailed,
    /// Said to be beyond the entry.
    Refused,
    /// A number left its range in one of them only: sums depend on the order of rows.
    Overflowed,
    /// One database answers, the entry fails.
    Failed,
    /// The rows are right, their columns are named otherwise.
    Renamed,
    /// The rows and their names are right, the types are others.
    Retyped,
    /// Another answer.
    Wrong,
}

impl Outcome {
    /// Whether it fails the test.
    pub(super) fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::Renamed | Self::Retyped | Self::Wrong)
    }
}

/// Counts of one backend.
#[derive(Debug, Default)]
pub(super) struct Report {
    constructs: BTreeMap<&'static str, BTreeMap<String, usize>>,
    outcomes: BTreeMap<Outcome, usize>,
    refusals: BTreeMap<String, usize>,
    gathered: BTreeMap<String, usize>,
    /// How many failures have been told.
    pub(super) told: usize,
}

impl Report {
    /// Counts one answer; `tier` is how it was found.
    pub(super) fn count(&mut self, construct: &'static str, shards: u16, tier: &str, outcome: Outcome) {
        *self.outcomes.entry(outcome).or_default() += 1;
        // With one shard everything is passed through, which says nothing of a construct.
        if shards > 1 {
            let counts = self.constructs.entry(construct).or_default();
            let word = match outcome {
                Outcome::Right => tier.to_owned(),
                other => format!("{other:?}").to_lowercase(),
            };
            *counts.entry(word).or_default() += 1;
        }
    }

    pub(super) fn refused(&mut self, why: String) {
        *self.refusals.entry(why).or_default() += 1;
    }

    pub(super) fn gathered(&mut self, why: &str) {
        *self.gathered.entry(why.to_owned()).or_default() += 1;
    }

    /// Shows all of it, and fails where anything was bad.
    pub(super) fn is_sound(&self, title: &str) {
        println!("{}", self.shown(title));
        let bad: Vec<_> = self.outcomes.iter().filter(|(outcome, _)| outcome.is_bad()).collect();
        assert!(bad.is_empty(), "{title}: {bad:?}");
    }

    /// All of it, for people.
    fn shown(&self, title: &str) -> String {
        let mut text = format!("\n{title}: {:?}\n", self.outcomes);
        let (mut every, mut refused) = (0, 0);
        for (construct, counts) in &self.constructs {
            let all: usize = counts.values().sum();
            every += all;
            refused += counts.get("refused").copied().unwrap_or(0);
            let share =
                |(word, count): (&String, &usize)| format!("{word} {:.1} %", 100.0 * *count as f64 / all as f64);
            let shares: Vec<String> = counts.iter().map(share).collect();
            let _ = writeln!(text, "  {construct:<32} {all:>6}  {}", shares.join(", "));
        }
        let _ =
            writeln!(text, "  refused over 2, 3 and 7 shards: {:.1} %", 100.0 * refused as f64 / every.max(1) as f64);
        for (title, counts) in [("refused", &self.refusals), ("gathered", &self.gathered)] {
            let mut counts: Vec<_> = counts.iter().collect();
            counts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
            for (why, count) in counts.iter().take(25) {
                let _ = writeln!(text, "  {title} {count:>6}  {why}");
            }
        }
        text
    }
}
