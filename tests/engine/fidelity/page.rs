//! docs/fidelity.md says what the probe prints, of every fact; `cargo xtask fidelity` writes it.

use anyhow::Result;

use super::excuses::EXCUSES;

const PAGE: &str = include_str!("../../../docs/fidelity.md");

/// The rows of the page's table of facts: the name, and a cell for each that enters.
fn rows() -> Vec<(&'static str, Vec<&'static str>)> {
    let table = PAGE.split("\n## ").find(|part| part.starts_with("Each fact")).unwrap_or_default();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | "));
    rows.map(|(name, cells)| (name, cells.split(" | ").collect())).collect()
}

#[test]
fn the_pages_facts_are_the_probes() -> Result<()> {
    let facts = super::on_the_host()?;
    assert_eq!(
        rows().iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        facts.names().collect::<Vec<_>>(),
        "`cargo xtask fidelity` writes the page anew"
    );
    Ok(())
}

#[test]
fn the_page_says_what_may_differ() {
    for excuse in EXCUSES {
        let row = format!("| {} | {} | {} |", excuse.facts(), excuse.from(), excuse.why);
        assert!(PAGE.contains(&row), "the page lacks {row}; `cargo xtask fidelity` writes it anew");
    }
}

#[test]
fn the_pages_counts_are_those_of_its_rows() {
    let rows = rows();
    assert!(PAGE.contains(&format!("| of {} facts, equal to ", rows.len())), "{}", rows.len());
    let equal = |column: usize| rows.iter().filter(|(_, cells)| cells.get(column) == Some(&"=")).count().to_string();
    let counts: Vec<String> = (0..4).map(equal).collect();
    assert!(PAGE.contains(&format!("| of a demanding one | {} |", counts.join(" | "))), "{counts:?}");
}
