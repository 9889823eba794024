//! The unix socket under bollard. What is asked over it, and what the answers mean, belongs in `api.rs`.
//!
//! bollard's own transport pools connections and finds hosts by URL; for one question to one socket that costs more
//! than the question (docs/architecture.md, under "Start-up").

use std::io;
use std::os::unix::net::UnixStream as Connection;
use std::sync::Mutex;

use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker, body_full};
use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::handshake;
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;

/// The bound on what an engine may say, in bytes: tens of thousands of containers. bollard has none.
const LARGEST_ANSWER: u64 = 64 << 20;

/// bollard wants a bound, and the caller keeps a shorter one. In seconds.
const LONGEST: u64 = 3600;

/// A client for the engine that listens on `socket`. Its first question goes over `connection`.
pub(super) fn client(socket: String, connection: Connection) -> Result<Docker, Error> {
    let first = Mutex::new(Some(connection));
    let transport = move |request: BollardRequest| {
        let ready = first.lock().ok().and_then(|mut first| first.take());
        let connection = ready.map_or_else(|| connect_to(&socket), Ok);
        Box::pin(async move { ask(connection?, address(request)?).await })
    };
    Docker::connect_with_custom_transport(transport, Some("http://docker"), LONGEST, API_DEFAULT_VERSION)
}

/// Asks one question.
async fn ask(connection: Connection, request: BollardRequest) -> Result<Response<Incoming>, Error> {
    let (read, write) = UnixStream::from_std(connection)?.into_split();
    let stream = tokio::io::join(read.take(LARGEST_ANSWER), write);
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}

/// What is at a path, as it is told: for answers of which bollard's types would take more than is wanted.
pub(super) async fn get(connection: Connection, path: &'static str) -> Result<Bytes, Error> {
    let request = Request::get(path).header(HOST, "docker").body(body_full(Bytes::new()))?;
    let answer = ask(connection, request).await?;
    let status_code = answer.status().as_u16();
    let body = answer.into_body().collect().await?.to_bytes();
    match status_code {
        200 => Ok(body),
        _ => {
            Err(Error::DockerResponseServerError { status_code, message: String::from_utf8_lossy(&body).into_owned() })
        }
    }
}

/// The process that listens at the other end, unless it is in a pid namespace that we cannot see.
pub(super) fn listener(connection: &Connection) -> Option<i32> {
    getsockopt(connection, PeerCredentials).ok().map(|peer| peer.pid()).filter(|pid| *pid > 0)
}

/// Connects without waiting: a hung engine's queue of connections may be full.
pub(super) fn connect_to(socket: &str) -> io::Result<Connection> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&fd, &SocketAddrUnix::new(socket)?)?;
    Ok(Connection::from(fd))
}

/// The request as a server expects it: a path, and the host apart. Without an API version, so that every engine answers
/// in its own, the oldest and those that refuse old clients alike, and no round trip is spent on negotiating one.
fn address(mut request: BollardRequest) -> Result<BollardRequest, Error> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let unversioned = match path.strip_prefix("/v").and_then(|rest| rest.split_once('/')) {
        Some((version, rest)) if version.bytes().all(|b| b.is_ascii_digit() || b == b'.') => format!("/{rest}"),
        _ => path.to_owned(),
    };
    *request.uri_mut() = unversioned.parse().map_err(hyper::http::Error::from)?;
    request.headers_mut().insert(HOST, HeaderValue::from_static("docker"));
    Ok(request)
}
