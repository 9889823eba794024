//! getopt_long(3) as nsenter uses it, and the rule for TARGET. Options themselves are listed in `options.rs`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use enter::{Credentials, Directory, Id as UserOrGroup, Namespace, WorkingDirectory};
use lexopt::Arg;
use resolve::ReferenceError;

use super::check::check;
use super::options::{self, Found, Id, Opt, Value};
use super::{Action, Args, CalledAs, NamespaceWord, TargetWord, UsageError, Variables};

/// How long an engine may take, unless `--timeout` says otherwise.
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);

/// For ever, near enough, and still a time that can be added to now.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(365 * 86_400);

/// Parses everything after the program's own name.
///
/// # Errors
/// [`UsageError`], with the hint that belongs to it.
pub fn parse(called_as: CalledAs, words: impl IntoIterator<Item = OsString>) -> Result<Args, UsageError> {
    let mut args = empty(called_as);
    let result = options(&mut args, words).map_err(usage_error).and_then(|()| check(&mut args));
    match result {
        Ok(()) => Ok(args),
        Err(error) => {
            let with_pid = matches!(args.target, Some(TargetWord::Process { .. }));
            Err(UsageError { as_nsenter: error.as_nsenter || with_pid || called_as == CalledAs::Nsenter, ..error })
        }
    }
}

/// Where a command line ends before it is whole.
pub(crate) enum Stop {
    /// After an option that must have a value, spelled like this.
    Value(&'static Opt, String),
    /// At something that cannot be understood.
    Usage(UsageError),
}

impl From<UsageError> for Stop {
    fn from(error: UsageError) -> Self {
        Self::Usage(error)
    }
}

fn usage_error(stop: Stop) -> UsageError {
    match stop {
        Stop::Usage(error) => error,
        Stop::Value(option, spelled) => {
            let what = option.value.name().unwrap_or_default();
            hinted(format!("option {spelled} needs a value"), format!("it takes {what}"))
        }
    }
}

/// As much of [`parse`] as can be done while a line is being typed: its options, and the words from the first on that is
/// none.
pub(crate) fn begin(words: impl IntoIterator<Item = OsString>) -> (Args, Result<(), Stop>) {
    let mut args = empty(CalledAs::Cnsenter);
    let result = options(&mut args, words);
    (args, result)
}

fn empty(called_as: CalledAs) -> Args {
    Args {
        called_as,
        action: Action::Enter,
        target: None,
        namespaces: Vec::new(),
        all: false,
        sandbox: false,
        net_socket: None,
        user_parent: false,
        root: None,
        working_directory: None,
        credentials: Credentials::default(),
        env_of_target: false,
        keep_env: false,
        variables: Vec::new(),
        user: None,
        privileged: false,
        pty: None,
        no_fork: false,
        join_cgroup: false,
        follow_context: false,
        raw: false,
        host: None,
        context: None,
        state_roots: Vec::new(),
        wait: None,
        timeout: DEFAULT_TIMEOUT,
        verbose: false,
        words: Vec::new(),
        dashes_first: false,
    }
}

pub(super) fn usage(message: impl Into<String>) -> UsageError {
    UsageError { message: message.into(), hint: None, as_nsenter: false }
}

pub(super) fn hinted(message: impl Into<String>, hint: impl Into<String>) -> UsageError {
    UsageError { hint: Some(hint.into()), ..usage(message) }
}

/// Reads options up to the first word that is none.
fn options(args: &mut Args, words: impl IntoIterator<Item = OsString>) -> Result<(), Stop> {
    let nsenter_only = args.called_as == CalledAs::Nsenter;
    let mut parser = lexopt::Parser::from_args(words);
    loop {
        args.dashes_first =
            parser.try_raw_args().is_some_and(|rest| rest.as_slice().first().is_some_and(|w| w == "--"));
        let (option, spelled) = match parser.next().map_err(lexical)? {
            None => return Ok(()),
            Some(Arg::Value(word)) => {
                args.words.push(word);
                args.words.extend(parser.raw_args().map_err(lexical)?);
                return Ok(());
            }
            Some(Arg::Short(letter)) => {
                let unknown = || hinted(format!("unknown option -{letter}"), "cnsenter --help lists the options");
                (options::by_short(letter, nsenter_only).ok_or_else(unknown)?, format!("-{letter}"))
            }
            Some(Arg::Long(name)) => (long(name, nsenter_only)?, format!("--{name}")),
        };
        let value = match option.value {
            Value::None => None,
            Value::Optional(_) => parser.optional_value(),
            Value::Required(_) => match parser.value() {
                Ok(value) => Some(value),
                Err(_) => return Err(Stop::Value(option, spelled)),
            },
        };
        if value.as_ref().is_some_and(|value| value.is_empty()) && matches!(option.value, Value::Optional(_)) {
            let hint = match option.id {
                Id::Wdns => "it takes a folder; is a variable empty?".to_owned(),
                _ => format!("{spelled} alone takes the target's; is a variable empty?"),
            };
            return Err(Stop::Usage(UsageError {
                as_nsenter: true,
                ..hinted(format!("option {spelled} has an empty value"), hint)
            }));
        }
        apply(args, option, value, spelled.starts_with("--"))?;
        if matches!(args.action, Action::Help | Action::LongHelp | Action::Version) {
            return Ok(());
        }
    }
}

fn long(name: &str, nsenter_only: bool) -> Result<&'static Opt, UsageError> {
    match options::by_long(name, nsenter_only) {
        Found::One(option) => Ok(option),
        Found::Several(options) => {
            let names: Vec<_> = options.iter().map(|option| format!("--{}", option.long)).collect();
            Err(hinted(format!("option --{name} is ambiguous"), format!("it may be {}", names.join(", "))))
        }
        Found::None(nearest) => Err(hinted(
            format!("unknown option --{name}"),
            nearest.map_or_else(
                || "cnsenter --help lists the options".to_owned(),
                |option| format!("did you mean --{}?", option.long),
            ),
        )),
    }
}

fn lexical(error: lexopt::Error) -> UsageError {
    match error {
        lexopt::Error::UnexpectedValue { option, value } => hinted(
            format!("option {option} takes no value, but {value:?} is attached to it"),
            format!("write {option} {}", value.display()),
        ),
        other => usage(other.to_string()),
    }
}

fn apply(args: &mut Args, option: &Opt, value: Option<OsString>, long: bool) -> Result<(), UsageError> {
    let path = value.clone().map(PathBuf::from);
    let text = || value.as_ref().map(|value| value.to_string_lossy().into_owned()).unwrap_or_default();
    match option.id {
        Id::All => args.all = true,
        Id::Target => target(args, &text())?,
        Id::Mount => namespace(args, Namespace::Mount, value)?,
        Id::Uts => namespace(args, Namespace::Uts, value)?,
        Id::Ipc => namespace(args, Namespace::Ipc, value)?,
        Id::Net => namespace(args, Namespace::Net, value)?,
        Id::Pid => namespace(args, Namespace::Pid, value)?,
        Id::Cgroup => namespace(args, Namespace::Cgroup, value)?,
        Id::User => namespace(args, Namespace::User, value)?,
        Id::Time => namespace(args, Namespace::Time, value)?,
        Id::NetSocket => {
            let fd = number(&text()).parse().ok().filter(|fd| *fd >= 0);
            args.net_socket = Some(fd.ok_or_else(|| {
                hinted(format!("{:?} is not a descriptor's number", text()), "ls -l /proc/PID/fd lists the target's")
            })?);
        }
        Id::UserParent => args.user_parent = true,
        Id::Setuid => args.credentials.user = Some(id(&text(), "user")?),
        Id::Setgid => args.credentials.group = Some(id(&text(), "group")?),
        Id::PreserveCredentials => args.credentials.preserve = true,
        Id::KeepCaps => args.credentials.keep_capabilities = true,
        // Once the target's was asked for, it is taken, as in nsenter.
        Id::Root if args.root == Some(Directory::Target) => {}
        Id::Root => args.root = Some(path.map_or(Directory::Target, Directory::Path)),
        Id::Wd => {
            let known = args.working_directory.clone().filter(|known| *known == WorkingDirectory::Target);
            let folder = known.unwrap_or_else(|| path.map_or(WorkingDirectory::Target, WorkingDirectory::Path));
            working_directory(args, Some(folder), |set| matches!(set, WorkingDirectory::Inside(_)))?;
        }
        // Without a folder it says nothing, as in nsenter.
        Id::Wdns => working_directory(args, path.map(WorkingDirectory::Inside), |set| {
            !matches!(set, WorkingDirectory::Inside(_))
        })?,
        Id::Env => args.env_of_target = true,
        Id::KeepEnv => args.keep_env = true,
        Id::SetEnv => args.variables.push(variable(value.unwrap_or_default())?),
        Id::EnvFile => args.variables.extend(path.map(Variables::File)),
        Id::Workdir => working_directory(args, path.map(WorkingDirectory::Inside), |set| {
            !matches!(set, WorkingDirectory::Inside(_))
        })?,
        Id::As => {
            args.user = Some(value.filter(|user| !user.is_empty()).ok_or_else(|| {
                hinted("option --as has an empty value", "it takes USER or USER:GROUP; is a variable empty?")
            })?)
        }
        Id::Privileged => args.privileged = true,
        Id::Pty => args.pty = Some(true),
        Id::NoPty => args.pty = Some(false),
        Id::NoFork => args.no_fork = true,
        Id::JoinCgroup => args.join_cgroup = true,
        Id::FollowContext => args.follow_context = true,
        Id::Sandbox => args.sandbox = true,
        Id::Raw => args.raw = true,
        Id::Host => args.host = Some(text()),
        Id::Context => args.context = Some(text()),
        Id::Wait => args.wait = Some(path.map_or(Ok(LONGEST_TIMEOUT), |_| duration(&text()))?),
        Id::StateRoot => args.state_roots.extend(path),
        Id::Timeout => args.timeout = duration(&text())?,
        Id::Print => args.action = Action::Print,
        Id::Verbose => args.verbose = true,
        Id::Help => args.action = if long { Action::LongHelp } else { Action::Help },
        Id::Version => args.action = Action::Version,
    }
    Ok(())
}

fn namespace(args: &mut Args, namespace: Namespace, value: Option<OsString>) -> Result<(), UsageError> {
    let word = match value {
        None => None,
        Some(value) => Some(match value.to_str().and_then(|text| text.strip_prefix(':')) {
            Some(id) => {
                let bad =
                    |_| hinted(format!("{id:?} is not a namespace's ID"), "it is a number; --net=FILE takes a file");
                NamespaceWord::Id(number(id).parse().map_err(bad)?)
            }
            None => NamespaceWord::File(PathBuf::from(value)),
        }),
    };
    match args.namespaces.iter_mut().find(|(named, _)| *named == namespace) {
        Some((_, given)) => *given = word.or(given.take()),
        None => args.namespaces.push((namespace, word)),
    }
    Ok(())
}

fn working_directory(
    args: &mut Args,
    folder: Option<WorkingDirectory>,
    excluded: impl Fn(&WorkingDirectory) -> bool,
) -> Result<(), UsageError> {
    if args.working_directory.as_ref().is_some_and(excluded) {
        return Err(hinted("options --wd and --wdns exclude each other", "--wdns is the folder as it is inside"));
    }
    args.working_directory = folder.or(args.working_directory.take());
    Ok(())
}

/// `NAME=VALUE` or `NAME`, as docker has it.
fn variable(word: OsString) -> Result<Variables, UsageError> {
    match word.as_encoded_bytes().first() {
        None | Some(b'=') => {
            Err(hinted(format!("{word:?} sets no variable"), "write NAME=VALUE, or NAME for your own"))
        }
        Some(_) => Ok(Variables::One(word)),
    }
}

fn id(text: &str, what: &str) -> Result<UserOrGroup, UsageError> {
    match text {
        "follow" => Ok(UserOrGroup::Follow),
        text => number(text).parse().map(UserOrGroup::Number).map_err(|_| {
            hinted(format!("{text:?} is not the number of a {what}"), "a number, or the word follow for the target's")
        }),
    }
}

/// A length of time, in seconds or with units.
pub(crate) fn duration(text: &str) -> Result<Duration, UsageError> {
    let seconds = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let found = seconds.or_else(|| humantime::parse_duration(text).ok());
    found
        .map(|duration| duration.min(LONGEST_TIMEOUT))
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| hinted(format!("{text:?} is not a duration"), "write it like 500ms, 2s or 1m"))
}

/// A number as strtoul(3) takes it: `ps -o pid=` pads with blanks.
fn number(text: &str) -> &str {
    let text = text.trim_ascii_start();
    text.strip_prefix('+').unwrap_or(text)
}

/// `-t`: nsenter's `PID[:INODE]`; otherwise a container.
fn target(args: &mut Args, word: &str) -> Result<(), UsageError> {
    if args.target.is_some() {
        return Err(hinted("option --target may be given only once", "one line enters one target"));
    }
    let (pid, inode) = word.split_once(':').map_or((word, None), |(pid, inode)| (pid, Some(inode)));
    let (pid, inode) = (number(pid), inode.map(number));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_process = digits(pid) && inode.is_none_or(digits);
    if !is_process && args.called_as == CalledAs::Cnsenter && !word.starts_with('-') {
        args.target = Some(reference(word)?);
        return Ok(());
    }
    match (pid.parse().ok().filter(|pid| is_process && *pid > 0), inode.map(str::parse).transpose()) {
        (Some(pid), Ok(inode)) => {
            args.target = Some(TargetWord::Process { pid, inode });
            Ok(())
        }
        _ => {
            // Docker's short IDs can be all digits.
            let hint = match is_process && pid.len() > 9 && args.called_as == CalledAs::Cnsenter {
                true => format!("if it is a container's ID: -t docker://{word}"),
                false => "a pid is a number from 1 on".to_owned(),
            };
            Err(UsageError { as_nsenter: true, ..hinted(format!("{word:?} is not a pid"), hint) })
        }
    }
}

pub(super) fn reference(word: &str) -> Result<TargetWord, UsageError> {
    word.parse().map(TargetWord::Reference).map_err(|error: ReferenceError| {
        let hint = match &error {
            ReferenceError::Empty => "name a container: cnsenter ls lists them".to_owned(),
            ReferenceError::Runtime { .. } => {
                "it asks docker://, podman://, containerd://, cri-o://, oci://, lxc:// and nspawn://".to_owned()
            }
            ReferenceError::Form { .. } => "cnsenter --help shows the forms of TARGET".to_owned(),
            ReferenceError::Character { .. } if word.starts_with('-') => {
                "options come before TARGET: cnsenter OPTION... TARGET PROGRAM".to_owned()
            }
            ReferenceError::Character { .. } if word.contains('/') => {
                format!("for a namespace's file, attach it: --net={word}; for a folder inside: --workdir {word}")
            }
            ReferenceError::Character { .. } if word.contains('=') => format!("to set a variable: -E {word}"),
            ReferenceError::Character { .. } => "cnsenter ls lists the names of containers".to_owned(),
        };
        hinted(error.to_string(), hint)
    })
}
