//! The pages of docs/runbooks, executed: every command, in the order of the page, on a host that has the page's fault, and
//! its output compared with what the page shows. `RUNBOOKS=write` writes what was printed into the page instead, where it
//! differs. What a page is belongs in `page`, what may vary in `compare`, the faults in `scenarios`, one file a page.

mod compare;
mod page;
mod scenarios;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use compare::Names;
use page::Step;
use similar::{Algorithm, ChangeTag};
use testbed::host::Host;

/// The name of a page's file, without `.md`, and its scenario.
type Scenario = fn(&Host) -> Result<()>;

/// Makes a test of each page, and a list of all.
macro_rules! pages {
    ($($name:ident: $file:literal),* $(,)?) => {
        /// The pages that are tested.
        const PAGES: &[&str] = &[$($file),*];
        $(
            #[test]
            fn $name() -> Result<()> {
                run($file, scenarios::$name::make)
            }
        )*
    };
}

pages! {
    name_does_not_resolve: "name-does-not-resolve",
    published_port_is_dead: "published-port-is-dead",
    connection_times_out: "connection-times-out",
    swarm_ingress: "swarm-ingress",
    cpu_memory_oom: "cpu-memory-oom",
    crash_loop: "crash-loop",
    from_nsenter_by_hand: "from-nsenter-by-hand",
}

#[test]
fn every_page_has_its_scenario_and_is_in_the_index() -> Result<()> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder())? {
        found.insert(entry?.file_name().into_string().ok().context("a name that is no text")?);
    }
    let index = std::fs::read_to_string(folder().join("README.md"))?;
    ensure!(page::parse(&index)?.is_empty(), "the index has commands, which no scenario executes");
    let mut expected = BTreeSet::from(["README.md".to_owned()]);
    expected.extend(PAGES.iter().map(|page| format!("{page}.md")));
    assert_eq!(found, expected, "the files of docs/runbooks, and the pages that have a scenario");
    for page in PAGES {
        ensure!(index.contains(&format!("]({page}.md)")), "docs/runbooks/README.md does not link {page}.md");
    }
    Ok(())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/runbooks")
}

/// Executes a page on a host of its own.
fn run(name: &str, scenario: Scenario) -> Result<()> {
    let path = folder().join(format!("{name}.md"));
    let text = std::fs::read_to_string(&path)?;
    let steps = page::parse(&text).with_context(|| format!("docs/runbooks/{name}.md"))?;
    ensure!(!steps.is_empty(), "docs/runbooks/{name}.md has no command");
    let host = Host::start()?;
    scenario(&host).with_context(|| format!("the scenario of docs/runbooks/{name}.md"))?;

    let mut names = Names::default();
    let mut outputs = Vec::new();
    let mut report = String::new();
    for step in &steps {
        // Seen only when the test fails, or is ended because a command does not end.
        eprintln!("{name}.md:{}: $ {}", step.line, step.command);
        let printed = execute(&host, &names.real(&step.command))?;
        if let Some(matched) = compare::matches(&step.output, &printed, &names) {
            names = matched;
            outputs.push(step.output.clone());
            continue;
        }
        let shown: Vec<String> = printed.iter().map(|line| names.shown(line)).collect();
        shown.iter().for_each(|line| names.take(line));
        write!(report, "\ndocs/runbooks/{name}.md:{}:\n$ {}\n{}", step.line, step.command, diff(step, &shown))?;
        outputs.push(page::elide(&step.output, &shown));
    }
    if report.is_empty() {
        return Ok(());
    }
    if std::env::var_os("RUNBOOKS").is_some_and(|value| value == "write") {
        std::fs::write(&path, page::rewrite(&text, &steps, &outputs))?;
        return Ok(());
    }
    bail!("- is the page, + is what was printed\n{report}\nRUNBOOKS=write writes what was printed into the page")
}

/// Runs a command as a person would paste it; what it printed on both streams, as a terminal shows them.
fn execute(host: &Host, command: &str) -> Result<Vec<String>> {
    let cnsenter = Path::new(env!("CARGO_BIN_EXE_cnsenter"));
    let programs = cnsenter.parent().context("no folder")?;
    let path = std::env::var("PATH").unwrap_or_default();
    let (mut reader, writer) = std::io::pipe()?;
    let mut shell = host.command(command);
    shell.env_clear().env("PATH", format!("{}:{path}", programs.display()));
    shell.env("HOME", "/root").env("LC_ALL", "C.UTF-8").env("TERM", "dumb").env("TZ", "UTC");
    shell.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = shell.spawn().context("cannot run nsenter")?;
    // It holds the pipe's other end.
    drop(shell);
    let mut printed = Vec::new();
    reader.read_to_end(&mut printed)?;
    child.wait()?;
    Ok(String::from_utf8_lossy(&printed).lines().map(|line| as_on_a_terminal(line).to_owned()).collect())
}

/// A shell that runs a script says more of a program's death by a signal than one that somebody types into.
fn as_on_a_terminal(line: &str) -> &str {
    if line.starts_with("bash: line ") && line.contains(" Killed ") { "Killed" } else { line.trim_end() }
}

/// What the page has and what was printed, side by side where they differ.
fn diff(step: &Step, printed: &[String]) -> String {
    let canonical = |lines: &[String]| lines.iter().map(|line| compare::canonical(line)).collect::<Vec<_>>();
    let (page, found) = (canonical(&step.output), canonical(printed));
    let mut text = String::new();
    for op in similar::capture_diff_slices(Algorithm::Myers, &page, &found) {
        for change in op.iter_changes(&page, &found) {
            let line =
                |lines: &[String], at: Option<usize>| at.and_then(|at| lines.get(at)).cloned().unwrap_or_default();
            let (sign, line) = match change.tag() {
                ChangeTag::Delete => ('-', line(&step.output, change.old_index())),
                ChangeTag::Insert => ('+', line(printed, change.new_index())),
                ChangeTag::Equal => (' ', line(printed, change.new_index())),
            };
            text.push_str(&format!("{sign}{line}\n"));
        }
    }
    text
}
