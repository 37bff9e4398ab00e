//! The worker pool: nodes that keep common statistics, alone and as `[pool]` starts them.

mod node;
mod pool;
