//! Making a TCP connection to an endpoint.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpStream, lookup_host};

use crate::model::Address;

/// Where to connect to: an IP address is read once, a name is looked up for every connection.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Socket(SocketAddr),
    Name(String, u16),
    /// A file, to which nothing can be sent.
    File,
}

impl Target {
    pub(super) fn of(address: &Address) -> Self {
        if address.file_path().is_some() {
            return Self::File;
        }
        match address.host().parse::<IpAddr>() {
            Ok(ip) => Self::Socket(SocketAddr::new(ip, address.port())),
            Err(_) => Self::Name(address.host().to_owned(), address.port()),
        }
    }
}

/// Connects; of a name's addresses the first that answers is taken.
pub(super) async fn connect(target: &Target) -> io::Result<TcpStream> {
    let stream = match target {
        Target::File => return Err(io::Error::new(io::ErrorKind::Unsupported, "the endpoint is a file")),
        Target::Socket(address) => TcpStream::connect(address).await?,
        Target::Name(host, port) => {
            let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            let mut connected = None;
            for address in lookup_host((host.as_str(), *port)).await? {
                match TcpStream::connect(address).await {
                    Ok(stream) => {
                        connected = Some(stream);
                        break;
                    }
                    Err(error) => last = error,
                }
            }
            connected.ok_or(last)?
        }
    };
    stream.set_nodelay(true)?;
    Ok(stream)
}
