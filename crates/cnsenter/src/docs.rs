//! Writes the man page and the completions from the table of options, for `cargo xtask dist`. Not shipped.

use std::io::{self, Write};

use clap_complete::{Shell, generate};
use cnsenter::cli::help;

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
    generate(shell, &mut help::command(), "cnsenter", &mut io::stdout());
    Ok(())
}

fn man() -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let page = clap_mangen::Man::new(help::command()).section("1").manual("cnsenter");
    page.render_title(&mut out)?;
    page.render_name_section(&mut out)?;
    page.render_synopsis_section(&mut out)?;
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
        ("NO_COLOR", "no colour in messages"),
    ] {
        writeln!(out, ".TP\n.B {name}\n{what}")?;
    }
    writeln!(out, ".SH FILES\n.TP\n.I /run/docker/netns\nthe network namespaces that Docker keeps")?;
    writeln!(out, ".SH \"SEE ALSO\"\nnsenter(1), setns(2), namespaces(7), docker(1), ip\\-netns(8)")?;
    Ok(())
}
