//! What the environment says over the file: read once, by the caller, and passed on as a value. A mistake in it names the
//! variable.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::sql::Secret;

/// Names the configuration file.
pub const CONFIG_VARIABLE: &str = "LEVERFRAME_CONFIG";
/// The address of the first listener.
pub const ADDRESS_VARIABLE: &str = "LEVERFRAME_ADDRESS";
/// The address of the admin API.
pub const ADMIN_ADDRESS_VARIABLE: &str = "LEVERFRAME_ADMIN_ADDRESS";
/// The token of the admin API that lets one command; goes before the file's.
pub const ADMIN_TOKEN_VARIABLE: &str = "LEVERFRAME_ADMIN_TOKEN";
/// The token of the admin API that lets one read; goes before the file's.
pub const ADMIN_READ_TOKEN_VARIABLE: &str = "LEVERFRAME_ADMIN_READ_TOKEN";
/// The plugin folder; relative to the working folder.
pub const PLUGINS_VARIABLE: &str = "LEVERFRAME_PLUGINS";
/// How many data-path threads run.
pub const WORKERS_VARIABLE: &str = "LEVERFRAME_WORKERS";

/// The folder for what must outlast the process; relative to the working folder.
pub const STATE_VARIABLE: &str = "LEVERFRAME_STATE";
/// The port of the first listener, whose IP address the file says; [`ADDRESS_VARIABLE`] goes first.
pub const PORT_VARIABLE: &str = "PORT";
/// `true` makes every cluster that says nothing of its endpoints follow Docker; `false` makes no cluster follow it.
pub const DOCKER_DISCOVERY_VARIABLE: &str = "DOCKER_DISCOVERY";
/// The label of the containers that are followed.
pub const BACKEND_LABEL_VARIABLE: &str = "BACKEND_LABEL";
/// The network of the containers that are followed.
pub const BACKEND_NETWORK_VARIABLE: &str = "BACKEND_NETWORK";
/// The Docker Engine where the file names none.
pub const DOCKER_HOST_VARIABLE: &str = "DOCKER_HOST";
/// The Redis where the file names none.
pub const REDIS_URL_VARIABLE: &str = "REDIS_URL";

/// How many records are divided by every SQL entry whose topology is `split`.
pub const TOTAL_RECORDS_VARIABLE: &str = "TOTAL_RECORDS";
/// What stands before and after the name of a SQL entry in the variable of its password: `LEVERFRAME_SQL_ORDERS_PASSWORD`.
const SQL_PASSWORD_VARIABLE: (&str, &str) = ("LEVERFRAME_SQL_", "_PASSWORD");

/// The configuration file when none is named.
pub const DEFAULT_FILE: &str = "leverframe.toml";

/// What goes before the file. Unchecked; the default overrides nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// [`ADDRESS_VARIABLE`].
    pub address: Option<String>,
    /// [`ADMIN_ADDRESS_VARIABLE`].
    pub admin_address: Option<String>,
    /// [`ADMIN_TOKEN_VARIABLE`].
    pub admin_token: Option<Secret>,
    /// [`ADMIN_READ_TOKEN_VARIABLE`].
    pub admin_read_token: Option<Secret>,
    /// [`PLUGINS_VARIABLE`].
    pub plugins: Option<PathBuf>,
    /// [`WORKERS_VARIABLE`].
    pub workers: Option<String>,
    /// [`STATE_VARIABLE`].
    pub state: Option<PathBuf>,
    /// [`PORT_VARIABLE`].
    pub port: Option<String>,
    /// [`DOCKER_DISCOVERY_VARIABLE`].
    pub docker_discovery: Option<String>,
    /// [`BACKEND_LABEL_VARIABLE`].
    pub backend_label: Option<String>,
    /// [`BACKEND_NETWORK_VARIABLE`].
    pub backend_network: Option<String>,
    /// [`DOCKER_HOST_VARIABLE`].
    pub docker_host: Option<String>,
    /// [`REDIS_URL_VARIABLE`].
    pub redis_url: Option<String>,
    /// [`TOTAL_RECORDS_VARIABLE`].
    pub total_records: Option<String>,
    /// The passwords of SQL entries, by the names of their variables.
    pub sql_passwords: BTreeMap<String, Secret>,
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
            admin_token: text(ADMIN_TOKEN_VARIABLE).map(Secret::new),
            admin_read_token: text(ADMIN_READ_TOKEN_VARIABLE).map(Secret::new),
            plugins: read(PLUGINS_VARIABLE).map(PathBuf::from),
            workers: text(WORKERS_VARIABLE),
            state: read(STATE_VARIABLE).map(PathBuf::from),
            port: text(PORT_VARIABLE),
            docker_discovery: text(DOCKER_DISCOVERY_VARIABLE),
            backend_label: text(BACKEND_LABEL_VARIABLE),
            backend_network: text(BACKEND_NETWORK_VARIABLE),
            docker_host: text(DOCKER_HOST_VARIABLE),
            redis_url: text(REDIS_URL_VARIABLE),
            total_records: text(TOTAL_RECORDS_VARIABLE),
            sql_passwords: BTreeMap::new(),
            cache: caches.as_deref().map(|caches| caches.join(Path::new("leverframe"))),
        }
    }

    /// Takes the passwords of SQL entries, too: the names of their variables are not known before the file is, so all
    /// variables are looked through (`std::env::vars_os()` in the program).
    #[must_use]
    pub fn with_passwords(mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let (before, after) = SQL_PASSWORD_VARIABLE;
        let of_entry = |name: &str| name.starts_with(before) && name.ends_with(after);
        let passwords = variables.into_iter().filter_map(|(name, value)| {
            let name = name.into_string().ok().filter(|name| of_entry(name))?;
            // One that is no UTF-8 is kept as near as it can be: the server then refuses it.
            Some((name, value.to_string_lossy().into_owned()))
        });
        self.sql_passwords
            .extend(passwords.filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name, Secret::new(value))));
        self
    }
}

/// The variable of a SQL entry's password: in upper case, with `_` for what a variable's name does not hold.
pub(super) fn sql_password_variable(entry: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = entry.chars().map(fits).collect();
    let (before, after) = SQL_PASSWORD_VARIABLE;
    format!("{before}{name}{after}")
}
