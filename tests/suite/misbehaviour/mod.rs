//! Guarantee 2: a plugin that traps, stalls, leaks or lies costs at most its deadline. One test for each way to
//! misbehave, and each asks all who may be concerned: the client, who is served throughout; the metrics, which count it
//! against the plugin and never against an endpoint; the admin API, which says what was wrong.

mod after_a_fault;
mod at_load;
mod confined;
mod in_traffic;
mod policies;
