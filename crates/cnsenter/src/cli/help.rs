//! The command line as clap knows it: for the help, the man page and the completions. Nothing of it runs on the way
//! from argv to exec, where building it costs more than the parser (docs/architecture.md, under "Start-up").

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Arg, ArgAction, ColorChoice, Command};

use super::options::{OPTIONS, Opt, Value};

/// What it is for, in a line.
pub const ABOUT: &str = "Name a container, choose the namespaces, run a program there";

const USAGE: &str = "cnsenter [OPTION...] [TARGET] [--] [PROGRAM [ARGUMENT...]]";

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

const STATUS: &str = "\
Exit status: the program's; 128+N if signal N ended it; 127 no such program;
126 it is there and cannot be executed; 125 cnsenter's own failure (1 with -t PID or
files alone, as nsenter).";

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
        .override_usage(USAGE)
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

/// The examples, a line each, with what they do.
fn examples() -> String {
    EXAMPLES.iter().map(|(line, what)| format!("  {line}\n      {what}\n")).collect()
}

/// `-h`: usage and options. `--help`: and what TARGET is, examples, exit statuses.
pub fn help(long: bool) -> clap::builder::StyledStr {
    let command = command();
    let mut command = match long {
        true => command.after_help(format!("{TARGETS}\n\nExamples:\n{}\n{STATUS}", examples())),
        false => command.after_help("cnsenter --help explains TARGET and shows examples, too."),
    };
    command.render_help()
}
