//! The terminal of a reader: a working folder, the demo in the background once it is started, and servers where the
//! README's configuration has its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use leverframe::demo::Node;
use leverframe::model::EndpointName;

use super::root;
use crate::programs::{Program, leverframe};
use crate::top::Pane;
use crate::world::{Redis, eventually, fetch};

/// How the README calls the program, and where it runs.
const PROGRAM: &str = "cargo run --release -- ";
const PROXY: &str = "127.0.0.1:8080";
const ADMIN: &str = "127.0.0.1:9900";

/// What may stand at the beginning of a line that is typed as it is.
const PLAIN: [&str; 6] = ["cargo build ", "cargo test", "cp ", "curl ", "for i in $(seq ", "rm plugins/"];

/// What needs a Docker Engine: `containers` does it, on an engine of its own. Here it is only seen to that the compose file
/// says the same, that Compose can read that file, and that the builder is there.
const WITH_DOCKER: [&str; 3] = ["config/container/build", "export DOCKER_GID=", "docker-compose up "];

/// What shows a scenario, with the program that is tested: word for word.
const WALKS: [&str; 2] = ["tests/walkthrough", "tests/replicated"];

/// Where the README has its orchestrator, and the example that scales.
const ORCHESTRATOR: &str = "127.0.0.1:9901";
const SCALED: &str = "127.0.0.1:5000";

/// The working folder: empty at the start. Always the same one, since cargo knows what it has built by its path.
const FOLDER: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/readme/folder");
/// Where the new crate is built: kept between runs, so that its dependencies are compiled once.
const CRATE_TARGET: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/readme/target");

pub(super) struct Scene {
    folder: PathBuf,
    /// Where the reader is, by `cd`.
    at: PathBuf,
    demo: Option<Demo>,
    servers: Vec<Node>,
    /// What runs besides the demo, and the Redis that it needs.
    beside: Vec<Program>,
    redis: Option<Redis>,
    /// Where the README has something, and where it is.
    moved: Vec<(&'static str, SocketAddr)>,
    output: String,
}

struct Demo {
    program: Program,
    proxy: SocketAddr,
    admin: SocketAddr,
    /// The commands that it told its user to try.
    told: Vec<String>,
}

impl Scene {
    pub(super) fn new() -> Self {
        let folder = PathBuf::from(FOLDER);
        if folder.exists() {
            std::fs::remove_dir_all(&folder).expect("what an earlier run left");
        }
        // A clone has it: the folder of the strategies that come with it.
        std::fs::create_dir_all(folder.join("plugins")).expect("a folder");
        let at = folder.clone();
        let (servers, beside, moved) = (Vec::new(), Vec::new(), Vec::new());
        Self { folder, at, demo: None, servers, beside, redis: None, moved, output: String::new() }
    }

    /// Runs one line.
    pub(super) async fn type_in(&mut self, line: &str, place: &str) {
        let start = Instant::now();
        let program = line.strip_prefix(PROGRAM).or_else(|| line.strip_prefix("leverframe "));
        match (line, program) {
            (_, Some("demo")) => self.demo = Some(Demo::start(&self.folder).await),
            (_, Some(arguments)) if arguments.starts_with("orchestrate ") => self.orchestrate(arguments).await,
            (_, Some("run --config config/consistent-hash.toml")) => self.scale().await,
            (_, Some(arguments)) if arguments.starts_with("run ") => self.serve(arguments, place).await,
            (_, Some(arguments)) if arguments.starts_with("status") => {
                let admin = self.demo.as_ref().expect("the README starts the demo").admin.to_string();
                self.run(leverframe().args(arguments.split(' ')).args(["--address", &admin]), line, place);
            }
            (_, Some("top")) => self.watch().await,
            (_, Some(arguments)) => self.run(leverframe().args(arguments.split(' ')), line, place),
            ("tests/run" | "tests/distribution" | "tests/screenshots/run", _) => {
                let help = format!("{line} --help");
                self.run(Command::new("bash").args(["-c", &help]).current_dir(root()), line, place)
            }
            (line, _) if WITH_DOCKER.iter().any(|known| line.starts_with(known)) => self.read_compose(line, place),
            (line, _) if line.split(' ').next().is_some_and(|program| WALKS.contains(&program)) => {
                let mut command = clean("bash");
                command.args(["-c", line]).current_dir(root()).env("LEVERFRAME", env!("CARGO_BIN_EXE_leverframe"));
                self.run(&mut command, line, place);
            }
            (line, _) if line.starts_with("tests/bench/consoles ") => self.measure_consoles(line, place),
            (line, _) if line.starts_with("tests/bench/") => self.measure_requests(line, place),
            (line, _) if line.starts_with("cargo bench ") => self.measure_picks(line, place),
            (line, _) => match line.strip_prefix("cd ") {
                Some(to) => {
                    self.at = self.at.join(to).canonicalize().unwrap_or_else(|error| panic!("{place}: {to}: {error}"))
                }
                None => self.shell(line, place),
            },
        }
        if line.starts_with(PROGRAM) && line.contains("plugin new ") {
            self.keep_target(line.rsplit(' ').next().expect("a name"));
        }
        println!("{place}: {line}: {:.1?}", start.elapsed());
    }

    /// Saves a configuration of the README as it says, `leverframe.toml`, with servers that are there, and has it checked.
    pub(super) async fn save(&mut self, toml: &str, place: &str) {
        leverframe::config::parse(toml, Path::new("leverframe.toml"), &leverframe::config::Overrides::default())
            .unwrap_or_else(|errors| panic!("{place}: {errors}"));
        // Between quotes, every other part is a string.
        let mut parts: Vec<String> = toml.split('"').map(str::to_owned).collect();
        let mut found = 0;
        for part in parts.iter_mut().skip(1).step_by(2).filter(|part| part.starts_with("10.")) {
            let name = EndpointName::new(&format!("server-{}", self.servers.len())).expect("a name");
            let server = Node::start(SocketAddr::from(([127, 0, 0, 1], 0)), name).await.expect("a free port");
            *part = server.address().to_string();
            self.servers.push(server);
            found += 1;
        }
        if toml.contains(".discovery.") || toml.contains("[sql.") {
            // Whom it follows or asks is not there; `discovery` and `sql` have them.
            return;
        }
        assert!(found > 0, "{place}: no endpoint in 10.0.0.0/8 in this configuration");
        std::fs::write(self.folder.join("leverframe.toml"), parts.join("\"")).expect("a file");
        self.run(leverframe().arg("check"), "leverframe check", place);
    }

    /// The six commands that the demo prints, typed as they are.
    pub(super) async fn try_what_the_demo_says(&mut self) {
        let told = self.demo.as_ref().expect("the README starts the demo").told.clone();
        assert_eq!(told.len(), 6, "{told:?}");
        for (nth, command) in told.iter().enumerate() {
            let place = format!("the demo's command {}", nth + 1);
            // A crate of that name is there by now.
            let command = command.replace("plugin new my-strategy", "plugin new my-other-strategy");
            let done = bash(&format!("set -eo pipefail; {command}"), &self.folder);
            self.output = succeeded(done, &command, &place);
            assert!(!self.output.is_empty(), "{place}: {command}: it says nothing");
        }
    }

    /// Ends the demo as Ctrl-C does.
    pub(super) async fn end(self) {
        let demo = self.demo.expect("the README starts the demo").program;
        for program in self.beside.into_iter().chain([demo]) {
            let (status, output) = program.end("INT").await;
            assert!(status.success(), "{status}:\n{output}");
        }
    }

    /// `leverframe orchestrate`, in the background, with a Redis of its own.
    async fn orchestrate(&mut self, arguments: &str) {
        let redis = self.redis.insert(Redis::start().await);
        let arguments = arguments.replace("redis://127.0.0.1:6379", &redis.url());
        let mut command = leverframe();
        command.args(arguments.split(' ')).args(["--address", "127.0.0.1:0"]).current_dir(&self.at);
        let mut program = Program::start(&mut command);
        let address = program.says("where it listens", |output| {
            let rest = output.split_once("orchestrator listening on ")?.1;
            rest.split_once('\n')?.0.trim().parse().ok()
        });
        self.moved.push((ORCHESTRATOR, address.await));
        self.beside.push(program);
    }

    /// `leverframe top`, in a terminal until it shows the demo's nodes.
    async fn watch(&self) {
        let admin = self.demo.as_ref().expect("the README starts the demo").admin.to_string();
        let pane = Pane::start(&["top", "--address", &admin], (80, 24));
        pane.shows("the demo's nodes", |screen| screen.contains("node-5").then_some(())).await;
        pane.press(&["q"]);
        pane.ended().await;
    }

    /// The example that scales, in the background, until its servers are there.
    async fn scale(&mut self) {
        let text = std::fs::read_to_string(root().join("config/consistent-hash.toml")).expect("the example");
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let text = text.replace(SCALED, &address.to_string()).replace("base_port = 9200\n", "\n");
        let file = self.folder.join("consistent-hash.toml");
        std::fs::write(&file, text + "\n[admin]\naddress = false\n").expect("a file");
        let program = Program::start(leverframe().args(["run", "--config"]).arg(&file));
        let serves = || async {
            let reached = tokio::net::TcpStream::connect(address).await.is_ok();
            (reached && fetch(address, "/home").await.status == 200).then_some(())
        };
        eventually("the servers answer", serves).await;
        self.moved.push((SCALED, address));
        self.beside.push(program);
    }

    /// `leverframe run`, in the background until it has answered.
    async fn serve(&mut self, arguments: &str, place: &str) {
        let mut command = leverframe();
        command.args(arguments.split(' ')).current_dir(&self.at);
        command.env("LEVERFRAME_ADDRESS", "127.0.0.1:0").env("LEVERFRAME_ADMIN_ADDRESS", "127.0.0.1:0");
        command.env("LEVERFRAME_LOG_FORMAT", "json");
        let mut program = Program::start(&mut command);
        let address = program.says("where it listens", |output| {
            let lines = output.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            lines.filter(|line| line["message"] == "listening").find_map(|line| line["address"].as_str()?.parse().ok())
        });
        let reply = fetch(address.await, "/").await;
        assert_eq!(reply.status, 200, "{place}: {}", reply.text());
        let (status, output) = program.end("TERM").await;
        assert!(status.success(), "{place}: {status}:\n{output}");
    }

    /// A line that is typed as it is, but for where the demo is.
    fn shell(&mut self, line: &str, place: &str) {
        let is_known = PLAIN.iter().any(|known| line.starts_with(known));
        assert!(is_known, "{place}: the test does not know how to run this; teach it: {line}");
        let here = match &self.demo {
            Some(demo) => line.replace(PROXY, &demo.proxy.to_string()).replace(ADMIN, &demo.admin.to_string()),
            None => line.to_owned(),
        };
        let here = self.moved.iter().fold(here, |line, (said, at)| line.replace(said, &at.to_string()));
        self.output = succeeded(bash(&format!("set -eo pipefail; {here}"), &self.at), line, place);
        if line.contains("curl") && !line.contains("-X DELETE") {
            assert!(!self.output.trim().is_empty(), "{place}: {line}: an empty answer");
        }
        if line.starts_with("for i in $(seq 20)") {
            // The strategy that was just dropped in decides, and not the host in its place.
            assert_eq!(self.output.matches("\"node\"").count(), 20, "{place}: {}", self.output);
        }
    }

    fn read_compose(&mut self, line: &str, place: &str) {
        let compose = std::fs::read_to_string(root().join("docker-compose.yml")).expect("the compose file");
        assert!(
            compose.lines().any(|said| said == format!("#   {line}")),
            "{place}: not in docker-compose.yml: {line}"
        );
        let check = "docker-compose config --quiet && config/container/build --help";
        self.run(clean("bash").args(["-c", check]).current_dir(root()), line, place);
    }

    fn run(&mut self, command: &mut Command, line: &str, place: &str) {
        if command.get_current_dir().is_none() {
            command.current_dir(&self.at);
        }
        let output = command.output().unwrap_or_else(|error| panic!("{place}: {line}: {error}"));
        self.output = succeeded(output, line, place);
    }

    fn measure_requests(&mut self, line: &str, place: &str) {
        let lengths = numbers(line);
        assert!(!lengths.is_empty(), "{place}: {line}: no number to make small");
        let mut command = clean("bash");
        let short = lengths.iter().fold(line.to_owned(), |line, number| line.replacen(&format!(" {number}"), " 1", 1));
        command.args(["-c", &short]).current_dir(root()).env("LEVERFRAME", env!("CARGO_BIN_EXE_leverframe"));
        self.run(&mut command, line, place);
        assert!(self.output.contains("times the CPU time of "), "{place}: {}", self.output);
    }

    /// With few endpoints: that it runs is the question here.
    fn measure_consoles(&mut self, line: &str, place: &str) {
        let short =
            numbers(line).iter().fold(line.to_owned(), |line, number| line.replacen(&format!(" {number}"), " 1", 1));
        let mut command = clean("bash");
        command.args(["-c", &format!("{short} --endpoints 20")]).current_dir(root());
        command.env("LEVERFRAME", env!("CARGO_BIN_EXE_leverframe"));
        self.run(&mut command, line, place);
        assert!(self.output.contains("longest task"), "{place}: {}", self.output);
    }

    /// Each bench runs once, and unoptimised if the suite is: that it runs is the question here.
    fn measure_picks(&mut self, line: &str, place: &str) {
        let profile = if cfg!(debug_assertions) { " --profile dev" } else { "" };
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder");
        let mut command = clean("bash");
        command.args(["-c", &format!("{line}{profile} -- --test")]).current_dir(root()).env("CARGO_TARGET_DIR", target);
        self.run(&mut command, line, place);
    }

    /// Has the new crate built where the dependencies are built already.
    fn keep_target(&self, name: &str) {
        let target = Path::new(CRATE_TARGET).join(name);
        std::fs::create_dir_all(&target).expect("a target folder");
        std::os::unix::fs::symlink(target, self.at.join(name).join("target")).expect("a link");
    }
}

impl Demo {
    async fn start(folder: &Path) -> Self {
        let mut command = leverframe();
        command.arg("demo").current_dir(folder);
        command.env("LEVERFRAME_ADDRESS", "127.0.0.1:0").env("LEVERFRAME_ADMIN_ADDRESS", "127.0.0.1:0");
        let mut program = Program::start(&mut command);
        let welcome = program.says("that it is up", |output| {
            output.contains("Edit ").then(|| output.split_once("Leverframe is up").map(|(_, said)| said.to_owned()))?
        });
        let welcome = welcome.await;
        let address = |after: &str| {
            let rest = welcome.split_once(after).unwrap_or_else(|| panic!("no `{after}` in: {welcome}")).1;
            let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':')).unwrap_or(rest.len());
            rest[..end].trim_end_matches('.').parse().unwrap_or_else(|error| panic!("{after}: {error}: {welcome}"))
        };
        let (proxy, admin) = (address("behind http://"), address("admin API on http://"));
        let told = welcome.lines().filter_map(|line| line.strip_prefix("     ")).map(str::to_owned).collect();
        Self { program, proxy, admin, told }
    }
}

/// The numbers among the words of a line.
fn numbers(line: &str) -> Vec<&str> {
    line.split(' ').filter(|word| word.parse::<u32>().is_ok()).collect()
}

fn bash(script: &str, at: &Path) -> std::process::Output {
    clean("bash").args(["-c", script]).current_dir(at).output().expect("bash starts")
}

/// A program without what `cargo test` has set: to a reader's cargo, none of it is there.
fn clean(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let set_by_cargo = ["CARGO", "RUSTUP_TOOLCHAIN", "RUSTC", "RUSTFLAGS", "RUSTDOC", "CLIPPY_", "LEVERFRAME"];
        let kept = ["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR", "CARGO_SOURCE_"];
        let begins_as = |beginnings: &[&str]| beginnings.iter().any(|beginning| text.starts_with(beginning));
        if begins_as(&set_by_cargo) && !begins_as(&kept) {
            command.env_remove(&name);
        }
    }
    command
}

/// What a command printed; one that failed fails the test.
fn succeeded(output: std::process::Output, line: &str, place: &str) -> String {
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{place}: {line}: {}\n{said}\n{complained}", output.status);
    said.into_owned()
}
