//! A page as its commands and what they print: parsing, and writing other outputs into its text. What is equal to what is
//! `compare`'s.

use anyhow::{Context, Result, bail, ensure};

/// What opens a block of commands. There are no other blocks: what is shown is executed.
const FENCE: &str = "```console";

/// A line of output that stands for any number of lines.
pub(crate) const DOTS: &str = "...";

/// A command of a page, and what the page shows of its output.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// The line of the page, from 1, on which the command begins.
    pub(crate) line: usize,
    /// The command, without the prompt; several lines where a backslash ends one.
    pub(crate) command: String,
    /// The lines of its output.
    pub(crate) output: Vec<String>,
}

/// All commands of a page, in their order. An error names the line of what would not be executed.
pub(crate) fn parse(text: &str) -> Result<Vec<Step>> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = (1..).zip(text.lines());
    while let Some((at, line)) = lines.next() {
        if line.starts_with("    ") || line.starts_with('\t') {
            bail!("line {at}: a block by its indent is not executed; open it with {FENCE}");
        }
        if !line.trim_start().starts_with("```") && !line.trim_start().starts_with("~~~") {
            continue;
        }
        ensure!(line == FENCE, "line {at}: a block that is not opened with {FENCE} is not executed: {line}");
        let block = steps.len();
        loop {
            let (at, line) = lines.next().with_context(|| format!("line {at}: this block has no end"))?;
            if line == "```" {
                break;
            }
            if let Some(command) = line.strip_prefix("$ ") {
                let mut command = command.to_owned();
                while command.ends_with('\\') {
                    let (_, more) = lines.next().with_context(|| format!("line {at}: this command has no end"))?;
                    command = format!("{command}\n{more}");
                }
                steps.push(Step { line: at, command, output: Vec::new() });
            } else if steps.len() > block {
                let step = steps.last_mut().context("no command")?;
                step.output.push(line.trim_end().to_owned());
            } else {
                bail!("line {at}: a block begins with a command, `$ …`: {line}");
            }
        }
        ensure!(steps.len() > block, "line {at}: this block has no command");
    }
    Ok(steps)
}

/// What was printed, without the lines that the page leaves out at three dots: it keeps those that begin with the same word as
/// a line of the page.
pub(crate) fn elide(shown: &[String], printed: &[String]) -> Vec<String> {
    if !shown.iter().any(|line| line == DOTS) {
        return printed.to_vec();
    }
    fn first(line: &str) -> &str {
        line.split_whitespace().next().unwrap_or_default()
    }
    let kept = |line: &String| shown.iter().any(|shown| first(shown) == first(line));
    let mut elided: Vec<String> = printed.iter().map(|line| if kept(line) { line } else { DOTS }.to_owned()).collect();
    elided.dedup_by(|line, before| line == DOTS && before == DOTS);
    elided
}

/// The page's text with other outputs, one for each step.
pub(crate) fn rewrite(text: &str, steps: &[Step], outputs: &[Vec<String>]) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    for (step, output) in steps.iter().zip(outputs).rev() {
        let begin = step.line - 1 + step.command.lines().count();
        let shown = output.iter().map(String::as_str);
        lines.splice(begin..begin + step.output.len(), shown);
    }
    lines.join("\n") + "\n"
}

#[test]
fn a_page_is_its_commands() -> Result<()> {
    let text = "# A\n\n```console\n$ one\n1  \n\n2\n$ two \\\n    more\n```\n\nText.\n\n```console\n$ three\n```\n";
    let step = |line, command: &str, output: &[&str]| Step {
        line,
        command: command.to_owned(),
        output: output.iter().map(|line| (*line).to_owned()).collect(),
    };
    let steps = [step(4, "one", &["1", "", "2"]), step(8, "two \\\n    more", &[]), step(15, "three", &[])];
    assert_eq!(parse(text)?, steps);

    let outputs = [vec!["0".to_owned()], vec!["2".to_owned()], vec!["3".to_owned(), "4".to_owned()]];
    let written =
        "# A\n\n```console\n$ one\n0\n$ two \\\n    more\n2\n```\n\nText.\n\n```console\n$ three\n3\n4\n```\n";
    assert_eq!(rewrite(text, &steps, &outputs), written);
    Ok(())
}

#[test]
fn what_is_left_out_stays_out() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let printed = lines("a 1\nb 2\nc 3\nd 4\n\n");
    assert_eq!(elide(&lines("...\nc 0\n..."), &printed), lines("...\nc 3\n..."));
    assert_eq!(elide(&lines("a 0\n...\nd 0"), &printed), lines("a 1\n...\nd 4\n..."));
    assert_eq!(elide(&lines("c 0"), &printed), printed);
}

#[test]
fn what_would_not_be_executed_is_an_error() {
    for (text, line) in [
        ("Text.\n\n```sh\none\n```\n", "line 3"),
        ("```\n$ one\n```\n", "line 1"),
        ("- item\n\n  ```console\n  $ one\n  ```\n", "line 3"),
        ("~~~console\n$ one\n~~~\n", "line 1"),
        ("Text.\n\n    one\n", "line 3"),
        ("Text.\n\n\tone\n", "line 3"),
        ("```console\none\n```\n", "line 2"),
        ("```console\n```\n", "line 1"),
        ("```console\n$ one\n", "line 1"),
        ("```console\n$ one \\\n", "line 2"),
    ] {
        let error = parse(text).expect_err(text).to_string();
        assert!(error.starts_with(line), "{text:?}: {error}");
    }
}
