//! nginx as an origin: one process, one port, a folder of its own.

use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use tempfile::TempDir;

use crate::programs::Program;
use crate::world::eventually;

/// Other processes may take a port between its choice and its use.
const TRIES: usize = 10;

/// An nginx that answers every request with its name.
pub(super) struct Nginx {
    address: SocketAddr,
    _program: Program,
    _folder: TempDir,
}

impl Nginx {
    /// Starts it on a free port.
    pub(super) async fn start(name: &str) -> Self {
        for _ in 0..TRIES {
            if let Some(started) = Self::try_start(name).await {
                return started;
            }
        }
        panic!("nginx finds no free port in {TRIES} tries");
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// None when the port was taken by another process meanwhile.
    async fn try_start(name: &str) -> Option<Self> {
        let address = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
        let folder = tempfile::Builder::new().prefix("leverframe-nginx-").tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("nginx.conf"), config(name, address)).expect("a configuration");
        let mut command = Command::new("nginx");
        // Debian keeps servers where only root's PATH looks.
        command.env("PATH", format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default()));
        command.arg("-p").arg(folder.path()).args(["-e", "stderr", "-c", "nginx.conf"]);
        let mut program = Program::start(&mut command);
        let is_up = eventually("nginx listens", || {
            let connected = std::net::TcpStream::connect(address).is_ok();
            let ended = program.has_ended();
            let output = program.output();
            assert!(!ended || output.contains("Address already in use"), "nginx ended:\n{output}");
            std::future::ready((connected || ended).then_some(!ended))
        });
        is_up.await.then(|| Self { address, _program: program, _folder: folder })
    }
}

/// One process in the foreground, which a signal to it ends as a whole. Connections are kept for ever, so that none is
/// closed by the origin while a request is on its way.
fn config(name: &str, address: SocketAddr) -> String {
    format!(
        r#"daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    server {{
        listen {address};
        location / {{ default_type text/plain; return 200 "{name}\n"; }}
    }}
}}
"#
    )
}
