//! Where endpoints come from: every source against the real server that it asks, one suite for all of them, and what
//! clients see of endpoints that come and go.

mod conformance;
mod dns;
mod docker;
mod redis;
mod under_load;
