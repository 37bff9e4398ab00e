//! The command line: what a person types, turned into calls of the library. Only here is anything printed.

mod ask;
mod check;
mod demo;
mod node;
mod orchestrate;
mod plugin_check;
mod plugin_new;
mod run;
mod status;
mod top;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::Resettable;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::config::{CONFIG_VARIABLE, DEFAULT_FILE, Overrides};
use crate::observe::{LogFormat, start_logs};
use crate::plugin::World;

pub use plugin_new::{Created, NewPluginError, create as create_plugin};

/// A programmable HTTP and SQL load balancer: WebAssembly components decide, the host guarantees.
#[derive(Debug, Parser)]
#[command(version, about, propagate_version = true, arg_required_else_help = true)]
struct Arguments {
    /// How the log is written to standard error.
    #[arg(long, global = true, value_enum, default_value = "text", env = "LEVERFRAME_LOG_FORMAT")]
    log_format: LogFormat,
    /// What is logged: error, warn, info, debug, trace, or a list of `module=level`.
    #[arg(long, global = true, default_value = "info", env = "LEVERFRAME_LOG")]
    log: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve what a configuration file says, and follow its edits.
    Run {
        #[command(flatten)]
        file: ConfigFile,
        /// Take the ports over from the Leverframe that has them, so that no client is refused; then end that one.
        #[arg(long)]
        take_over: bool,
    },
    /// Check a configuration file, the plugins that it uses, and whether its endpoints can be reached. Serves nothing.
    Check(ConfigFile),
    /// Serve five demo nodes on this machine, with nothing else installed.
    Demo,
    /// Serve one demo node: an origin to try things with. `POST /fault?kind=slow` and the like make it fail.
    Node(node::Options),
    /// Look after the backends registered in a Redis, which Leverframes follow: check them, and take registrations.
    Orchestrate(orchestrate::Options),
    /// Tell how a running Leverframe is: 0 when all is well, 1 when it cannot be asked, 3 when something is not well.
    Status(status::Options),
    /// Watch a Leverframe that runs, in the terminal: traffic, endpoints, plugins, SQL, events.
    Top(top::Options),
    /// Make or check a plugin.
    #[command(subcommand)]
    Plugin(PluginCommand),
}

#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// The configuration file.
    #[arg(long, short, value_name = "FILE", default_value = DEFAULT_FILE, env = CONFIG_VARIABLE)]
    config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum PluginCommand {
    /// Make a crate for a routing strategy or a health policy of your own, in a new folder here.
    New {
        /// The plugin's name: letters, digits and hyphens.
        name: String,
        /// A health policy and not a routing strategy.
        #[arg(long)]
        policy: bool,
    },
    /// Check a component: its world, imports and size, one dry run, and what a decision costs.
    Check {
        /// The `.wasm` file.
        file: PathBuf,
        /// Its configuration, as a JSON object.
        #[arg(long, value_name = "JSON", default_value = "{}")]
        config: String,
    },
}

/// Runs what was typed.
pub fn main() -> ExitCode {
    let arguments = typed();
    let done = match arguments.command {
        Command::Plugin(PluginCommand::New { name, policy }) => {
            plugin_new::run(&name, if policy { World::HealthPolicy } else { World::RoutingStrategy })
        }
        Command::Plugin(PluginCommand::Check { file, config }) => plugin_check::run(&file, &config),
        Command::Status(options) => return status::main(&options),
        // Without a log: the screen is the terminal's.
        Command::Top(options) => top::run(&options),
        serving => {
            // Before it is said why it ends, the log has said all.
            start_logs(arguments.log_format, &arguments.log)
                .map_err(anyhow::Error::from)
                .and_then(|_logs| serve(serving))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// What was typed, and what the environment says beside it. Says what is wrong with it, and ends.
fn typed() -> Arguments {
    let command = without_empty(Arguments::command(), &|name| std::env::var_os(name));
    Arguments::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
}

/// A variable that is empty counts as not set, here as for what goes before the file.
fn without_empty(command: clap::Command, read: &dyn Fn(&OsStr) -> Option<OsString>) -> clap::Command {
    let set = |argument: clap::Arg| {
        let is_empty = argument.get_env().and_then(read).is_some_and(|value| value.is_empty());
        if is_empty { argument.env(Resettable::Reset) } else { argument }
    };
    command.mut_args(set).mut_subcommands(|command| without_empty(command, read))
}

fn serve(command: Command) -> anyhow::Result<()> {
    let overrides = Overrides::from_environment(|name| std::env::var_os(name)).with_passwords(std::env::vars_os());
    control_runtime()?.block_on(async {
        match command {
            Command::Run { file, take_over } => run::run(file.config, take_over, overrides).await,
            Command::Check(file) => check::run(&file.config, &overrides).await,
            Command::Demo => demo::run(overrides).await,
            Command::Node(options) => node::run(options).await,
            Command::Orchestrate(options) => orchestrate::run(options).await,
            Command::Plugin(_) | Command::Status(_) | Command::Top(_) => Ok(()),
        }
    })
}

/// The runtime of everything but the data path. Two threads: one to stay responsive while the other is busy.
fn control_runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("control").enable_all().build()
}

#[allow(clippy::print_stdout, reason = "the answer to a command")]
fn say(text: &str) {
    println!("{text}");
}

#[allow(clippy::print_stderr, reason = "why a command failed")]
fn complain(text: &str) {
    eprintln!("leverframe: {text}");
}
