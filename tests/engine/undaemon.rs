//! Docker without its daemon: stopped, killed, its socket gone or forbidden, or answered by something else. A real engine
//! of the newest release is tormented, never the machine's own. Its usual folders are in `undaemon/layouts.rs`, records
//! that are older than the end of their container in `undaemon/stale.rs`.

mod layouts;
mod stale;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use testbed::{Container, Output, engine, fake, guard, image, ns, output};

use crate::run::{NET, OWN, cnsenter, copy_for_everybody, on_default_engine, without_asked};

/// How long cnsenter may wait for an answer in these tests, and how long it may take beyond that.
const TIMEOUT: Duration = Duration::from_millis(500);
const BEYOND: Duration = Duration::from_millis(500);

/// How many are run at once where most of the time is spent waiting.
const AT_ONCE: usize = 4;

/// The namespaces that a container has of its own here.
const KINDS: [&str; 5] = ["ipc", "mnt", "net", "pid", "uts"];
const LINKS: [&str; 3] =
    ["sh", "-c", "for kind in ipc mnt net pid uts; do readlink /proc/self/ns/$kind; done; echo $COLOUR"];

/// An engine with containers of every kind, and what cnsenter made of each way to name them while the engine answered.
struct Bed {
    // First of all: it goes on as it ends, and removes its containers; their own guards would wait for a stopped daemon.
    newest: engine::Newest,
    web: Container,
    others: [Container; 3],
    project: String,
    cases: Vec<(Vec<String>, Output)>,
}

impl Bed {
    fn new() -> Result<Bed> {
        let newest = engine::Newest::with_live_restore()?;
        let socket = newest.socket();
        let image = image::busybox_at(&socket)?;
        let sleeping = |args: &[&str]| Container::run_at(&socket, image, args, &["sleep", "100000"]);
        let project = guard::unique_name();
        let label = |name: &str, value: &str| format!("--label=com.docker.compose.{name}={value}");
        let labels = [label("project", &project), label("service", "db"), label("container-number", "1")];
        let args = ["--network=none", "--hostname=bee", "--env=COLOUR=dark red", "--env=EMPTY="];
        let web = sleeping(&[&args[..], &labels.each_ref().map(String::as_str)].concat())?;
        let paused = sleeping(&["--network=none"])?;
        paused.docker(&["pause"])?;
        let sharing = sleeping(&[&format!("--network=container:{}", web.name())])?;
        let of_host = sleeping(&["--network=host"])?;
        let others = [paused, sharing, of_host];
        let mut bed = Bed { newest, web, others, project, cases: Vec::new() };
        bed.remember()?;
        Ok(bed)
    }

    /// Every way to name a container, as the engine resolves it.
    fn remember(&mut self) -> Result<()> {
        let ids = self.newest.docker(&["ps", "--all", "--quiet", "--no-trunc"])?;
        let id = self.web.id();
        let unique = |length: &usize| ids.lines().filter(|other| other.starts_with(&id[..*length])).count() == 1;
        let shortest = (4..).find(unique).context("no prefix is unique")?;
        let (name, project) = (self.web.name(), &self.project);
        let [paused, sharing, of_host] = self.others.each_ref().map(Container::name);
        let (by_scheme, service) = (format!("docker://{name}"), format!("compose://{project}/db"));
        let first = format!("{service}/1");
        let targets = [name, id, self.web.short_id(), &id[..shortest], &by_scheme, &service, &first];
        let mut lines: Vec<Vec<&str>> = Vec::new();
        for target in targets.into_iter().chain([paused, sharing, of_host]) {
            lines.push([&["--net", target], &NET[..]].concat());
        }
        for target in [name, &id[..shortest], &service, sharing, of_host, paused] {
            lines.push([&["--sandbox", target], &NET[..]].concat());
        }
        for target in [name, &service] {
            lines.push([&[target], &LINKS[..]].concat());
            lines.push([&["-a", target], &LINKS[..]].concat());
        }
        for target in [name, paused, sharing] {
            lines.push(vec![target, "env"]);
        }
        let on = self.on();
        for words in lines {
            let output = output::run(&mut cnsenter([&["-H", &on], &words[..]].concat()))?;
            ensure!(output.success(), "{words:?} by the API: {output:?}");
            self.cases.push((owned(&words), output));
        }
        // By the kernel's own word, these are the container's.
        let pid = self.web.pid()?;
        let mut links =
            KINDS.iter().map(|kind| Ok(ns::link(kind, ns::inode(pid, kind)?))).collect::<Result<Vec<_>>>()?;
        links.push("dark red\n".to_owned());
        let all = links.join("\n");
        ensure!(self.cases.iter().filter(|(_, output)| output.stdout == all).count() == 4, "{:?}", self.cases);
        Ok(())
    }

    fn on(&self) -> String {
        format!("unix://{}", self.newest.socket())
    }

    /// The words that name an engine's socket and the folders of this one.
    fn words(&self, on: &str) -> Vec<String> {
        let folder = |path: &Path| path.display().to_string();
        let (data, exec) = (folder(self.newest.data()), folder(&self.newest.exec()));
        let timeout = format!("{}ms", TIMEOUT.as_millis());
        ["-H", on, "--timeout", &timeout, "--state-root", &data, "--state-root", &exec].map(str::to_owned).into()
    }

    /// cnsenter asks the engine at `on`, and has these folders.
    fn asking(&self, on: &str) -> impl Fn(&[String]) -> Command {
        let words = self.words(on);
        move |case| cnsenter([&words, case].concat())
    }

    /// The only thing to be said, where the engine at this address said this.
    fn note(&self, address: &str, failure: &str) -> String {
        let data = self.newest.data().display();
        format!("cnsenter: note: cannot ask Docker at {address} (-H): {failure}; going by what is on disk, {data}")
    }

    /// Demands of every way to name a container what it was by the engine, with one notice more.
    fn check(&self, ask: impl Fn(&[String]) -> Command + Sync, note: &str, limit: Duration) -> Result<()> {
        // Most of the time is spent waiting: some at once.
        for some in self.cases.chunks(AT_ONCE) {
            std::thread::scope(|scope| {
                let all = some.iter().map(|(words, before)| (words, before, scope.spawn(|| timed(&mut ask(words)))));
                for (words, before, run) in all.collect::<Vec<_>>() {
                    let (taken, after) = run.join().map_err(|_| anyhow::anyhow!("a thread failed"))??;
                    assert_same(words, before, &after, note);
                    assert!(taken < limit, "{words:?} took {taken:?}");
                }
                anyhow::Ok(())
            })?;
        }
        Ok(())
    }

    /// A name that nobody knows, in the same state: one refusal.
    fn mistyped(&self, on: &str, limit: Duration) -> Result<Output> {
        let wrong = format!("{}-no", self.web.name());
        let (taken, output) = timed(&mut self.asking(on)(&owned(&["--net", &wrong, "true"])))?;
        assert_eq!((output.code, output.stdout.as_str()), (Some(OWN), ""), "{output:?}");
        let message = format!("cnsenter: no such container: {wrong}\nhint: did you mean {}", self.web.name());
        assert!(without_asked(&output.stderr).starts_with(&message), "{output:?}");
        assert!(taken < limit, "{taken:?}");
        Ok(output)
    }
}

/// Words of a command line, as the cases have them.
fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[track_caller]
fn assert_same(words: &[String], before: &Output, after: &Output, note: &str) {
    assert_eq!((after.code, sorted(&after.stdout)), (Some(0), sorted(&before.stdout)), "{words:?}: {after:?}");
    let (ours, rest): (Vec<_>, Vec<_>) = after.stderr.lines().partition(|line| line.starts_with(note));
    assert_eq!(ours.len(), 1, "not once {note:?}: {words:?}: {after:?}");
    // An engine in a mount namespace of its own gets a word more for --sandbox: which way round was taken.
    let kept: Vec<_> = before.stderr.lines().filter(|line| !is_way_round(line)).collect();
    let rest: Vec<_> = rest.into_iter().filter(|line| !is_way_round(line)).collect();
    assert_eq!(rest, kept, "{words:?}: {after:?}");
}

fn is_way_round(line: &str) -> bool {
    line.contains(" is not a namespace in this mount namespace; ")
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}

/// Runs a command, and says how long it took.
fn timed(command: &mut Command) -> Result<(Duration, Output)> {
    let start = Instant::now();
    let output = output::run(command)?;
    Ok((start.elapsed(), output))
}

#[test]
fn a_stopped_daemon() -> Result<()> {
    let mut bed = Bed::new()?;
    bed.newest.hang()?;
    let on = bed.on();
    bed.check(bed.asking(&on), &bed.note(&bed.newest.socket(), "no answer in 0.5 s"), TIMEOUT + BEYOND)?;
    let output = bed.mistyped(&on, TIMEOUT + BEYOND)?;
    assert!(output.stderr.contains("    docker: no answer in 0.5 s; not among 4 in "), "{output:?}");
    // The default is two seconds.
    let mut words = bed.words(&on);
    words.drain(2..4);
    let (taken, output) = timed(&mut cnsenter([words, owned(&["--net", bed.web.name(), "true"])].concat()))?;
    let note = bed.note(&bed.newest.socket(), "no answer in 2 s");
    assert_eq!((output.code, output.stderr), (Some(0), format!("{note}\n")));
    assert!(taken < Duration::from_secs(2) + BEYOND, "{taken:?}");
    Ok(())
}

#[test]
fn a_killed_daemon_and_a_socket_that_is_gone() -> Result<()> {
    let mut bed = Bed::new()?;
    let (on, socket) = (bed.on(), bed.newest.socket());
    bed.newest.kill()?;
    // Nothing is waited for here: what is left to take time is cnsenter itself.
    bed.check(bed.asking(&on), &bed.note(&socket, "nobody listens on the socket"), BEYOND)?;
    bed.mistyped(&on, BEYOND)?;
    std::fs::remove_file(&socket)?;
    bed.check(bed.asking(&on), &bed.note(&socket, "there is no socket"), BEYOND)?;
    bed.mistyped(&on, BEYOND)?;
    Ok(())
}

#[test]
fn an_answer_that_is_none() -> Result<()> {
    let bed = Bed::new()?;
    let record = bed.web.inspect("{{json .}}")?;
    let garbage = |_: &fake::Request, stream: &mut std::os::unix::net::UnixStream| {
        let _ = std::io::Write::write_all(stream, b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n");
    };
    for (engine, failure, limit) in [
        (fake::Engine::answering(500, r#"{"message":"layer not known"}"#)?, "it answered 500: layer not known", BEYOND),
        (fake::Engine::answering(200, "<html>It works</html>")?, "it answered with something else than", BEYOND),
        (fake::Engine::start(garbage)?, "it answered with something else than", BEYOND),
        (fake::Engine::start(|_, _| {})?, "it answered with something else than", BEYOND),
        (fake::Engine::half_answering(&record)?, "it answered with something else than", BEYOND),
        (fake::Engine::silent()?, "no answer in 0.5 s", TIMEOUT + BEYOND),
    ] {
        let socket = engine.socket().display().to_string();
        let note = bed.note(&socket, failure);
        let start = note.split("; going by").next().unwrap_or_default();
        let on = format!("unix://{socket}");
        bed.check(bed.asking(&on), start, limit)?;
        bed.mistyped(&on, limit)?;
    }
    Ok(())
}

#[test]
fn a_socket_that_is_not_ours_to_ask() -> Result<()> {
    let bed = Bed::new()?;
    let (_folder, copy) = copy_for_everybody()?;
    let words = bed.words(&bed.on());
    for case in [&["--net"][..], &["--sandbox"], &[], &["-a"]] {
        let case = owned(&[case, &[bed.web.name(), "true"]].concat());
        let mut command = on_default_engine(Command::new("setpriv"));
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&copy).args(&words).args(&case);
        let (taken, output) = timed(&mut command)?;
        let message = format!(
            "cnsenter: cannot ask Docker at {} (-H): permission denied on the socket\nhint: joining namespaces needs \
             CAP_SYS_ADMIN, and the engine's socket its group: sudo cnsenter {}\n",
            bed.newest.socket(),
            [&words[..], &case].concat().join(" ")
        );
        assert_eq!((output.code, output.stderr), (Some(OWN), message), "{case:?}");
        assert!(taken < BEYOND, "{taken:?}");
    }
    Ok(())
}

#[test]
fn a_name_that_nobody_has_costs_about_as_much_as_docker_takes_to_say_so() -> Result<()> {
    let name = guard::unique_name();
    let quickest = |command: &dyn Fn() -> Command| -> Result<Duration> {
        let all = (0..9).map(|_| timed(&mut command()).map(|(taken, _)| taken)).collect::<Result<Vec<_>>>()?;
        all.into_iter().min().context("nothing was run")
    };
    let ours = quickest(&|| cnsenter(["--net", &name, "true"]))?;
    let dockers = quickest(&|| {
        let mut docker = engine::client(engine::SOCKET);
        docker.args(["inspect", &name]);
        docker
    })?;
    println!("a mistyped name: {ours:?}, docker inspect {dockers:?}");
    assert!(ours < 2 * dockers, "{ours:?} against {dockers:?}");
    Ok(())
}
