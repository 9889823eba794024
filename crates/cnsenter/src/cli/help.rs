//! The command line as clap knows it: for the help, the man pages and the completions. Nothing of it runs on the way
//! from argv to exec, where building it costs more than the parser (docs/architecture.md, under "Start-up").

use clap::builder::StyledStr;
use clap::builder::styling::{AnsiColor, Styles};
use clap::{Arg, ArgAction, ColorChoice, Command};

use super::options::{OPTIONS, Opt, Value};
use crate::subcommand::Subcommand;

/// What it is for, in a line.
pub const ABOUT: &str = "Name a container, choose the namespaces, run a program there";

/// How it is called.
pub const USAGES: [&str; 2] =
    ["cnsenter [OPTION...] [TARGET] [--] [PROGRAM [ARGUMENT...]]", "cnsenter SUBCOMMAND [OPTION...] [WORD...]"];

/// Lines that can be run as they stand, shown by `--help` and the man page.
pub const EXAMPLES: &[(&str, &str)] = &[
    ("cnsenter --net nginx -- tcpdump -i eth0", "the host's tcpdump in the network of the container nginx"),
    ("cnsenter --sandbox bc5db459d077 iptables -nvL -t mangle", "by the engine's netns file, not by a process"),
    ("cnsenter --sandbox ingress_sbox ipvsadm -ln", "a sandbox that has no container: swarm's ingress"),
    ("cnsenter --net pod/default/web-7d9f -- ss -ltnp", "a Kubernetes pod on this node, by containerd's state"),
    ("cnsenter --wait nginx", "a container that crashes at once: as soon as it runs again"),
    ("cnsenter nginx", "a shell among the container's files, in all its namespaces"),
    ("cnsenter --print --net nginx ss -ltn", "nsenter's line for it, good until the container restarts"),
    ("cnsenter -n -t 6700 ip address", "by pid: every nsenter line works as it stands"),
];

/// What TARGET is.
pub const TARGETS: &str = "\
TARGET is a container's name, ID or unique ID prefix. Docker is asked first, then
every other runtime of this host. Named, only one is asked, or none needs to be:

  docker://NAME  podman://NAME  lxc://NAME  nspawn://NAME
  containerd://[NAMESPACE/]ID  cri-o://ID  oci://ID    as pasted from a pod's status
  pod/NAMESPACE/POD[/CONTAINER]                        a Kubernetes pod on this node
  compose://PROJECT/SERVICE[/N]                        a container of Compose

An engine that does not answer is done without: its state on disk names the process.
Where every namespace has a file (--net=FILE) or -t names a process, there is no
TARGET, and the first word is the program. Without a program, a shell is run.";

/// What the exit status says.
pub const STATUSES: &[(&str, &str)] = &[
    ("125", "cnsenter's own failure (1 with -t PID or files alone, as nsenter)"),
    ("126", "the program is there and cannot be executed"),
    ("127", "there is no such program"),
    ("128+N", "signal N ended the program"),
    ("else", "the program's own"),
];

/// The colours of help.
pub fn styles() -> Styles {
    Styles::styled()
        .header(AnsiColor::Yellow.on_default().bold())
        .usage(AnsiColor::Yellow.on_default().bold())
        .literal(AnsiColor::Green.on_default())
        .placeholder(AnsiColor::Cyan.on_default())
}

/// The whole command line.
pub fn command() -> Command {
    let mut command = Command::new("cnsenter")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        // Below each other: clap writes `Usage: ` before the first.
        .override_usage(USAGES.join("\n       "))
        .styles(styles())
        .color(ColorChoice::Auto)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .arg(Arg::new("words").value_name("TARGET").num_args(0..).hide(true).trailing_var_arg(true));
    for option in OPTIONS {
        command = command.arg(arg(option));
    }
    command
}

/// A row of the table.
pub fn arg(option: &Opt) -> Arg {
    let mut arg = Arg::new(option.long).long(option.long).help(option.help).help_heading(option.group.heading());
    if let Some(short) = option.short {
        arg = arg.short(short);
    }
    match option.value {
        Value::None => arg.action(ArgAction::SetTrue),
        Value::Optional(name) => arg.value_name(name).num_args(0..=1).require_equals(true),
        Value::Required(name) => arg.value_name(name).num_args(1),
    }
}

/// `-h`: usage, options and subcommands. `--help`: and what TARGET is, examples, exit statuses.
pub fn help(long: bool) -> StyledStr {
    let subcommands = Subcommand::ALL.map(|it| (it.name(), it.about()));
    let width = subcommands.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let row = |(name, about): (&str, String)| format!("  {name:width$}  {about}\n");
    let subcommands = titled("Subcommands (the first word alone)", subcommands.map(row));
    let more = match long {
        true => {
            let examples = EXAMPLES.iter().map(|(line, what)| format!("  {line}\n      {what}\n"));
            let statuses = STATUSES.iter().map(|(status, when)| format!("  {status:6} {when}\n"));
            format!("{TARGETS}\n\n{}\n{}", titled("Examples", examples), titled("Exit status", statuses))
        }
        false => "cnsenter --help explains TARGET and shows examples, too; cnsenter man is the manual.".to_owned(),
    };
    command().after_help(format!("{subcommands}\n{more}")).render_help()
}

/// Lines below a heading, as clap has it.
fn titled(heading: &str, lines: impl IntoIterator<Item = String>) -> String {
    let styles = styles();
    let style = styles.get_header();
    let lines: String = lines.into_iter().collect();
    format!("{style}{heading}:{style:#}\n{lines}")
}
