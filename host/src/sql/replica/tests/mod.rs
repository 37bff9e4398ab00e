//! The nodes' side of a replicated database, over nodes and a log that fail at every step.

mod ack;
mod board;
mod simulation;
mod state;
mod steps;
mod together;
mod world;
