//! Owns what a predicate says of one key column: the keys for which it may be true, and those for which it may be
//! false. Both are kept because NOT swaps them; where it is NULL it is neither. What is not understood may be anything.

use sqlparser::ast::{BinaryOperator, Expr, Ident, UnaryOperator};

use super::literal::Literals;
use crate::sql::topology::{Cut, Key, KeyKind, KeySet, Standing, Topology};
use crate::sql::value::Value;

/// How deep parentheses and NOT are followed. Chains of AND and OR are not deep, however long they are.
const DEPTH: u8 = 64;

/// What a predicate leaves of a key column.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    /// Where it may be true.
    pub(super) holds: KeySet,
    /// Where it may be false.
    fails: KeySet,
}

impl Verdict {
    fn unknown() -> Self {
        Self { holds: KeySet::everything(), fails: KeySet::everything() }
    }

    /// True or false for any key, but neither for NULL.
    fn not_null() -> Self {
        Self { holds: KeySet::not_null(), fails: KeySet::not_null() }
    }

    fn constant(value: Option<bool>) -> Self {
        let when = |wanted| if value == Some(wanted) { KeySet::everything() } else { KeySet::nothing() };
        Self { holds: when(true), fails: when(false) }
    }

    /// True exactly there, false for every other key, neither for NULL.
    fn exactly(holds: KeySet) -> Self {
        Self { fails: holds.complement().without_null(), holds }
    }

    fn not(self) -> Self {
        Self { holds: self.fails, fails: self.holds }
    }

    fn all(verdicts: Vec<Self>) -> Self {
        let (holds, fails): (Vec<_>, Vec<_>) = verdicts.into_iter().map(|each| (each.holds, each.fails)).unzip();
        Self { holds: KeySet::intersection(holds), fails: KeySet::union(fails) }
    }

    fn any(verdicts: Vec<Self>) -> Self {
        Self::all(verdicts.into_iter().map(Self::not).collect()).not()
    }
}

/// A key column of one table in one FROM clause, and the names by which it may be called there.
#[derive(Clone, Debug)]
pub(super) struct KeyColumn<'a> {
    pub(super) topology: &'a Topology,
    pub(super) literals: Literals<'a>,
    pub(super) name: &'a str,
    pub(super) kind: KeyKind,
    /// What may stand before the dot.
    pub(super) called: Option<String>,
    /// Whether the bare name means it.
    pub(super) is_bare: bool,
}

impl KeyColumn<'_> {
    /// Whether the expression is this column, and nothing done to it.
    pub(super) fn is(&self, expr: &Expr) -> bool {
        match bare(expr) {
            Expr::Identifier(name) => self.is_bare && self.topology.is_column(name, self.name),
            Expr::CompoundIdentifier(parts) => match parts.split_last() {
                Some((name, path)) => self.topology.is_column(name, self.name) && self.is_called(path),
                None => false,
            },
            _ => false,
        }
    }

    fn is_called(&self, path: &[Ident]) -> bool {
        matches!(path, [only] if self.called.as_ref() == Some(&self.topology.folded(only)))
    }

    /// What `predicate` says of it.
    pub(super) fn verdict(&self, predicate: &Expr) -> Verdict {
        self.verdict_within(predicate, DEPTH)
    }

    fn verdict_within(&self, predicate: &Expr, depth: u8) -> Verdict {
        let Some(depth) = depth.checked_sub(1) else { return Verdict::unknown() };
        let within = |expr: &Expr| self.verdict_within(expr, depth);
        match predicate {
            Expr::Nested(inner) => within(inner),
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => within(expr).not(),
            Expr::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } => {
                let verdicts = chain(predicate, op).into_iter().map(within).collect();
                if *op == BinaryOperator::And { Verdict::all(verdicts) } else { Verdict::any(verdicts) }
            }
            Expr::BinaryOp { left, op, right } => self.compared(left, op, right),
            Expr::IsTrue(expr) => Verdict { holds: within(expr).holds, ..Verdict::unknown() },
            Expr::IsFalse(expr) => Verdict { holds: within(expr).fails, ..Verdict::unknown() },
            Expr::IsNotTrue(expr) => Verdict { fails: within(expr).holds, ..Verdict::unknown() },
            Expr::IsNotFalse(expr) => Verdict { fails: within(expr).fails, ..Verdict::unknown() },
            Expr::IsNull(expr) if self.is(expr) => Verdict { holds: KeySet::null(), fails: KeySet::not_null() },
            Expr::IsNotNull(expr) if self.is(expr) => Verdict { holds: KeySet::not_null(), fails: KeySet::null() },
            Expr::IsNotDistinctFrom(left, right) => self.same(left, right),
            Expr::IsDistinctFrom(left, right) => self.same(left, right).not(),
            Expr::InList { expr, list, negated } if self.is(expr) => turned(self.in_list(list), *negated),
            Expr::Between { expr, negated, low, high } if self.is(expr) => turned(self.between(low, high), *negated),
            Expr::Value(_) => self.constant(predicate),
            _ => Verdict::unknown(),
        }
    }

    fn compared(&self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Verdict {
        if *op == BinaryOperator::Spaceship {
            return self.same(left, right);
        }
        let Some(op) = Comparison::of(op) else { return Verdict::unknown() };
        match (self.is(left), self.is(right)) {
            (true, false) => self.against(op, right),
            (false, true) => self.against(op.turned_round(), left),
            (true, true) => Verdict::not_null(),
            (false, false) => match (self.literals.value(left), self.literals.value(right)) {
                (Some(Value::Integer(left)), Some(Value::Integer(right))) => {
                    Verdict::constant(Some(op.holds(left.cmp(&right))))
                }
                _ => Verdict::unknown(),
            },
        }
    }

    fn against(&self, op: Comparison, other: &Expr) -> Verdict {
        let standing = self.standing(other);
        if !self.kind.is_ordered() && !matches!(op, Comparison::Equal | Comparison::NotEqual) {
            let is_null = standing == Standing::Null;
            return if is_null { Verdict::constant(None) } else { Verdict::not_null() };
        }
        match standing {
            Standing::Null => Verdict::constant(None),
            Standing::Unclear => Verdict::not_null(),
            Standing::At(key) => op.verdict(Cut::before(key.clone()), Cut::after(key)),
            Standing::Above(number) => {
                let cut = Cut::after(Key::Int(number));
                op.verdict(cut.clone(), cut)
            }
        }
    }

    /// `<=>` and IS NOT DISTINCT FROM.
    fn same(&self, left: &Expr, right: &Expr) -> Verdict {
        let other = match (self.is(left), self.is(right)) {
            (true, false) => right,
            (false, true) => left,
            _ => return Verdict::unknown(),
        };
        let holds = match self.standing(other) {
            Standing::Null => KeySet::null(),
            Standing::At(key) => KeySet::point(key),
            Standing::Above(_) => KeySet::nothing(),
            Standing::Unclear => return Verdict::unknown(),
        };
        Verdict { fails: holds.complement(), holds }
    }

    fn in_list(&self, list: &[Expr]) -> Verdict {
        if list.is_empty() {
            return Verdict::constant(Some(false));
        }
        Verdict::any(list.iter().map(|each| self.against(Comparison::Equal, each)).collect())
    }

    fn between(&self, low: &Expr, high: &Expr) -> Verdict {
        // MySQL may compare all three as text when one of them is.
        let is_text = |expr| matches!(self.literals.value(expr), Some(Value::Text(_)));
        if self.kind == KeyKind::Integer && (is_text(low) || is_text(high)) {
            return Verdict::not_null();
        }
        Verdict::all(vec![self.against(Comparison::AtLeast, low), self.against(Comparison::AtMost, high)])
    }

    fn constant(&self, expr: &Expr) -> Verdict {
        match self.literals.value(expr) {
            Some(Value::Null) => Verdict::constant(None),
            Some(Value::Bool(value)) => Verdict::constant(Some(value)),
            Some(Value::Integer(value)) => Verdict::constant(Some(value != 0)),
            _ => Verdict::unknown(),
        }
    }

    fn standing(&self, expr: &Expr) -> Standing {
        self.literals.value(expr).map_or(Standing::Unclear, |value| self.kind.standing(&value))
    }
}

fn turned(verdict: Verdict, negated: bool) -> Verdict {
    if negated { verdict.not() } else { verdict }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Comparison {
    fn of(op: &BinaryOperator) -> Option<Self> {
        match op {
            BinaryOperator::Eq => Some(Self::Equal),
            BinaryOperator::NotEq => Some(Self::NotEqual),
            BinaryOperator::Lt => Some(Self::Less),
            BinaryOperator::LtEq => Some(Self::AtMost),
            BinaryOperator::Gt => Some(Self::Greater),
            BinaryOperator::GtEq => Some(Self::AtLeast),
            _ => None,
        }
    }

    /// The same with its sides exchanged.
    fn turned_round(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::AtMost => Self::AtLeast,
            Self::Greater => Self::Less,
            Self::AtLeast => Self::AtMost,
            same => same,
        }
    }

    fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }

    /// Against a value that lies between two cuts; they are the same when no key is equal to it.
    fn verdict(self, below: Cut, above: Cut) -> Verdict {
        match self {
            Self::Equal => Verdict::exactly(KeySet::between(below, above)),
            Self::NotEqual => Verdict::exactly(KeySet::between(below, above)).not(),
            Self::Less => Verdict::exactly(KeySet::between(Cut::Lowest, below)),
            Self::AtMost => Verdict::exactly(KeySet::between(Cut::Lowest, above)),
            Self::Greater => Verdict::exactly(KeySet::between(above, Cut::Highest)),
            Self::AtLeast => Verdict::exactly(KeySet::between(below, Cut::Highest)),
        }
    }
}

/// The expression without the parentheses around it.
fn bare(mut expr: &Expr) -> &Expr {
    while let Expr::Nested(inner) = expr {
        expr = inner;
    }
    expr
}

/// The parts of `a op b op c`, in no order. It does not recurse to the left, where chains of thousands grow.
pub(super) fn chain<'a>(expr: &'a Expr, wanted: &BinaryOperator) -> Vec<&'a Expr> {
    let (mut parts, mut rest) = (Vec::new(), expr);
    while let Expr::BinaryOp { left, op, right } = rest
        && op == wanted
    {
        parts.push(right.as_ref());
        rest = left;
    }
    parts.push(rest);
    parts
}

/// What must all be true for the predicate to be.
pub(in crate::sql) fn conjuncts(predicate: &Expr) -> Vec<&Expr> {
    let (mut found, mut open) = (Vec::new(), vec![predicate]);
    while let Some(expr) = open.pop() {
        match expr {
            Expr::Nested(inner) => open.push(inner),
            Expr::BinaryOp { op: op @ BinaryOperator::And, .. } => open.extend(chain(expr, op)),
            _ => found.push(expr),
        }
    }
    found
}
