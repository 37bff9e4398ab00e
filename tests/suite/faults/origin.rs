//! An origin as a process of its own, which can be killed, stopped, and told to fail.

use std::net::SocketAddr;
use std::process::Command;

use http::Method;

use crate::programs::{Program, leverframe};
use crate::world::{eventually, send};

/// A demo node in its own process.
pub(super) struct Origin {
    name: String,
    address: SocketAddr,
    program: Option<Program>,
}

impl Origin {
    /// Starts it on a free port.
    pub(super) async fn start(name: &str) -> Self {
        let mut origin = Self { name: name.to_owned(), address: SocketAddr::from(([127, 0, 0, 1], 0)), program: None };
        origin.run().await;
        origin
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the process as `kill -9` does.
    pub(super) fn kill(&mut self) {
        self.program = None;
    }

    /// Runs it again, where it was.
    pub(super) async fn run(&mut self) {
        let mut command = leverframe();
        command.args(["node", "--name", &self.name, "--address", &self.address.to_string()]);
        let mut program = Program::start(&mut command);
        let listens = |output: &str| output.split_once("listening on ")?.1.lines().next()?.parse().ok();
        self.address = program.says("where it listens", listens).await;
        self.program = Some(program);
    }

    /// Sends it a signal by its name.
    pub(super) fn signal(&self, signal: &str) {
        let id = self.program.as_ref().expect("it runs").id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &id]).status().expect("kill starts");
        assert!(sent.success(), "kill -s {signal} {id}");
    }

    /// Has it fail in some way.
    pub(super) async fn fail(&self, fault: &str) {
        let reply = send(self.address, Method::POST, &format!("/fault?kind={fault}"), "").await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }

    /// Waits until it takes connections.
    pub(super) async fn is_up(&self) {
        let look = || async { tokio::net::TcpStream::connect(self.address).await.ok() };
        eventually("the origin takes connections", look).await;
    }
}
