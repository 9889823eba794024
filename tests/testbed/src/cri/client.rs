//! One call of the CRI, over containerd's socket: a message framed as gRPC has it, over HTTP/2. What the messages
//! mean is in `message` and in `cri`.

use std::future::Future;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper::header::HeaderMap;
use hyper::{Method, Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;

use crate::containerd::SOCKET;

/// Starting a pod on a busy machine takes a second; a call that takes this long will never end.
const LIMIT: Duration = Duration::from_secs(60);

/// Calls a method, such as `RuntimeService/Version`, and reads its answer, on a connection of its own. An error has
/// the runtime's own words.
pub(super) fn call<Answer: Message + Default>(method: &str, request: &impl Message) -> Result<Answer> {
    let path = format!("/runtime.v1.{method}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(within(exchange(&path, frame(request))));
    let answer = answer.with_context(|| format!("the CRI's {method} failed"))?;
    Ok(Answer::decode(answer)?)
}

async fn within<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(LIMIT, work).await.map_err(|_| anyhow!("no answer within {LIMIT:?}"))?
}

async fn exchange(path: &str, body: Bytes) -> Result<Bytes> {
    let stream =
        tokio::net::UnixStream::connect(SOCKET).await.with_context(|| format!("cannot connect to {SOCKET}"))?;
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    // It ends with the executor, whatever becomes of the call.
    tokio::spawn(connection);
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("http://localhost{path}"))
        .version(Version::HTTP_2)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::new(body))?;
    let (head, body) = sender.send_request(request).await?.into_parts();
    let answer = body.collect().await?;
    // A call that fails before it has an answer puts its status into the head.
    let trailers = answer.trailers().unwrap_or(&head.headers);
    let status = header(trailers, "grpc-status");
    if status != "0" {
        bail!("{} (status {status:?})", decode_percent(&header(trailers, "grpc-message")));
    }
    unframe(&answer.to_bytes())
}

fn header(headers: &HeaderMap, name: &str) -> String {
    let value = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    value.unwrap_or_default()
}

/// One byte for "not compressed", four for the length, and the message.
fn frame(message: &impl Message) -> Bytes {
    let message = message.encode_to_vec();
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0][..], &length.to_be_bytes(), &message].concat().into()
}

fn unframe(bytes: &Bytes) -> Result<Bytes> {
    match bytes.get(..5) {
        Some([0, length @ ..]) if u32::from_be_bytes(length.try_into()?) as usize == bytes.len() - 5 => {
            Ok(bytes.slice(5..))
        }
        _ => bail!("the answer of {} bytes is not one message", bytes.len()),
    }
}

/// gRPC escapes what would not be allowed in a header: a line's end, a letter beyond ASCII.
fn decode_percent(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).filter(|_| *first == b'%').and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => (bytes.push(byte), rest = &tail[2..]),
            None => (bytes.push(*first), rest = tail),
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::decode_percent;

    #[test]
    fn a_message_reads_as_it_was_written() {
        assert_eq!(decode_percent("50%25: no%0Asuch \"pod\"%2"), "50%: no\nsuch \"pod\"%2");
    }
}
