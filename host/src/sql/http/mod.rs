//! The HTTP side of an entry: a statement comes as JSON and its answer goes as JSON, as one document or line by line.
//! Decides nothing about statements; what is wrong becomes a problem document here, and nowhere else.
//!
//! `request` reads what is asked, `document` and `lines` write the two forms of an answer, `write` the values in both,
//! `problem` what went wrong. [`Service`] puts them together.

mod document;
mod lines;
mod param;
mod problem;
mod request;
mod service;
mod write;

#[cfg(test)]
mod tests;

pub use problem::{OF_CLIENTS, OF_OTHERS};
pub use service::{Body, Service};
