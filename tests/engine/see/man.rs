//! The manual: what man(1), groff, mandoc and lexgrog say of its pages, and how it is shown where there is a man(1), a
//! pager, or neither.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use cnsenter::cli::help;
use cnsenter::cli::options::OPTIONS;
use testbed::pty::Session;
use testbed::{Scratch, output};

use crate::run::{cnsenter, quiet};

const SECTIONS: [&str; 10] = [
    "NAME",
    "SYNOPSIS",
    "DESCRIPTION",
    "OPTIONS",
    "EXAMPLES",
    "EXIT STATUS",
    "ENVIRONMENT",
    "FILES",
    "SECURITY",
    "SEE ALSO",
];

/// The words after `cnsenter man` for each page: what they are completed with, and none.
fn pages() -> Result<Vec<Vec<String>>> {
    let words = quiet(["completions", "zsh", "--", "man", ""])?;
    let words = words.lines().skip(1).map(|line| vec![line.split('\t').next().unwrap_or_default().to_owned()]);
    let pages: Vec<_> = std::iter::once(Vec::new()).chain(words).collect();
    ensure!(pages.len() == 7, "{pages:?}");
    Ok(pages)
}

fn name(page: &[String]) -> String {
    [&["cnsenter".to_owned()], page].concat().join("-")
}

fn shown(page: &[String], more: &[&str]) -> Result<String> {
    quiet(["man"].into_iter().chain(page.iter().map(String::as_str)).chain(more.iter().copied()))
}

#[test]
fn whoever_formats_a_page_has_nothing_to_say_against_it() -> Result<()> {
    let folder = Scratch::new()?;
    for page in pages()? {
        let file = folder.path().join(format!("{}.1", name(&page)));
        fs::write(&file, shown(&page, &["--roff"])? + "\n")?;
        for line in ["man --warnings -E UTF-8 -l -Tutf8 -Z", "groff -ww -z -man -Tutf8", "mandoc -Tlint -Wstyle"] {
            let mut words = line.split(' ');
            let mut command = Command::new(words.next().context("a program")?);
            let output = output::run(command.args(words).arg(&file))?;
            // The day of the last change is known to nobody when a page is made.
            let said = format!("{}{}", output.stderr, if line.starts_with("mandoc") { &output.stdout } else { "" });
            let said: Vec<_> = said.lines().filter(|line| !line.contains("missing date")).collect();
            assert!(said.is_empty(), "{line}: {said:#?}");
        }
        let whatis = output::stdout(Command::new("lexgrog").arg(&file))?;
        assert!(whatis.contains(&format!(": \"{} - ", name(&page))), "{whatis}");
    }
    Ok(())
}

#[test]
fn a_page_has_its_sections_and_every_option_of_the_help() -> Result<()> {
    for page in pages()? {
        let text = shown(&page, &[])?;
        let headings: Vec<_> = text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase())).collect();
        let known: Vec<_> = headings.iter().filter(|heading| SECTIONS.contains(heading)).copied().collect();
        assert_eq!(known, SECTIONS, "{headings:?}");
        let help = quiet(page.iter().map(String::as_str).chain(["--help"]))?;
        let mut options = 0;
        for line in help.lines().filter(|line| line.starts_with("  -") || line.starts_with("      --")) {
            // The spellings, without value and explanation.
            let long = line.split("--").nth(1).context("a long option")?;
            let long = long.split([' ', '=', '[']).next().unwrap_or_default();
            let short = line.trim_start().strip_prefix('-').filter(|rest| !rest.starts_with('-'));
            let term = match short {
                Some(short) => format!("       -{}, --{long}", &short[..1]),
                None => format!("       --{long}"),
            };
            let ends = |rest: &str| rest.is_empty() || rest.starts_with([' ', '[']);
            assert!(text.lines().any(|line| line.strip_prefix(&term).is_some_and(ends)), "{term:?}\n{text}");
            options += 1;
        }
        assert!(options > 0 && (!page.is_empty() || options == OPTIONS.len()), "{options}");
    }
    Ok(())
}

#[test]
fn text_is_what_man_makes_of_the_source() -> Result<()> {
    let folder = Scratch::new()?;
    // Words alone: lines are filled in another way.
    let words =
        |text: &str| -> Vec<String> { text.replace("\u{2010}\n", "").split_whitespace().map(str::to_owned).collect() };
    for page in pages()? {
        let file = folder.path().join("page.1");
        fs::write(&file, shown(&page, &["--roff"])? + "\n")?;
        let mut man = Command::new("man");
        man.args(["--nh", "-l", "-Tutf8", "-P", "cat"]).arg(&file).env("MANROFFOPT", "-P-cbou");
        let by_man = output::stdout(&mut man)?;
        let inner = |text: &str| -> Result<Vec<String>> {
            let at = text.find("NAME\n").context("no NAME")?;
            Ok(words(&text[at..]))
        };
        let (mut by_man, mut ours) = (inner(&by_man)?, inner(&shown(&page, &[])?)?);
        // The last lines say the version, each in its own way.
        let end = |all: &[String]| all.iter().rposition(|word| word == "cnsenter").unwrap_or(0);
        by_man.truncate(end(&by_man));
        ours.truncate(end(&ours));
        assert_eq!(ours, by_man, "{page:?}");
    }
    Ok(())
}

/// `cnsenter man WORDS` on a terminal, with these programs alone.
fn on_terminal(words: &[&str], programs: &[(&str, &str)], variables: &[(&str, &str)]) -> Result<String> {
    let folder = Scratch::new()?;
    for (name, script) in programs {
        let file = folder.path().join(name);
        fs::write(&file, script)?;
        rustix::fs::chmod(&file, rustix::fs::Mode::from_raw_mode(0o755))?;
    }
    let mut command = cnsenter(["man"].iter().chain(words));
    for variable in ["MANPAGER", "PAGER", "MANWIDTH", "COLUMNS"] {
        command.env_remove(variable);
    }
    command.env("PATH", folder.path()).envs(variables.iter().copied());
    let session = Session::spawn(&mut command)?;
    session.resize(50, 70)?;
    let (status, shown) = session.finish()?;
    assert_eq!(status, 0, "{shown}");
    Ok(shown.replace("\r\n", "\n"))
}

#[test]
fn a_terminal_is_shown_it_by_man_by_a_pager_or_by_nobody() -> Result<()> {
    const SEES: &str = "#!/bin/sh\necho \"$0 $*\"\n/bin/grep -c '[.]TH \"CNSENTER' || /bin/echo text\n";
    let by = |name: &str, words: &str, shown: &str| {
        let first = shown.lines().next().unwrap_or_default();
        assert!(first.ends_with(&format!("/{name} {words}")), "{shown}");
    };
    let shown = on_terminal(&["ls"], &[("man", SEES), ("less", SEES)], &[])?;
    by("man", "/dev/stdin", &shown);
    assert!(shown.ends_with("\n1\n"), "{shown}");
    let shown = on_terminal(&[], &[("less", SEES)], &[])?;
    by("less", "", &shown);
    assert!(shown.ends_with("text\n"), "{shown}");
    let pager = [("less", SEES), ("mine", SEES), ("other", SEES)];
    by("mine", "-R x", &on_terminal(&[], &pager, &[("PAGER", "mine -R x")])?);
    by("other", "", &on_terminal(&[], &pager, &[("PAGER", "mine -R x"), ("MANPAGER", "other")])?);
    by("less", "", &on_terminal(&[], &pager, &[("PAGER", "nonexistent"), ("MANPAGER", "")])?);
    let text = on_terminal(&["who"], &[], &[])?;
    assert!(text.starts_with("NAME\n       cnsenter-who - "), "{text}");
    Ok(())
}

#[test]
fn the_real_man_shows_it() -> Result<()> {
    let mut command = cnsenter(["man", "inspect"]);
    command.env("MANPAGER", "cat").env_remove("MANWIDTH");
    let (status, shown) = Session::spawn(&mut command)?.finish()?;
    assert_eq!(status, 0, "{shown}");
    // Only man(1) writes that.
    assert!(shown.contains("User Commands"), "{shown}");
    Ok(())
}

#[test]
fn the_page_of_cnsenter_names_each_subcommand_and_example() -> Result<()> {
    let text = shown(&[], &[])?;
    for page in pages()?.iter().skip(1) {
        assert!(text.contains(&format!("{}(1)", name(page))), "{page:?}");
    }
    for (line, _) in help::EXAMPLES {
        assert!(text.contains(&format!("\n       {line}\n")), "{line}");
    }
    Ok(())
}
