//! What the environment says over the file: read once, by the caller, and passed on as a value. A mistake in it names the
//! variable.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Names the configuration file.
pub const CONFIG_VARIABLE: &str = "LEVERFRAME_CONFIG";
/// The address of the first listener.
pub const ADDRESS_VARIABLE: &str = "LEVERFRAME_ADDRESS";
/// The address of the admin API.
pub const ADMIN_ADDRESS_VARIABLE: &str = "LEVERFRAME_ADMIN_ADDRESS";
/// The plugin folder; relative to the working folder.
pub const PLUGINS_VARIABLE: &str = "LEVERFRAME_PLUGINS";
/// How many data-path threads run.
pub const WORKERS_VARIABLE: &str = "LEVERFRAME_WORKERS";

/// The configuration file when none is named.
pub const DEFAULT_FILE: &str = "leverframe.toml";

/// What goes before the file. Unchecked; the default overrides nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// [`ADDRESS_VARIABLE`].
    pub address: Option<String>,
    /// [`ADMIN_ADDRESS_VARIABLE`].
    pub admin_address: Option<String>,
    /// [`PLUGINS_VARIABLE`].
    pub plugins: Option<PathBuf>,
    /// [`WORKERS_VARIABLE`].
    pub workers: Option<String>,
    /// Where compiled plugins are kept unless the file says otherwise; none keeps nothing.
    pub cache: Option<PathBuf>,
}

impl Overrides {
    /// Takes them from the environment, which `read` looks a variable up in (`std::env::var_os` in the program). A
    /// variable that is empty counts as not set, as in a compose file that passes on what it was not given.
    pub fn from_environment(read: impl Fn(&str) -> Option<OsString>) -> Self {
        let read = |name: &str| read(name).filter(|value| !value.is_empty());
        let text = |name: &str| read(name).map(|value| value.to_string_lossy().into_owned());
        // The XDG rules: a path that is not absolute is to be ignored.
        let absolute = |name: &str| read(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let caches = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
        Self {
            address: text(ADDRESS_VARIABLE),
            admin_address: text(ADMIN_ADDRESS_VARIABLE),
            plugins: read(PLUGINS_VARIABLE).map(PathBuf::from),
            workers: text(WORKERS_VARIABLE),
            cache: caches.as_deref().map(|caches| caches.join(Path::new("leverframe"))),
        }
    }
}
