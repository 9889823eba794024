//! Fakes of an engine, for what a real one can't be made to do on demand: to stay silent, to stop in the
//! middle of an answer, to refuse an API version, or to answer at exactly the wrong moment. Whatever a real
//! engine does, test with a real engine.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use anyhow::{Context, Result};

use crate::guard::Scratch;

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path with its query, such as `/v1.41/containers/web/json`.
    pub path: String,
    /// The head without the empty line at its end.
    pub head: String,
    /// As many bytes as `Content-Length` said.
    pub body: Vec<u8>,
}

/// A fake engine: one closure per request, on a socket in a folder of its own; ended when dropped.
#[derive(Debug)]
pub struct Engine {
    folder: Scratch,
    requests: Arc<Mutex<Vec<Request>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Engine {
    /// Calls `answer` for each request, on a thread of its own, with the connection to write the answer to. The
    /// connection is closed when it returns.
    pub fn start(answer: impl Fn(&Request, &mut UnixStream) + Send + Sync + 'static) -> Result<Engine> {
        let folder = Scratch::new()?;
        let listener = UnixListener::bind(folder.path().join("docker.sock"))?;
        let requests = Arc::new(Mutex::new(Vec::new()));
        let over = Arc::new(AtomicBool::new(false));
        let (record, ended, answer) = (Arc::clone(&requests), Arc::clone(&over), Arc::new(answer));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { break };
                if ended.load(Ordering::Acquire) {
                    break;
                }
                let (record, answer) = (Arc::clone(&record), Arc::clone(&answer));
                std::thread::spawn(move || {
                    let Some(request) = read_request(&mut stream) else {
                        return;
                    };
                    if let Ok(mut record) = record.lock() {
                        record.push(request.clone());
                    }
                    answer(&request, &mut stream);
                });
            }
        });
        Ok(Engine { folder, requests, over, thread: Some(thread) })
    }

    /// Accepts each request and never answers: a daemon that hangs.
    pub fn silent() -> Result<Engine> {
        Self::start(|_, stream| {
            // The client's end of the connection is the only event: it gave up.
            let _ = stream.read_to_end(&mut Vec::new());
        })
    }

    /// Answers each request with this status and JSON body.
    pub fn answering(status: u16, body: &str) -> Result<Engine> {
        let reply = reply(status, body);
        Self::start(move |_, stream| {
            let _ = stream.write_all(reply.as_bytes());
        })
    }

    /// Promises a body and sends half of it: a daemon that dies in the middle of its answer.
    pub fn half_answering(body: &str) -> Result<Engine> {
        let mut reply = reply(200, body);
        reply.truncate(reply.len() - body.len() / 2);
        Self::start(move |_, stream| {
            let _ = stream.write_all(reply.as_bytes());
        })
    }

    /// Refuses every versioned path older than this API version, as a newer engine does, and passes the rest on
    /// to `answer`.
    pub fn refusing_older_than(
        minor: u32,
        answer: impl Fn(&Request, &mut UnixStream) + Send + Sync + 'static,
    ) -> Result<Engine> {
        Self::start(move |request, stream| match asked_minor(&request.path) {
            Some(asked) if asked < minor => {
                let message = format!(
                    "client version 1.{asked} is too old. Minimum supported API version is 1.{minor}, \
                     please upgrade your client to a newer version"
                );
                let _ = stream.write_all(reply(400, &format!("{{\"message\":\"{message}\"}}")).as_bytes());
            }
            _ => answer(request, stream),
        })
    }

    /// Passes each request on to the real engine at `upstream`, and calls `between` after the real answer has
    /// arrived and before the client gets it: the moment in which a container can die.
    pub fn in_front_of(
        upstream: impl AsRef<Path>,
        between: impl Fn(&Request, &str) + Send + Sync + 'static,
    ) -> Result<Engine> {
        let upstream = upstream.as_ref().to_owned();
        Self::start(move |request, stream| match forward(&upstream, request) {
            Ok(answer) => {
                between(request, &String::from_utf8_lossy(&answer));
                let _ = stream.write_all(&answer);
            }
            Err(error) => {
                let message = format!("{{\"message\":\"the test's proxy: {error:#}\"}}");
                let _ = stream.write_all(reply(502, &message).as_bytes());
            }
        })
    }

    /// The path of its socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }

    /// What was asked so far, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().map(|requests| requests.clone()).unwrap_or_default()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The thread waits for a connection: one more wakes it.
        self.over.store(true, Ordering::Release);
        drop(UnixStream::connect(self.socket()));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A whole answer with a JSON body.
pub fn reply(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} Test\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn asked_minor(path: &str) -> Option<u32> {
    path.strip_prefix("/v1.")?.split('/').next()?.parse().ok()
}

fn read_request(stream: &mut UnixStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(size) => bytes.extend_from_slice(&buffer[..size]),
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut body = bytes.split_off(end + 4);
    let length = header(&head, "content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
    while body.len() < length {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(size) => body.extend_from_slice(&buffer[..size]),
        }
    }
    let mut words = head.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    Some(Request { method, path, head, body })
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// Asks the real engine the same, on a connection that it closes after its answer.
fn forward(upstream: &Path, request: &Request) -> Result<Vec<u8>> {
    let mut stream = UnixStream::connect(upstream).context("no real engine")?;
    let kept = request.head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    let mut head = kept.collect::<Vec<_>>().join("\r\n");
    head.push_str("\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(&request.body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let _ = stream.shutdown(Shutdown::Both);
    Ok(answer)
}
