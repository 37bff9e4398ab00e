//! What an operator types beside the README: every file in `config/` serves as it says, and each command answers, for
//! what is sound and for what is not.

mod commands;
mod files;
