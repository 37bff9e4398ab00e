//! Scaling: every driver of nodes keeps the same promises.

mod crew;
mod docker;
mod driver;
mod held;
mod process;
mod small;
