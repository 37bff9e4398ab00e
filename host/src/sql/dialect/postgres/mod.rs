//! Owns PostgreSQL's rules. Its columns have types, so what a merge computes is exact by type and needs no guards: sums of
//! integers and decimals are exact in any order.
//!
//! - `SUM` of `integer` is `bigint` and of `bigint` is `numeric`; the sum of `bigint` partials is cast back, so that a sum that does
//!   not fit is an error, as it is on one database.
//! - `AVG` and the variances of exact numbers are computed from exact sums by the formulas of the server's own `numeric.c`, in the
//!   server's own arithmetic, so that they have its digits and scale.
//! - Sums and averages of floats are added by shard: the last digits may differ, as they may on one database from run to run.
//! - Text is ordered by the host only under C and POSIX; by an engine otherwise, in columns that are given the collation.
//! - Where equal values are written differently (`numeric` without a scale, `interval`, `jsonb`) GROUP BY, DISTINCT, UNION, MIN and
//!   MAX would show one of them arbitrarily: refused.
//! - A parameter's type follows from where it stands first: a statement that has one in two places is not taken apart.

pub(super) mod functions;
mod kinds;
mod names;
mod rules;

pub(super) use rules::objection;

/// PostgreSQL.
#[derive(Clone, Copy, Debug)]
pub(super) struct Postgres;
