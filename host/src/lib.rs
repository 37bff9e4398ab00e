//! Leverframe: a programmable load balancer. Plugins decide, the host guarantees.
//!
//! # Architecture
//!
//! Data flows one way through the folders, and each may import only what stands before it (a test holds that):
//!
//! | folder | owns |
//! | --- | --- |
//! | [`model`] | the vocabulary: names, endpoints, the catalog, the head of a request, outcomes |
//! | [`config`] | the TOML file, made into types that cannot be wrong; following its edits |
//! | [`discovery`] | where endpoints come from, merged into one catalog |
//! | [`cluster`] | live members: the catalog made into a roster, and load figures that survive every change |
//! | [`health`] | active checks, sums over a while, the trait that a policy fulfils, the panel that holds it to the rules |
//! | [`circuit`] | the circuit breaker of each endpoint: a pure state machine behind a gate |
//! | [`routing`] | the route table, the trait that a strategy fulfils, and the selector that holds it to the rules |
//! | [`plugin`] | components: checked, compiled, tried out, seated, swapped, taken back; the only place that names wasmtime |
//! | [`scaling`] | the number of a cluster's nodes, held by drivers: processes, containers |
//! | [`proxy`] | the data path: listeners, connection pools, forwarding, errors as answers |
//! | [`sql`] | one entry over many databases: parse, route, plan, fan out, merge; its backends |
//! | [`observe`] | metrics and logs: reads, never decides |
//! | [`admin`] | the admin API over the snapshots and commands of the others |
//! | [`orchestrate`] | the control plane: checks the backends of a registry in Redis, and takes registrations |
//! | [`demo`] | the demo nodes |
//! | [`app`], [`cli`] | the composition root and the command line: the only ones that know everyone |
//!
//! # Threads
//!
//! A *worker* is a thread with a runtime of its own: its own sockets (`SO_REUSEPORT`), its own connections to endpoints,
//! its own instance of each cluster's strategy. A request is accepted, routed and forwarded on one worker, takes no lock
//! and crosses no core. Everything else (following files, compiling plugins, the admin API) runs on a small *control*
//! runtime beside them.
//!
//! # How a request finds its endpoint
//!
//! `proxy` reads the head of the request and asks the listener's [`routing::RouteTable`] for the cluster. The cluster's
//! [`routing::Selector`] on this worker asks the strategy that is seated there, a [`plugin::StrategyInstance`] most often,
//! and checks the answer: only a candidate that was not tried yet passes. Where the strategy traps, stalls or lies, the
//! selector drops it and answers by its own round robin; the [`plugin::Supervisor`] hears of it and seats another
//! instance after a while, or the version before when that one keeps failing.
//!
//! # How a statement finds its databases
//!
//! A route may lead to a [`sql`] entry in place of a cluster. The worker collects the request's body and hands it to the
//! control runtime, where the statement is parsed, routed by the keys that its predicates leave, and planned: a text for
//! each node, cut from the client's own, and a final stage. The host concatenates and merges rows and never evaluates an
//! expression; that is left to the nodes, and to an engine of their dialect that is given their rows. The answer goes back
//! to the worker piece by piece, as fast as the client takes it.
//!
//! # How an endpoint is found
//!
//! The file names endpoints, and a [`discovery::Source`] tells of others: containers, a registry in Redis, names in the DNS,
//! or the nodes that a [`scaling::Scaler`] keeps up. The [`discovery::Directory`] follows all of them, keeps the last good
//! set of one that lost sight, and publishes one [`model::Catalog`]. Each cluster takes its part of it over at once: who is
//! new joins, who is named no more finishes what it has.
//!
//! # How an endpoint goes and comes back
//!
//! A [`health::Keeper`] looks after each cluster from the control runtime: it checks the endpoints, sums up what the
//! workers counted, has the cluster's [`health::Panel`] of policies judge, and gives the verdicts to the
//! [`cluster::LiveCluster`], whose roster then says who may be chosen. Between two of its rounds the workers act by
//! themselves: each attempt passes the endpoint's [`circuit::Gate`], one that fails is made again elsewhere, and what it
//! came to is counted. Every change is told as a [`model::Event`], which [`observe::EventLog`] keeps.
//!
//! # How a request is seen
//!
//! A request that is traced, or is to have a line in the access log, carries a record from its head to the end of its
//! answer's body; any other carries nothing. [`proxy`] and [`sql`] tell the record and its [`model::Trace`] what they do, as
//! plain values. Where these go is [`observe`]'s: spans wait in a bounded queue for a task of the control runtime, lines in
//! memory of each worker for a thread of their own. Nobody who serves waits for either: what does not fit is dropped and
//! counted.
//!
//! # How a change is made
//!
//! Whatever changes (the file, a plugin, an operator's command), all that can fail is built first, beside what serves.
//! Then each worker is sent the new part as a message that it takes between two requests: [`proxy::WorldUpdate`] for
//! listeners, routes and clusters; [`routing::SeatCommand`] for a strategy. A new plugin version is seated on all workers
//! or on none: each keeps the old one aside until all have answered.

pub mod admin;
pub mod app;
pub mod circuit;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod demo;
pub mod discovery;
pub mod health;
pub mod model;
pub mod observe;
pub mod orchestrate;
pub mod plugin;
pub mod proxy;
pub mod routing;
pub mod scaling;
pub mod sql;
