//! Writes the man page and the completions from the table of options, for `cargo xtask dist`. Not shipped.

use std::io::{self, Write};

use clap::{Arg, ValueHint};
use clap_complete::{Shell, generate};
use cnsenter::cli::help;
use cnsenter::cli::options::{OPTIONS, Value};

fn main() -> anyhow::Result<()> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let shell = match words[..] {
        ["man"] => return man(),
        ["completions", "bash"] => Shell::Bash,
        ["completions", "zsh"] => Shell::Zsh,
        ["completions", "fish"] => Shell::Fish,
        _ => anyhow::bail!("usage: cnsenter-docs man | completions bash|zsh|fish"),
    };
    // zsh takes a colon in a value's name for the end of it.
    let plain = |arg: Arg| {
        let option = OPTIONS.iter().find(|option| arg.get_id() == option.long);
        let name = option.and_then(|option| match option.value {
            Value::None => None,
            Value::Optional(name) | Value::Required(name) => name.split([':', '|', '[']).next(),
        });
        let hint = match name {
            Some("FILE" | "SOCKET") => ValueHint::FilePath,
            Some("DIR") => ValueHint::DirPath,
            _ => ValueHint::Other,
        };
        match name {
            Some(name) => arg.value_name(name).value_hint(hint),
            None => arg,
        }
    };
    generate(shell, &mut help::command().mut_args(plain), "cnsenter", &mut io::stdout());
    Ok(())
}

fn man() -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let source = concat!("cnsenter ", env!("CARGO_PKG_VERSION"));
    let page = clap_mangen::Man::new(help::command()).title("CNSENTER").section("1").date("").source(source);
    page.render_title(&mut out)?;
    page.render_name_section(&mut out)?;
    page.render_synopsis_section(&mut out)?;
    let described = format!("{}.\n{}", help::ABOUT, help::TARGETS).replace('-', "\\-");
    writeln!(out, ".SH DESCRIPTION\n{described}")?;
    page.render_options_section(&mut out)?;
    writeln!(out, ".SH EXAMPLES")?;
    for (line, what) in help::EXAMPLES {
        writeln!(out, ".TP\n.B {}\n{what}", line.replace('-', "\\-"))?;
    }
    writeln!(out, ".SH \"EXIT STATUS\"")?;
    for (status, when) in [
        ("125", "cnsenter itself failed (1 with \\-t PID or files alone, as nsenter)"),
        ("126", "the program is there and cannot be executed"),
        ("127", "there is no such program"),
        ("128+N", "signal N ended the program"),
        ("else", "the program's own"),
    ] {
        writeln!(out, ".TP\n.B {status}\n{when}")?;
    }
    writeln!(out, ".SH ENVIRONMENT")?;
    for (name, what) in [
        ("DOCKER_HOST, DOCKER_CONTEXT, DOCKER_CONFIG", "as docker(1) has them"),
        ("SHELL", "what is run where no program is named"),
        ("TERM", "handed on to a program among a container's files"),
        ("NO_COLOR", "no colour in messages"),
    ] {
        writeln!(out, ".TP\n.B {name}\n{what}")?;
    }
    writeln!(out, ".SH FILES")?;
    for (file, what) in [
        ("/run/docker/netns", "the network namespaces that Docker keeps"),
        ("/var/run/docker.sock", "the engine, unless something else is said"),
        ("~/.docker/config.json, ~/.docker/contexts", "the Docker client's contexts"),
    ] {
        writeln!(out, ".TP\n.I {file}\n{what}")?;
    }
    writeln!(out, ".SH \"SEE ALSO\"\nnsenter(1), setns(2), namespaces(7), docker(1), ip\\-netns(8)")?;
    Ok(())
}
