//! Tests of the whole folder: the reconciler against a world that goes wrong at random, and the scaler with a driver and
//! checks that do as they are told, under a clock that is stopped and moved.

mod laws;
mod process;
mod whole;
mod world;
