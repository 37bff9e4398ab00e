//! Where endpoints come from. Every source says what it knows; together they make the catalog.

mod fixed;

pub use fixed::fixed;
