//! Engines that fail in the middle of it, and containers that come and go meanwhile.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testbed::{Container, engine, fake, image};

use super::{SLEEP, listed_at};

/// Whether a request is for the list; otherwise it is for one container.
fn is_list(request: &fake::Request) -> bool {
    request.path.starts_with("/containers/json")
}

#[test]
fn a_list_without_its_processes_is_shown_and_said_to_be_so() -> Result<()> {
    let web = Container::run(image::busybox()?, &["--network", "none"], &SLEEP)?;
    // It answers the first question, and thinks about all others for longer than anybody waits.
    let (over, wait) = std::sync::mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    let half = fake::Engine::in_front_of(engine::SOCKET, move |request, _| {
        if !is_list(request) {
            let _ = wait.lock().map(|wait| wait.recv());
        }
    })?;
    let socket = half.socket().display().to_string();
    let begun = Instant::now();
    let (all, said) = listed_at(&socket, &["--timeout", "400ms"])?;
    assert!(begun.elapsed() < Duration::from_secs(2), "took {:?}", begun.elapsed());
    drop(over);
    assert_eq!(said, format!("cnsenter: note: Docker was not asked: {socket} (DOCKER_HOST): no answer in 0.4 s\n"));
    let one = all.get(web.id()).context("not listed")?;
    assert_eq!((&one["state"], &one["name"], &one["pid"]), (&json!("running"), &json!(web.name()), &Value::Null));
    Ok(())
}

#[test]
fn what_is_removed_between_two_questions_is_not_listed() -> Result<()> {
    let busybox = image::busybox()?;
    let (web, other) = (Container::run(busybox, &[], &SLEEP)?, Container::run(busybox, &[], &SLEEP)?);
    let id = web.id().to_owned();
    let quick = fake::Engine::in_front_of(engine::SOCKET, move |request, answer| {
        if is_list(request) && answer.contains(&id) {
            let _ = engine::docker(&["rm", "--force", &id]);
        }
    })?;
    let (all, said) = listed_at(&quick.socket().display().to_string(), &["--timeout", "60s"])?;
    assert_eq!(said, "");
    assert!(!all.contains_key(web.id()), "{:#}", all[web.id()]);
    assert_eq!(all[other.id()]["pid"], other.pid()?);
    Ok(())
}

/// The state is read while the engine thinks: what it says later of a container that was not there yet is asked for.
#[test]
fn what_is_started_meanwhile_has_its_process() -> Result<()> {
    let web = Container::create(image::busybox()?, &["--network", "none"], &SLEEP)?;
    let id = web.id().to_owned();
    let slow = fake::Engine::start(move |request, stream| {
        use std::io::{Read, Write};
        if is_list(request) {
            // Long after the state has been read, which takes milliseconds, and before the engine is asked.
            std::thread::sleep(Duration::from_millis(300));
            let _ = engine::docker(&["start", &id]);
        }
        let Ok(mut upstream) = std::os::unix::net::UnixStream::connect(engine::SOCKET) else { return };
        let mut answer = Vec::new();
        let head = format!("GET {} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n", request.path);
        let _ = upstream.write_all(head.as_bytes());
        let _ = upstream.read_to_end(&mut answer);
        let _ = stream.write_all(&answer);
    })?;
    let words = [&["--timeout", "60s"], &super::STATE[..]].concat();
    let (all, said) = listed_at(&slow.socket().display().to_string(), &words)?;
    assert_eq!(said, "");
    let one = all.get(web.id()).context("not listed")?;
    assert_eq!((&one["state"], &one["pid"]), (&json!("running"), &json!(web.pid()?)), "{one:#}");
    Ok(())
}

#[test]
fn an_engine_that_answers_with_nonsense_gives_way_to_its_state() -> Result<()> {
    let web = Container::run(image::busybox()?, &["--network", "none"], &SLEEP)?;
    let truth = listed_at(engine::SOCKET, &[])?.0.remove(web.id());
    for (engine, reason) in [
        (fake::Engine::answering(200, "<html>")?, "it answered with something else than Docker's API ("),
        (fake::Engine::answering(200, r#"{"message":"no"}"#)?, "it answered with something else than Docker's API ("),
        (fake::Engine::answering(503, r#"{"message":"busy"}"#)?, "it answered 503: busy"),
        (fake::Engine::half_answering(r#"[{"Id":"0"}]"#)?, ""),
    ] {
        let (mut all, said) = listed_at(&engine.socket().display().to_string(), &super::STATE)?;
        assert!(said.starts_with("cnsenter: note: Docker was not asked: ") && said.contains(reason), "{said}");
        assert!(said.ends_with("; this is what it left on disk\n"), "{said}");
        assert_eq!(all.remove(web.id()), truth);
    }
    // Entries that are of no container are none.
    let odd =
        fake::Engine::answering(200, r#"[{},{"Id":""},{"Id":"0f","Names":null,"State":"exited","Status":null}]"#)?;
    let socket = format!("unix://{}", odd.socket().display());
    let (all, said) = listed_at(engine::SOCKET, &["-H", &socket])?;
    assert_eq!((all.len(), said.as_str()), (1, ""), "{all:#?}");
    assert_eq!((&all["0f"]["state"], &all["0f"]["exit_code"]), (&json!("stopped"), &Value::Null));
    Ok(())
}
