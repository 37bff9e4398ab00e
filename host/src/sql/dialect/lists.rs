//! Owns telling what a function is by its name, from a dialect's lists. One that is on none of them is not known.

use sqlparser::ast::{Function, FunctionArguments};

use super::Nature;

/// What the functions of a dialect are, those apart that are aggregates by the number of their arguments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lists {
    pub(super) whole: &'static [&'static str],
    pub(super) ordered: &'static [&'static str],
    pub(super) volatile: &'static [&'static str],
    pub(super) window: &'static [&'static str],
    pub(super) steady: &'static [&'static str],
}

impl Lists {
    /// What a function of this name is, in lower case.
    pub(super) fn nature(&self, name: &str) -> Nature {
        let lists = [
            (self.whole, Nature::Whole),
            (self.ordered, Nature::Ordered),
            (self.volatile, Nature::Volatile),
            (self.window, Nature::Window),
            (self.steady, Nature::Steady),
        ];
        lists.into_iter().find(|(names, _)| names.contains(&name)).map_or(Nature::Unknown, |(_, nature)| nature)
    }
}

/// How many arguments a call has, `*` counted as one.
pub(super) fn argument_count(function: &Function) -> usize {
    match &function.args {
        FunctionArguments::List(list) => list.args.len(),
        FunctionArguments::None | FunctionArguments::Subquery(_) => 0,
    }
}
