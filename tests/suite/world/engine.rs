//! A Docker Engine of the test's own: a private `dockerd` with its socket, its data and its networks, beside whatever
//! else runs on this machine. Needs root, `dockerd` and `docker` (Debian: `docker.io`); a test that has them not fails.
//!
//! Engines that run at the same time differ by number. Whoever holds a number owns a folder, a range of addresses and
//! all processes that name that folder, and clears away what an earlier holder that was killed may have left.

use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// How many engines there may be at once: each has 16 networks of 10.232.0.0/16.
const ENGINES: u8 = 16;
/// How long a daemon may take until it answers; it takes a second, and more where everything is tested at once.
const PATIENCE: Duration = Duration::from_secs(60);
/// The image that [`Engine::with_busybox`] makes.
pub(crate) const BUSYBOX: &str = "busybox";
/// The network that each engine has from the beginning.
pub(crate) const NETWORK: &str = "leverframe";

/// A private Docker Engine. Everything in it ends with it.
pub(crate) struct Engine {
    claim: Claim,
    daemon: Option<Child>,
}

impl Engine {
    /// Starts one that has no image and one network, [`NETWORK`].
    pub(crate) async fn start() -> Self {
        assert!(rustix::process::geteuid().is_root(), "a private Docker Engine needs root");
        let claim = Claim::take();
        claim.clear();
        fs::create_dir_all(claim.folder()).expect("a folder for the engine");
        let mut engine = Self { claim, daemon: None };
        engine.resume().await;
        engine.docker(&["network", "create", NETWORK]).await;
        engine
    }

    /// Starts one that also has the image [`BUSYBOX`]: a shell and what goes with it (Debian: `busybox-static`).
    pub(crate) async fn with_busybox() -> Self {
        let engine = Self::start().await;
        let root = engine.folder().join("busybox");
        fs::create_dir_all(root.join("bin")).expect("a folder for the image");
        fs::copy("/bin/busybox", root.join("bin/busybox")).expect("busybox-static is installed");
        for name in ["sh", "sleep", "httpd", "wget", "nslookup", "hostname"] {
            std::os::unix::fs::symlink("busybox", root.join("bin").join(name)).expect("a link");
        }
        let root = root.to_str().expect("a path in UTF-8");
        engine.run("sh", &["-c", &format!("tar -C {root} -c . | docker import - {BUSYBOX}")]).await;
        engine
    }

    /// Runs `docker` against it and returns what it prints, without the space around it. It must succeed.
    pub(crate) async fn docker(&self, args: &[&str]) -> String {
        self.run("docker", args).await
    }

    /// Runs a program that finds the engine by `DOCKER_HOST`, such as `docker-compose`, as [`Self::docker`] does.
    pub(crate) async fn run(&self, program: &str, args: &[&str]) -> String {
        let mut command = self.command(program);
        command.args(args);
        let ran = tokio::task::spawn_blocking(move || command.output()).await.expect("it does not panic");
        let output = ran.unwrap_or_else(|error| panic!("{program} does not start: {error}"));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {args:?}: {}\n{errors}", output.status);
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// A program that finds the engine by `DOCKER_HOST`.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("DOCKER_HOST", self.host()).env("DOCKER_CONFIG", self.folder().join("client"));
        command.stdin(Stdio::null());
        command
    }

    /// Where it listens, as `DOCKER_HOST` and the configuration name it.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder().join("docker.sock")
    }

    /// A folder that goes when the engine goes.
    pub(crate) fn folder(&self) -> &Path {
        self.claim.folder()
    }

    /// Stops the daemon and starts it again. Its containers go on meanwhile.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.resume().await;
    }

    /// Stops the daemon; its containers go on.
    pub(crate) async fn stop(&mut self) {
        let Some(mut daemon) = self.daemon.take() else { return };
        // One that has ended by itself cannot be told, which is as well.
        let _ = kill_process(Pid::from_child(&daemon), Signal::TERM);
        let ended = tokio::task::spawn_blocking(move || daemon.wait()).await.expect("it does not panic");
        ended.expect("the daemon ends");
    }

    /// Starts the daemon again after [`Self::stop`].
    pub(crate) async fn resume(&mut self) {
        let folder = self.folder();
        let log = fs::File::create(folder.join("log")).expect("a log file");
        let mut command = Command::new("dockerd");
        command.args(["--host", &self.host(), "--bridge", "none", "--iptables=false", "--live-restore"]);
        command.arg("--data-root").arg(folder.join("data")).arg("--exec-root").arg(folder.join("exec"));
        command.arg("--pidfile").arg(folder.join("pid"));
        command.args(["--default-address-pool", &format!("base={}.0/20,size=24", self.claim.addresses(0))]);
        // Debian keeps it where only root's PATH looks.
        command.env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.daemon = Some(command.spawn().expect("dockerd starts; Debian has it in docker.io"));
        if tokio::time::timeout(PATIENCE, self.answers()).await.is_err() {
            let log = fs::read_to_string(self.folder().join("log")).unwrap_or_default();
            panic!("dockerd does not answer:\n{log}");
        }
    }

    async fn answers(&self) {
        let asked = || {
            let mut command = self.command("docker");
            command.arg("version").stdout(Stdio::null()).stderr(Stdio::null());
            tokio::task::spawn_blocking(move || command.status().is_ok_and(|status| status.success()))
        };
        while !asked().await.expect("it does not panic") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The engine's own way first: it also takes away what containers have in the kernel, their control groups.
        let mut tidy = self.command("sh");
        tidy.args(["-c", "docker ps -aq | xargs -r docker rm -f"]).stdout(Stdio::null()).stderr(Stdio::null());
        if self.daemon.is_some() {
            let _ = tidy.status();
        }
        self.claim.clear();
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.wait();
        }
    }
}

/// The number of an engine, held as an abstract socket: the kernel gives it back whatever becomes of this process.
struct Claim {
    number: u8,
    folder: PathBuf,
    _held: UnixListener,
}

impl Claim {
    fn take() -> Self {
        let claimed = (0..ENGINES).find_map(|number| {
            let name = SocketAddr::from_abstract_name(format!("leverframe-engine-{number}")).expect("a short name");
            Some((number, UnixListener::bind_addr(&name).ok()?))
        });
        let (number, held) = claimed.expect("a free number for an engine");
        let folder = std::env::temp_dir().join(format!("leverframe-engine-{number}"));
        Self { number, folder, _held: held }
    }

    fn folder(&self) -> &Path {
        &self.folder
    }

    /// The first three bytes of one of its 16 networks.
    fn addresses(&self, network: u8) -> String {
        format!("10.232.{}", self.number * (u8::MAX / ENGINES + 1) + network)
    }

    /// Ends all that this number stands for: processes, mounts, bridges, the folder.
    fn clear(&self) {
        for pid in self.processes() {
            let _ = kill_process(pid, Signal::KILL);
        }
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        // The last mounted first, since it may be inside another.
        for mount in mounts.lines().rev().filter_map(|line| line.split(' ').nth(1)) {
            if Path::new(mount).starts_with(&self.folder) {
                let _ = Command::new("umount").args(["--lazy", mount]).status();
            }
        }
        for bridge in self.bridges() {
            let _ = Command::new("ip").args(["link", "delete", &bridge]).status();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }

    /// The daemon, its containerd and its shims name the folder in their arguments; a container's first process is the
    /// child of a shim.
    fn processes(&self) -> Vec<Pid> {
        let numbers: Vec<i32> = fs::read_dir("/proc")
            .expect("/proc")
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        let folder = self.folder.to_string_lossy();
        let names_folder = |pid: &i32| {
            let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let program = String::from_utf8_lossy(&arguments).into_owned();
            let is_engine = ["dockerd", "containerd", "docker-proxy"].iter().any(|name| program.contains(name));
            is_engine && program.split(['\0', '=']).any(|text| text.contains(&format!("{folder}/")))
        };
        let engine: Vec<i32> = numbers.iter().copied().filter(names_folder).collect();
        let of_engine = |pid: &i32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            // `pid (name) state parent`; the name may contain anything.
            let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok());
            parent.is_some_and(|parent: i32| engine.contains(&parent))
        };
        let children = numbers.iter().copied().filter(of_engine);
        engine.iter().copied().chain(children).filter_map(Pid::from_raw).collect()
    }

    fn bridges(&self) -> Vec<String> {
        let listed = Command::new("ip").args(["-oneline", "-4", "address"]).output().map(|output| output.stdout);
        let listed = String::from_utf8_lossy(&listed.unwrap_or_default()).into_owned();
        // `5: br-0123456789ab    inet 10.232.16.1/24 brd ...`
        let ours = |address: &str| (0..16).any(|network| address.starts_with(&format!("{}.", self.addresses(network))));
        let bridge = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            (words.get(3).is_some_and(|address| ours(address))).then(|| words[1].to_owned())
        };
        listed.lines().filter_map(bridge).collect()
    }
}
