//! Every node holds everything: what writes are logged as, and that nodes stay equal.

mod determine;
mod entry;
mod matrix;
mod reads;
mod repair;
mod scenario;
mod scene;
mod second;
