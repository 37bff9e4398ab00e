//! What the SQL entry does when its databases fail: three PostgreSQL servers, each a process of its own, are killed,
//! stopped, locked and altered under it. Whatever happens, a client gets a right answer, an error that names the node, or
//! what it allowed; in time, and at the expense of nobody who comes after it.

mod caps;
mod down;
mod gone;
mod midstream;
mod scene;
mod schema;
mod slow;
mod writes;
