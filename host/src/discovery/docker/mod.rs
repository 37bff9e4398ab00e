//! Endpoints that are containers of a Docker Engine, found by a label.
//!
//! `engine` speaks with the Engine. `container` says what endpoint a container is, and `view` puts together what the
//! Engine lists with what its events say; both are pure. `DockerSource` is the shell around them: it lists, follows the
//! events, and lists again from time to time.
//!
//! Containers are only looked at here, never changed.

pub(crate) mod container;
pub(crate) mod engine;
mod source;
mod view;

pub(crate) use source::DockerSource;
