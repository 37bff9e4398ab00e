//! What the console reads: its files, the stream of all that goes on, the history. (What it is told of statements is with the
//! SQL entry, and of nodes that are filled with the replicated databases.)

mod files;
mod stream;
