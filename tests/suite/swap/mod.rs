//! Guarantee 3: a change drops nothing. Versions of a plugin come and go with their files, strategies by command, and
//! configurations by an edit; what they know goes over, and what is bad leaves everything as it was and says why. An end drops
//! nothing either.

mod by_command;
mod by_edit;
mod by_file;
mod by_signal;
mod state;
