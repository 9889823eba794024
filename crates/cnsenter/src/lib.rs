//! `cnsenter`: from argv to exec in a straight line. Parse, resolve, plan, enter; on failure one message, one hint, one
//! exit status. Each step belongs in its own file, and this one only calls them in order.

pub mod cli;
mod environment;
mod exit;
mod identity;
mod log;
mod plan;
mod print;
mod settings;
mod subcommand;

use std::cell::Cell;
use std::ffi::{OsStr, OsString};
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use cli::{Action, Args, CalledAs, TargetWord};
use enter::Opened;
use exit::{Failure, Line};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use plan::{Caller, Planned, Refusal, Resolved};
use resolve::{Reference, Settings, Specification, State};
use settings::Engines;
use subcommand::Subcommand;

/// How soon to ask again after a container that ended meanwhile.
const NOTICED: Duration = Duration::from_millis(5);

/// The variables that cnsenter itself reads.
const READ: [&str; 9] = [
    "CONTAINER_HOST",
    "DOCKER_CONFIG",
    "DOCKER_CONTEXT",
    "DOCKER_HOST",
    "HOME",
    "NO_COLOR",
    "TERM",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
];

/// Does what the command line says. Returns the exit status: in this process only when something failed or nothing was
/// to be run, since otherwise it has become the program.
pub fn run(mut argv: impl Iterator<Item = OsString>) -> u8 {
    let name = argv.next().unwrap_or_default();
    let called_as = match Path::new(&name).file_name() {
        Some(base) if base == "nsenter" => CalledAs::Nsenter,
        _ => CalledAs::Cnsenter,
    };
    let words: Vec<_> = argv.collect();
    if let (CalledAs::Cnsenter, Some(first)) = (called_as, words.first())
        && let Some(subcommand) = Subcommand::named(first)
    {
        return subcommand.run(&words);
    }
    let args = match cli::parse(called_as, words.iter().cloned()) {
        Ok(args) => args,
        Err(error) => return exit::usage(&error),
    };
    match act(&args) {
        Ok(()) => 0,
        Err(failure) => exit::report(&failure, &Line { words: &words, engines: engines(&args), args: Some(&args) }),
    }
}

fn act(args: &Args) -> Result<(), Failure> {
    match args.action {
        Action::Help => return show_help(false),
        Action::LongHelp => return show_help(true),
        Action::Version => return show(concat!("cnsenter ", env!("CARGO_PKG_VERSION"), "\n")),
        Action::Enter | Action::Print => {}
    }
    log::install(args.verbose);
    // Before anything is asked or opened, since all of that would be done twice.
    if args.action == Action::Enter && args.enters_sight() {
        // A container that may trace us can read what we were started with, so that is no more than we need ourselves.
        let handed_on = environment::handed_on(args);
        let keeps = |name: &OsStr| READ.iter().any(|read| name == *read) || handed_on.iter().any(|other| name == other);
        enter::seal(|name| !args.leaves_environment() || keeps(name))?;
    }
    let waiting = args.wait.map(Waiting::begin);
    let (planned, resolved, opened) = loop {
        match reach(args, waiting.as_ref()) {
            Ok(reached) => break reached,
            // It ended between the engine's word and ours: the next run will do.
            Err(failure) if waiting.as_ref().is_some_and(|waiting| waiting.goes_on_after(&failure, args)) => {}
            Err(failure) => return Err(failure),
        }
    };
    let Some(opened) = opened else { return show_bytes(&print::print(&planned, &resolved)?) };
    // Not before the target was verified: a notice must not explain what has ended meanwhile.
    for notice in planned.notices.iter().chain(opened.notices()) {
        exit::notice(notice);
    }
    match enter::enter(&planned.plan, &planned.command, opened).map_err(|error| not_entered(error, &resolved))? {}
}

fn not_entered(error: enter::Error, resolved: &Resolved) -> Failure {
    Failure::NotEntered { error, container: resolved.container().cloned().map(Box::new) }
}

/// Finds the target, decides, and holds what there is to join; nothing is held where the plan is only to be shown.
fn reach(args: &Args, waiting: Option<&Waiting>) -> Result<(Planned, Resolved, Option<Opened>), Failure> {
    let (resolved, recorded) = match &args.target {
        Some(TargetWord::Reference(reference)) => {
            let settings = settings::settings(engines(args));
            let resolved = without_sigpipe(|| resolve(args, reference, &settings, waiting))?;
            let recorded = recorded(args, &resolved, &settings)?;
            (resolved, recorded)
        }
        _ => (Resolved::Nothing, None),
    };
    let planned = plan::plan(args, &resolved, recorded, caller(args)?).map_err(Failure::Refused)?;
    if args.action == Action::Print {
        return Ok((planned, resolved, None));
    }
    match Opened::open(&planned.plan, &planned.command) {
        Ok(opened) => Ok((planned, resolved, Some(opened))),
        Err(error) => Err(not_entered(error, &resolved)),
    }
}

/// `--wait`, begun.
struct Waiting {
    time: resolve::Waiting,
    /// The last process that was not there, or not the container's, and since when it is not.
    impostor: Cell<Option<(i32, Instant)>>,
}

impl Waiting {
    fn begin(longest: Duration) -> Self {
        Self { time: resolve::Waiting::begin(longest), impostor: Cell::new(None) }
    }

    /// Whether the container that was to be entered ended just then. An engine notices that a little later.
    fn goes_on_after(&self, failure: &Failure, args: &Args) -> bool {
        let goes_on = match failure {
            Failure::Refused(Refusal::NotRunning(_)) => !self.time.is_over(),
            Failure::Unresolved(resolve::Error::NotRunning(container)) => {
                !self.time.is_over() && !matches!(container.state, State::Dead | State::Removing)
            }
            // It has just ended, its pid is another's by now; or its engine's pids are not ours, and never will be.
            Failure::NotEntered {
                error: enter::Error::NoProcess(pid) | enter::Error::Impostor { pid, .. },
                container: Some(_),
            } => {
                let now = Instant::now();
                let known = self.impostor.get().filter(|(known, _)| known == pid);
                let since = known.map_or(now, |(_, since)| since);
                self.impostor.set(Some((*pid, since)));
                !self.time.is_over() && since.elapsed() < args.timeout
            }
            _ => false,
        };
        if goes_on {
            std::thread::sleep(NOTICED);
        }
        goes_on
    }
}

/// An engine that closes the connection is a failure to report, not a reason to die of SIGPIPE. The disposition is the
/// program's again afterwards.
fn without_sigpipe<T>(ask: impl FnOnce() -> T) -> T {
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    // SAFETY: no handler is installed; what was there before is put back as it was.
    let before = unsafe { sigaction(Signal::SIGPIPE, &ignore) };
    let answer = ask();
    if let Ok(before) = before {
        // SAFETY: this is the disposition that the process was started with.
        let _ = unsafe { sigaction(Signal::SIGPIPE, &before) };
    }
    answer
}

/// What the runtime recorded of the container's programs, where one is to be run as they are. A record that is there and
/// says nothing is an error: what it forbids would be allowed. `--privileged` asks for that.
fn recorded(args: &Args, resolved: &Resolved, settings: &Settings) -> Result<Option<Specification>, Failure> {
    let Some(container) = resolved.container().filter(|it| it.runs() && args.enters_whole()) else {
        return Ok(None);
    };
    match resolve::specification(container, settings) {
        Err(_) if args.privileged => Ok(None),
        other => Ok(other?),
    }
}

fn caller(args: &Args) -> Result<Caller, Failure> {
    Ok(Caller {
        on_terminal: std::io::stdin().is_terminal() && std::io::stdout().is_terminal(),
        term: std::env::var_os("TERM"),
        variables: environment::variables(args).map_err(Failure::Variables)?,
    })
}

fn resolve(
    args: &Args,
    reference: &Reference,
    settings: &Settings,
    waiting: Option<&Waiting>,
) -> Result<Resolved, Failure> {
    let running = waiting.map(|waiting| resolve::wait(reference, settings, &waiting.time)).transpose()?;
    Ok(match (args.sandbox, running) {
        (true, Some(running)) => Resolved::Sandbox(resolve::sandbox_of(reference, running, settings)?),
        (true, None) => Resolved::Sandbox(resolve::resolve_sandbox(reference, settings)?),
        (false, Some(running)) => Resolved::Container(running),
        (false, None) => Resolved::Container(resolve::resolve(reference, settings)?),
    })
}

fn engines(args: &Args) -> Engines {
    let Args { host, context, state_roots, timeout, .. } = args;
    let (host, context, state_roots) = (host.clone(), context.clone(), state_roots.clone());
    Engines { host, context, state_roots, timeout: *timeout }
}

fn show_help(long: bool) -> Result<(), Failure> {
    let help = cli::help::help(long);
    let (plain, coloured) = (help.to_string(), help.ansi().to_string());
    match exit::coloured(&std::io::stdout()) {
        true => show(&format!("{}\n", coloured.trim_end())),
        false => show(&format!("{}\n", plain.trim_end())),
    }
}

fn show(text: &str) -> Result<(), Failure> {
    show_bytes(text.as_bytes())
}

fn show_bytes(text: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text).and_then(|()| out.flush()).map_err(Failure::Output)
}
