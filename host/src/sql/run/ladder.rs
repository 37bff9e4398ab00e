//! Owns the k-way merge: the next row of each source on a binary heap. Pure. Rows of one source stay in their order, and
//! equal rows come in the order of their sources. A source that is not in order is an error, never a wrong answer.

use std::cmp::Ordering;

use crate::sql::merge::compare_rows;
use crate::sql::plan::MergeKey;
use crate::sql::value::Row;

/// A source whose rows are not in the order of the merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unordered(pub(super) usize);

/// The heap.
#[derive(Debug)]
pub(super) struct Ladder {
    keys: Vec<MergeKey>,
    visible: usize,
    steps: Vec<Step>,
    /// The last row of each source that has none on the heap, to see that the next one comes after it.
    last: Vec<Option<Row>>,
}

#[derive(Debug)]
struct Step {
    row: Row,
    source: usize,
}

impl Ladder {
    /// One for so many sources; the answer has `visible` columns.
    pub(super) fn new(keys: Vec<MergeKey>, visible: usize, sources: usize) -> Self {
        Self { keys, visible, steps: Vec::with_capacity(sources), last: vec![None; sources] }
    }

    /// Puts in the next row of a source that has none here.
    pub(super) fn enter(&mut self, source: usize, row: Row) -> Result<(), Unordered> {
        if let Some(Some(last)) = self.last.get(source)
            && compare_rows(last, &row, &self.keys, self.visible) == Ordering::Greater
        {
            return Err(Unordered(source));
        }
        self.steps.push(Step { row, source });
        self.rise(self.steps.len() - 1);
        Ok(())
    }

    /// The source of the first row.
    pub(super) fn first(&self) -> Option<usize> {
        self.steps.first().map(|step| step.source)
    }

    /// Takes the first row, and puts the next one of its source in its place; none where that is not known yet, or there
    /// is none.
    pub(super) fn advance(&mut self, next: Option<Row>) -> Result<Option<Row>, Unordered> {
        let Some(top) = self.steps.first_mut() else { return Ok(None) };
        let source = top.source;
        let row = match next {
            Some(next) => {
                if compare_rows(&top.row, &next, &self.keys, self.visible) == Ordering::Greater {
                    return Err(Unordered(source));
                }
                std::mem::replace(&mut top.row, next)
            }
            None => {
                let row = self.steps.swap_remove(0).row;
                if let Some(last) = self.last.get_mut(source) {
                    *last = Some(row.clone());
                }
                row
            }
        };
        self.sink(0);
        Ok(Some(row))
    }

    fn is_before(&self, one: usize, other: usize) -> bool {
        let (Some(one), Some(other)) = (self.steps.get(one), self.steps.get(other)) else { return false };
        let order = compare_rows(&one.row, &other.row, &self.keys, self.visible);
        order.then_with(|| one.source.cmp(&other.source)) == Ordering::Less
    }

    fn rise(&mut self, mut at: usize) {
        while at > 0 {
            let parent = (at - 1) / 2;
            if !self.is_before(at, parent) {
                return;
            }
            self.steps.swap(at, parent);
            at = parent;
        }
    }

    fn sink(&mut self, mut at: usize) {
        loop {
            let (left, right) = (2 * at + 1, 2 * at + 2);
            let mut least = at;
            if self.is_before(left, least) {
                least = left;
            }
            if self.is_before(right, least) {
                least = right;
            }
            if least == at {
                return;
            }
            self.steps.swap(at, least);
            at = least;
        }
    }
}
