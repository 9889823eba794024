//! The engine as a correspondent: not there, not willing, silent, talking nonsense, on another machine, older or newer.
//! What it says of containers is in `target.rs` and `state.rs`.

mod address;

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;
use testbed::{Container, Output, Scratch, engine, fake, image, output, wait};

use crate::run::{NET, assert_refused, cnsenter, quiet, run};

fn on(engine: &fake::Engine) -> String {
    format!("unix://{}", engine.socket().display())
}

/// Asks the engine at this socket for a container, by way of each option that asks.
fn ask(socket: &Path, check: impl Fn(&Output)) -> Result<()> {
    let host = format!("unix://{}", socket.display());
    for option in ["--net", "--sandbox", "-a"] {
        check(&run(["-H", &host, option, "web", "true"])?);
    }
    Ok(())
}

#[test]
fn no_socket() -> Result<()> {
    let folder = Scratch::new()?;
    let socket = folder.path().join("docker.sock");
    ask(&socket, |output| {
        let message = format!("cannot ask Docker at {} (-H): there is no socket", socket.display());
        assert_refused(
            output,
            &message,
            "is Docker running? For another socket: -H unix://PATH; for a process: -t PID",
        );
    })
}

#[test]
fn nobody_listens() -> Result<()> {
    let folder = Scratch::new()?;
    let socket = folder.path().join("docker.sock");
    // Dropped at once: what a killed engine leaves behind.
    drop(UnixListener::bind(&socket)?);
    ask(&socket, |output| {
        let message = format!("cannot ask Docker at {} (-H): nobody listens on the socket", socket.display());
        assert_refused(output, &message, "the engine is not running: systemctl status docker");
    })
}

#[test]
fn what_is_no_socket_is_nothing_that_listens() -> Result<()> {
    let folder = Scratch::new()?;
    let file = folder.path().join("docker.sock");
    std::fs::write(&file, "")?;
    ask(&file, |output| {
        let start = format!("cnsenter: cannot ask Docker at {} (-H): ", file.display());
        assert!(output.code == Some(125) && output.stderr.starts_with(&start), "{output:?}");
    })
}

#[test]
fn a_full_queue_is_not_waited_for() -> Result<()> {
    let folder = Scratch::new()?;
    let socket = folder.path().join("docker.sock");
    let listener = UnixListener::bind(&socket)?;
    // One waits, and the next would have to.
    rustix::net::listen(&listener, 0)?;
    let _waits = UnixStream::connect(&socket)?;
    let start = Instant::now();
    ask(&socket, |output| {
        let message = format!("cannot ask Docker at {} (-H): its queue of connections is full", socket.display());
        assert!(output.stderr.starts_with(&format!("cnsenter: {message}\nhint: ")), "{output:?}");
        assert_eq!(output.code, Some(125), "{output:?}");
    })?;
    assert!(start.elapsed() < Duration::from_secs(10));
    Ok(())
}

/// How long something takes that must not take longer than this.
fn within<T>(limit: Duration, what: impl FnOnce() -> Result<T>) -> Result<(Duration, T)> {
    let start = Instant::now();
    let value = what()?;
    let taken = start.elapsed();
    assert!(taken < limit, "{taken:?}");
    Ok((taken, value))
}

#[test]
fn silence_is_waited_for_as_long_as_was_said() -> Result<()> {
    let silent = fake::Engine::silent()?;
    let (host, socket) = (on(&silent), silent.socket().display().to_string());
    for (spelling, shown, hint) in [("300ms", "0.3 s", "300ms"), ("0.3", "0.3 s", "300ms")] {
        let words = ["-H", &host, "--timeout", spelling, "--net", "web", "true"];
        let (taken, output) = within(Duration::from_millis(1500), || run(words))?;
        assert!(taken >= Duration::from_millis(300), "{taken:?}");
        assert_refused(
            &output,
            &format!("cannot ask Docker at {socket} (-H): no answer in {shown}"),
            &format!(
                "the engine hangs; --state-root DIR goes by what it left there, --timeout waits longer than {hint}"
            ),
        );
    }
    let (taken, output) = within(Duration::from_secs(4), || run(["-H", &host, "--net", "web", "true"]))?;
    assert!(taken >= Duration::from_secs(2), "{taken:?}");
    assert!(output.stderr.contains("no answer in 2 s\n"), "{output:?}");
    Ok(())
}

#[test]
fn all_questions_together_take_no_longer() -> Result<()> {
    // It says that there is no such container, and is then silent when it is asked for those that there are.
    let engine = fake::Engine::start(|request, stream| {
        use std::io::{Read, Write};
        if request.path.ends_with("/web/json") {
            let _ = stream.write_all(fake::reply(404, r#"{"message":"No such container: web"}"#).as_bytes());
        } else {
            let _ = stream.read_to_end(&mut Vec::new());
        }
    })?;
    let words = ["-H", &on(&engine), "--timeout", "500ms", "--net", "web", "true"];
    let (_, output) = within(Duration::from_millis(1900), || run(words))?;
    let hint = format!("cnsenter ls -a --host {} lists what there is", on(&engine));
    assert_refused(&output, "no such container: web", &hint);
    assert_eq!(engine.requests().len(), 2);
    Ok(())
}

#[test]
fn an_engine_that_trickles_is_a_silent_one() -> Result<()> {
    // A byte each time: every read succeeds, and there never is an answer.
    let engine = fake::Engine::start(|_, stream| {
        use std::io::Write;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
        while stream.write_all(b" ").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    })?;
    let words = ["-H", &on(&engine), "--timeout", "300ms", "--net", "web", "true"];
    let (_, output) = within(Duration::from_millis(1500), || run(words))?;
    assert!(output.code == Some(125) && output.stderr.contains("no answer in 0.3 s\n"), "{output:?}");
    Ok(())
}

#[test]
fn half_an_answer_and_no_answer_are_none() -> Result<()> {
    let web = Container::run(image::busybox()?, &["--network", "none"], &["sleep", "1000"])?;
    let record = web.inspect("{{json .}}")?;
    let closing = fake::Engine::start(|_, _| {})?;
    for engine in [fake::Engine::half_answering(&record)?, closing] {
        let output = run(["-H", &on(&engine), "--net", web.name(), "true"])?;
        let start = format!("cnsenter: cannot ask Docker at {} (-H): it ", engine.socket().display());
        assert!(output.code == Some(125) && output.stderr.starts_with(&start), "{output:?}");
        assert!(output.stderr.ends_with("\nhint: the engine's log says more: journalctl -u docker\n"), "{output:?}");
        assert_eq!(output.stderr.lines().count(), 2, "{output:?}");
    }
    Ok(())
}

#[test]
fn what_is_not_dockers_api_is_said_to_be_something_else() -> Result<()> {
    let page = fake::Engine::answering(200, "<html>It works</html>")?;
    let list = fake::Engine::answering(200, "[1, 2, 3]")?;
    let garbage = fake::Engine::start(|_, stream| {
        use std::io::Write;
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n");
    })?;
    for engine in [page, list, garbage] {
        let output = run(["-H", &on(&engine), "--net", "web", "true"])?;
        let start = format!(
            "cnsenter: cannot ask Docker at {} (-H): it answered with something else than Docker's API (",
            engine.socket().display()
        );
        assert!(output.code == Some(125) && output.stderr.starts_with(&start), "{output:?}");
        assert_eq!(output.stderr.lines().count(), 2, "{output:?}");
    }
    Ok(())
}

#[test]
fn an_empty_record_is_no_container() -> Result<()> {
    // Every field of Docker's answers may be missing, so that this is one, too.
    let engine = fake::Engine::answering(200, "{}")?;
    for option in ["--net", "--sandbox", "-a"] {
        let output = run(["-H", &on(&engine), option, "web", "true"])?;
        assert_eq!((output.code, output.stdout.as_str()), (Some(125), ""), "{option}: {output:?}");
        assert_eq!(output.stderr.lines().count(), 2, "{option}: {output:?}");
        assert!(!output.stderr.contains("container  "), "a name that is empty: {output:?}");
    }
    Ok(())
}

#[test]
fn the_engines_own_errors_are_passed_on() -> Result<()> {
    for (status, said) in [(500, "layer not known"), (503, "swarm is locked"), (403, "authorization denied by plugin")]
    {
        let engine = fake::Engine::answering(status, &format!("{{\"message\":\"{said}\"}}"))?;
        let socket = engine.socket();
        ask(&socket, |output| {
            assert_refused(
                output,
                &format!("cannot ask Docker at {} (-H): it answered {status}: {said}", socket.display()),
                "the engine's log says more: journalctl -u docker",
            );
        })?;
    }
    Ok(())
}

#[test]
fn terminal_sequences_of_an_engine_stay_out_of_the_terminal() -> Result<()> {
    let engine = fake::Engine::answering(500, r#"{"message":"\u001b]0;title\u0007 and \u001b[2J"}"#)?;
    let output = run(["-H", &on(&engine), "--net", "web", "true"])?;
    assert_eq!(output.code, Some(125), "{output:?}");
    assert!(!output.stderr.contains(['\x1b', '\x07']), "{:?}", output.stderr);
    Ok(())
}

#[test]
fn one_question_without_a_version_is_all_that_is_asked() -> Result<()> {
    let web = Container::run(image::busybox()?, &["--network", "none"], &["sleep", "1000"])?;
    let record = web.inspect("{{json .}}")?;
    // The newest engines refuse what is too old for them, and newer ones will refuse more.
    for oldest in [41, 44, 99] {
        let record = record.clone();
        let engine = fake::Engine::refusing_older_than(oldest, move |_, stream| {
            use std::io::Write;
            let _ = stream.write_all(fake::reply(200, &record).as_bytes());
        })?;
        for option in ["--net", "--sandbox"] {
            let before = engine.requests().len();
            let words = ["-H", &on(&engine), option, web.name()];
            assert_eq!(quiet(words.iter().chain(&NET))?, web.exec(&[], &NET)?);
            let requests = engine.requests().split_off(before);
            let asked: Vec<_> = requests.iter().map(|asked| (asked.method.as_str(), asked.path.as_str())).collect();
            assert_eq!(asked, [("GET", format!("/containers/{}/json", web.name()).as_str())], "{option}");
        }
    }
    Ok(())
}

#[test]
fn a_connection_that_stays_open_is_not_waited_for() -> Result<()> {
    let web = Container::run(image::busybox()?, &["--network", "none"], &["sleep", "1000"])?;
    let record = web.inspect("{{json .}}")?;
    let engine = fake::Engine::start(move |_, stream| {
        use std::io::{Read, Write};
        // In chunks, as engines answer, and the connection is kept.
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        let (first, second) = record.split_at(100);
        let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
        let _ = stream.write_all(format!("{head}{}{}0\r\n\r\n", chunk(first), chunk(second)).as_bytes());
        let _ = stream.read_to_end(&mut Vec::new());
    })?;
    let words = ["-H", &on(&engine), "--timeout", "20s", "--net", web.name()];
    let (_, net) = within(Duration::from_secs(10), || quiet(words.iter().chain(&NET)))?;
    assert_eq!(net, web.exec(&[], &NET)?);
    Ok(())
}

#[test]
fn the_oldest_and_the_newest_engine_answer_and_hang_alike() -> Result<()> {
    let newest = engine::Newest::start()?;
    let (ours, theirs) = (engine::version()?, newest.version()?);
    assert_ne!(ours.api, theirs.api, "two engines of one version show nothing");
    let socket = newest.socket();
    let host = format!("unix://{socket}");
    let machine = format!("unix://{}", engine::SOCKET);
    for (host, socket) in [(&machine, engine::SOCKET), (&host, socket.as_str())] {
        let image = image::busybox_at(socket)?;
        let web = Container::run_at(socket, image, &["--network", "none", "--hostname", "bee"], &["sleep", "1000"])?;
        for target in [web.name(), web.id(), web.short_id()] {
            assert_eq!(quiet(["-H", host, "--net", target].iter().chain(&NET))?, web.exec(&[], &NET)?);
        }
        let sorted = |text: String| {
            let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
            lines.sort_unstable();
            lines
        };
        let entered = quiet(["-H", host, web.name(), "env", "-u", "TERM"])?;
        assert_eq!(sorted(entered), sorted(web.exec(&[], &["env"])?));
        let output = run(["-H", host, "--net", &format!("{}x", web.name()), "true"])?;
        assert!(output.stderr.contains(&format!("hint: did you mean {}", web.name())), "{output:?}");
        web.docker(&["pause"])?;
        assert_eq!(quiet(["-H", host, "--net", "--uts", web.name(), "hostname"])?, "bee");
        web.docker(&["unpause"])?;
        web.docker(&["kill"])?;
        let output = run(["-H", host, "--net", web.name(), "true"])?;
        assert!(output.stderr.contains("is not running: it exited with status 137, "), "{output:?}");
    }
    // Of both the ambiguous answer is understood, which they give with different statuses: see target.rs for ours.
    let web = Container::run_at(&socket, image::busybox_at(&socket)?, &["--network", "none"], &["sleep", "1000"])?;
    let mut others = Vec::new();
    while !others.iter().any(|other: &Container| other.id()[..1] == web.id()[..1]) {
        others.push(Container::run_at(&socket, image::BUSYBOX, &["--network", "none"], &["true"])?);
    }
    let output = run(["-H", &host, "--net", &web.id()[..1], "true"])?;
    assert!(output.stderr.starts_with(&format!("cnsenter: {} is ambiguous:\n", &web.id()[..1])), "{output:?}");
    assert!(output.stderr.contains(&format!("    docker://{} ", web.short_id())), "{output:?}");

    // Stopped, it still takes connections, and never answers.
    let _stopped = Stopped::stop(newest.pid())?;
    let words = ["-H", &host, "--timeout", "300ms", "--net", web.name(), "true"];
    let (_, output) = within(Duration::from_millis(1500), || run(words))?;
    assert!(output.code == Some(125) && output.stderr.contains("no answer in 0.3 s\n"), "{output:?}");
    Ok(())
}

/// A process that is stopped, and goes on when this is dropped.
struct Stopped(u32);

impl Stopped {
    fn stop(pid: u32) -> Result<Stopped> {
        let stopped = Stopped(pid);
        output::stdout(Command::new("kill").args(["-STOP", &pid.to_string()]))?;
        // Each thread stops for itself, and one of them could still answer.
        wait::until(Duration::from_secs(5), "all threads to stop", || {
            let mut threads = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten();
            let status = |path| std::fs::read_to_string(path).unwrap_or_default();
            threads.all(|thread| status(thread.path().join("status")).contains("State:\tT")).then_some(())
        })?;
        Ok(stopped)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = output::stdout(Command::new("kill").args(["-CONT", &self.0.to_string()]));
    }
}

#[test]
fn what_needs_no_engine_asks_none() -> Result<()> {
    let web = Container::run(image::busybox()?, &["--network", "none"], &["sleep", "1000"])?;
    let (pid, file) = (web.pid()?.to_string(), format!("--net={}", web.sandbox_key()?));
    let silent = fake::Engine::silent()?;
    for words in [&["-n", "-t", &pid][..], &[&file]] {
        let mut command = cnsenter([words, &NET].concat());
        let command = command.env("DOCKER_HOST", on(&silent));
        assert_eq!(output::stdout(command)?, web.exec(&[], &NET)?);
    }
    assert!(silent.requests().is_empty());
    Ok(())
}
