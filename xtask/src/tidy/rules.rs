//! Rules about texts, each a pure function over a file's path and content. Rules about dependencies are in
//! `deps`. Strings that a rule looks for are put together here, so that this file doesn't break its own rules.

use super::Finding;

/// What may stand at the top of the tree, besides dotfiles.
const TOP: [&str; 11] = [
    "Cargo.toml",
    "Cargo.lock",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "crates",
    "deny.toml",
    "docs",
    "rustfmt.toml",
    "tests",
    "xtask",
];

/// A file of more lines than this is to be split, and of more than [`MAX_LINES`] must be.
const MANY_LINES: usize = 400;
const MAX_LINES: usize = 500;

/// How far above an `unsafe` its reason may begin.
const SAFETY_WITHIN: usize = 3;

fn finding(place: String, what: &str) -> Finding {
    Finding { place, what: what.to_owned() }
}

/// Every rule about one file.
pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = addresses(path, text);
    if path.ends_with(".rs") {
        findings.extend(opening(path, text));
        findings.extend(length(path, text));
        findings.extend(safety(path, text));
        if path.starts_with("crates/") {
            findings.extend(threads(path, text));
        }
        if ["resolve", "enter", "survey"].iter().any(|library| path.starts_with(&format!("crates/{library}/src"))) {
            findings.extend(prints(path, text));
        }
    }
    findings
}

/// Nothing stands at the top of the tree but what the design allows.
pub(super) fn top_level(files: &[String]) -> Vec<Finding> {
    let mut tops: Vec<&str> = files.iter().filter_map(|file| file.split('/').next()).collect();
    tops.dedup();
    let strange = tops.into_iter().filter(|top| !top.starts_with('.') && !TOP.contains(top));
    strange.map(|top| finding(top.to_owned(), "nothing new belongs at the top of the tree")).collect()
}

/// The pictures that a page shows are there.
pub(super) fn pictures(path: &str, text: &str, files: &[String]) -> Vec<Finding> {
    if !path.ends_with(".md") {
        return Vec::new();
    }
    let folder = path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let sources = text.split("<img src=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let missing = sources.filter(|source| !files.contains(&format!("{folder}{source}")));
    missing.map(|source| finding(path.to_owned(), &format!("shows the picture {source}, which is not there"))).collect()
}

/// Every file says first what belongs in it.
fn opening(path: &str, text: &str) -> Option<Finding> {
    (!text.starts_with("//!")).then(|| finding(path.to_owned(), "does not open with `//!` and what belongs in it"))
}

fn length(path: &str, text: &str) -> Option<Finding> {
    let lines = text.lines().count();
    if lines > MANY_LINES && lines <= MAX_LINES {
        println!("warning: {path}: {lines} lines; more than {MAX_LINES} are not allowed");
    }
    (lines > MAX_LINES).then(|| finding(path.to_owned(), &format!("has {lines} lines, more than {MAX_LINES}")))
}

/// In two pieces, so that nobody who looks for it stops here.
const UNSAFE: &str = concat!("un", "safe");

/// Every `unsafe` says right above why it is sound.
fn safety(path: &str, text: &str) -> Vec<Finding> {
    let lines: Vec<&str> = text.lines().collect();
    let mut findings = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = code(line);
        let opens = ["{", "fn ", "impl ", "extern "].iter().any(|next| code.contains(&format!("{UNSAFE} {next}")));
        let reason = lines[at.saturating_sub(SAFETY_WITHIN)..=at].iter().any(|line| line.contains("SAFETY"));
        if opens && !reason {
            findings.push(finding(format!("{path}:{}", at + 1), "`unsafe` without a SAFETY comment right above"));
        }
    }
    findings
}

/// No thread is ever started: a process of two threads can't join a user or mount namespace.
fn threads(path: &str, text: &str) -> Vec<Finding> {
    let starters = ["thread::spawn", "thread::scope", "thread::Builder", "spawn_blocking", "new_multi_thread"];
    found(path, text, &starters, "starts a thread")
}

/// Libraries print nothing: that is the binary's.
fn prints(path: &str, text: &str) -> Vec<Finding> {
    found(path, text, &["print!(", "println!(", "stdout()", "stderr()"], "a library prints nothing")
}

/// The lines of code, up to the tests at a file's end, in which one of the words stands.
fn found(path: &str, text: &str, words: &[&str], what: &str) -> Vec<Finding> {
    let tested = text.lines().take_while(|line| line.trim() != "#[cfg(test)]");
    let lines = tested.enumerate().filter(|(_, line)| words.iter().any(|word| code(line).contains(word)));
    lines.map(|(at, _)| finding(format!("{path}:{}", at + 1), what)).collect()
}

/// Nobody's machine and no registry is named in the tree.
fn addresses(path: &str, text: &str) -> Vec<Finding> {
    // Cargo writes its own registry into the lock file.
    if path == "Cargo.lock" {
        return Vec::new();
    }
    let hosts = [
        ["/work", "/"].concat(),
        ["deb.debian", ".org"].concat(),
        ["security.debian", ".org"].concat(),
        ["index.crates", ".io"].concat(),
        ["static.crates", ".io"].concat(),
        ["registry.npmjs", ".org"].concat(),
    ];
    let mut findings = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let named = hosts.iter().filter(|host| line.contains(host.as_str()));
        for host in named {
            let what = format!("names a machine's folder or a registry ({host})");
            findings.push(Finding { place: format!("{path}:{}", at + 1), what });
        }
    }
    findings
}

/// A line without its comment and without what stands in string literals.
fn code(line: &str) -> String {
    let mut code = String::new();
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\\' if quoted => drop(chars.next()),
            '"' => quoted = !quoted,
            '/' if !quoted && chars.peek() == Some(&'/') => break,
            _ if !quoted => code.push(char),
            _ => {}
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(findings: impl IntoIterator<Item = Finding>) -> Vec<String> {
        findings.into_iter().map(|finding| finding.place).collect()
    }

    #[test]
    fn a_file_without_an_opening() {
        assert_eq!(places(opening("a.rs", "use std::io;\n")), ["a.rs"]);
        assert!(opening("a.rs", "//! What belongs here.\n").is_none());
    }

    #[test]
    fn a_file_that_is_too_long() {
        assert_eq!(places(length("a.rs", &"\n".repeat(501))), ["a.rs"]);
        assert!(length("a.rs", &"\n".repeat(400)).is_none());
    }

    #[test]
    fn unsafe_without_a_reason() {
        let block = format!("{UNSAFE} {{ g() }}");
        assert_eq!(places(safety("a.rs", &format!("fn f() {{\n    {block}\n}}\n"))), ["a.rs:2"]);
        assert_eq!(places(safety("a.rs", &format!("{UNSAFE} extern \"C\" {{\n}}\n"))), ["a.rs:1"]);
        assert!(safety("a.rs", &format!("// SAFETY: g asks for nothing.\n{block}\n")).is_empty());
        assert!(safety("a.rs", &format!("// {block}\nlet text = \"{block}\";\n")).is_empty());
    }

    #[test]
    fn a_thread_in_a_crate() {
        let text = "//! A.\nfn f() {\n    std::thread::spawn(g);\n}\n";
        assert_eq!(places(check("crates/enter/src/a.rs", text)), ["crates/enter/src/a.rs:3"]);
        assert!(check("tests/testbed/src/a.rs", text).is_empty());
        assert!(threads("a.rs", "// no thread::spawn here\n").is_empty());
    }

    #[test]
    fn a_library_that_prints() {
        let text = "//! A.\nfn f() {\n    eprintln!(\"a\");\n    writeln!(std::io::stderr(), \"a\");\n}\n";
        assert_eq!(
            places(check("crates/enter/src/a.rs", text)),
            ["crates/enter/src/a.rs:3", "crates/enter/src/a.rs:4"]
        );
        assert!(check("crates/cnsenter/src/a.rs", text).is_empty());
        assert!(prints("a.rs", "//! A.\n#[cfg(test)]\nmod tests { fn f() { println!(\"a\") } }\n").is_empty());
    }

    #[test]
    fn a_machine_or_a_registry_that_is_named() {
        let text = ["fetch http://deb.debian", ".org/debian\n"].concat();
        assert_eq!(places(check("docs/a.md", &text)), ["docs/a.md:1"]);
        let text = ["\nsee /work", "/notes\n"].concat();
        assert_eq!(places(check(".ci/run", &text)), [".ci/run:2"]);
        assert!(check("docs/a.md", "cargo's registry\n").is_empty());
    }

    #[test]
    fn a_picture_that_is_not_there() {
        let text = "<img src=\"a.svg\" alt=\"A\"> and <img src=\"b.svg\">\n";
        let files = ["docs/b.svg".to_owned(), "a.svg".to_owned()];
        let whats = |path| pictures(path, text, &files).into_iter().map(|it| it.what).collect::<Vec<_>>();
        assert_eq!(whats("docs/a.md"), ["shows the picture a.svg, which is not there"]);
        assert_eq!(whats("README.md"), ["shows the picture b.svg, which is not there"]);
        assert_eq!(whats("a.rs"), Vec::<String>::new());
    }

    #[test]
    fn something_new_at_the_top() {
        let files = ["Cargo.toml", ".ci/run", "scripts/a.sh", "scripts/b.sh", "docs/a.md"].map(str::to_owned);
        assert_eq!(places(top_level(&files)), ["scripts"]);
    }

    #[test]
    fn code_is_told_from_comments_and_strings() {
        assert_eq!(code(r#"f("a // \" b"); // c"#), "f(); ");
    }
}
