//! Rules about dependencies, over what `cargo metadata` prints: which crate may not reach which, and under
//! which licences a dependency may come. `deny.toml` says the same to cargo-deny, which is not everywhere.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Finding;

/// What a crate may not depend on, not even through others, and why.
const FORBIDDEN: [(&str, &[&str], &str); 3] = [
    (
        "enter",
        &["tokio", "resolve", "survey", "clap"],
        "joining knows neither engines nor flags, and starts no threads",
    ),
    ("resolve", &["enter", "survey", "clap"], "finding a container knows neither joining nor flags"),
    ("survey", &["enter", "resolve", "tokio", "clap"], "the kernel's view knows no containers, and starts no threads"),
];

/// Licences under which code may be linked into the binary.
const LICENCES: [&str; 9] = [
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Every rule about dependencies.
pub(super) fn check(metadata: &Value) -> Vec<Finding> {
    let mut findings = edges(metadata);
    for package in array(&metadata["packages"]) {
        let name = text(&package["name"]);
        let licence = text(&package["license"]);
        if !is_allowed(licence) {
            let what = format!("{name} comes under {licence:?}, which is not on the list of licences");
            findings.push(Finding { place: "Cargo.lock".to_owned(), what });
        }
    }
    findings
}

fn edges(metadata: &Value) -> Vec<Finding> {
    let packages = array(&metadata["packages"]);
    let names: BTreeMap<&str, &str> = packages.map(|it| (text(&it["id"]), text(&it["name"]))).collect();
    let mut graph: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for node in array(&metadata["resolve"]["nodes"]) {
        // Only what is linked: a test may use whatever it needs.
        let linked = array(&node["deps"]).filter(|dep| array(&dep["dep_kinds"]).any(|kind| kind["kind"].is_null()));
        graph.insert(text(&node["id"]), linked.map(|dep| text(&dep["pkg"])).collect());
    }
    let mut findings = Vec::new();
    for (crate_name, forbidden, why) in FORBIDDEN {
        let start = names.iter().find(|(id, name)| **name == crate_name && is_local(id));
        let Some((start, _)) = start else { continue };
        let mut reached = BTreeSet::new();
        let mut open = vec![*start];
        while let Some(id) = open.pop() {
            if reached.insert(id) {
                open.extend(graph.get(id).into_iter().flatten());
            }
        }
        for name in reached.iter().filter_map(|id| names.get(id)).filter(|name| forbidden.contains(name)) {
            let place = format!("crates/{crate_name}/Cargo.toml");
            findings.push(Finding { place, what: format!("{crate_name} depends on {name}: {why}") });
        }
    }
    findings
}

fn is_local(id: &str) -> bool {
    id.starts_with("path+")
}

/// An SPDX expression of `OR`, `AND`, parentheses and the old `/` is allowed if one of its alternatives is
/// allowed in all its parts. Expressions nested deeper than packages have them are refused, which is safe.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    let mut parts = Vec::new();
    // AND binds closer than OR, but parentheses around an OR come first: split at an AND outside them.
    let mut depth = 0;
    let mut part = String::new();
    for word in expression.split_whitespace() {
        depth += word.matches('(').count();
        depth -= word.matches(')').count().min(depth);
        if word == "AND" && depth == 0 {
            parts.push(std::mem::take(&mut part));
        } else {
            part.push_str(word.trim_matches(['(', ')']));
            part.push(' ');
        }
    }
    parts.push(part);
    // With an OR beside an AND, and no parentheses, all parts having an allowed alternative is enough only if
    // the expression is a conjunction; `A OR B AND C` is then judged more strictly, as `(A OR B) AND C`.
    parts.iter().all(|part| part.split(" OR ").any(|licence| LICENCES.contains(&licence.trim())))
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn licences_on_and_off_the_list() {
        for good in ["MIT", "MIT OR Apache-2.0", "MIT/Apache-2.0", "GPL-3.0 OR MIT", "(MIT OR GPL-2.0) AND Unicode-3.0"]
        {
            assert!(is_allowed(good), "{good}");
        }
        for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "GPL-2.0 OR AGPL-3.0"] {
            assert!(!is_allowed(bad), "{bad}");
        }
    }

    #[test]
    fn a_forbidden_dependency_is_seen_through_another() {
        let kind = |kind: Value| json!([{ "kind": kind }]);
        let graph = |kinds: Value| {
            json!({
                "packages": [
                    { "id": "path+enter", "name": "enter", "license": "MIT" },
                    { "id": "middle", "name": "middle", "license": "MIT" },
                    { "id": "tokio", "name": "tokio", "license": "MIT" },
                ],
                "resolve": { "nodes": [
                    { "id": "path+enter", "deps": [{ "pkg": "middle", "dep_kinds": kinds }] },
                    { "id": "middle", "deps": [{ "pkg": "tokio", "dep_kinds": kind(Value::Null) }] },
                ] },
            })
        };
        let findings = check(&graph(kind(Value::Null)));
        assert_eq!(findings.len(), 1);
        assert!(findings[0].what.starts_with("enter depends on tokio"));
        assert_eq!(check(&graph(kind("dev".into()))), []);
    }
}
