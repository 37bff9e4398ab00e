//! One SQL entry over many databases: an answer is right, or refused with the construct named.
//!
//! A statement is parsed (`parse`), routed by the keys that its predicates leave (`route` over a `topology`), planned
//! (`plan`: statements for the nodes, cut from the client's own text by `rewrite`, and a final stage) and carried out
//! (`run`) over sessions of a `backend`. Everything up to the plan is pure. The host never evaluates an expression of SQL:
//! what is not concat or a merge by bytes and numbers is done by an engine of the backend's own dialect.

mod alike;
pub mod backend;
pub mod cache;
pub mod catalog;
pub mod check;
mod depth;
pub mod dialect;
pub mod error;
pub mod figures;
mod gather;
pub mod http;
pub mod inspect;
pub mod layout;
mod masked;
pub mod merge;
pub mod parse;
pub mod plan;
pub mod recent;
pub mod replica;
mod rewrite;
pub mod route;
pub mod run;
pub mod shape;
mod survey;
pub mod topology;
pub mod value;
pub mod write;
