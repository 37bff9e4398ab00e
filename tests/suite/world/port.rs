//! A port that stays a test's own while nobody listens there: nobody else is given it meanwhile, neither to listen nor to
//! connect from.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

const BACKLOG: i32 = 1024;

/// A port, held for as long as this lives.
pub(crate) struct Port(Socket);

impl Port {
    /// A free one.
    pub(crate) fn free() -> Self {
        Self::of((Ipv4Addr::LOCALHOST, 0).into())
    }

    /// That of somebody who shares it, as Leverframe does those of its listeners.
    pub(crate) fn of(address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).expect("a socket");
        socket.set_reuse_port(true).expect("a setting");
        socket.bind(&address.into()).unwrap_or_else(|error| panic!("{address} cannot be held: {error}"));
        Self(socket)
    }

    /// Where that is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().ok().and_then(|address| address.as_socket()).expect("an address")
    }

    /// Listens there.
    pub(crate) fn listen(&self) -> TcpListener {
        let Self(socket) = Self::of(self.address());
        socket.listen(BACKLOG).expect("a port that listens");
        socket.set_nonblocking(true).expect("a setting");
        socket.into()
    }
}
