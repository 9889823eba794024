//! docs/fidelity.md says what the probe prints, of every fact; `cargo xtask fidelity` writes it.

use anyhow::Result;

use super::excuses::EXCUSES;

const PAGE: &str = include_str!("../../../docs/fidelity.md");

/// The facts of the page's rows, in their order.
fn rows() -> Vec<&'static str> {
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    rows.map(|(name, _)| name).collect()
}

#[test]
fn the_pages_facts_are_the_probes() -> Result<()> {
    let facts = super::on_the_host()?;
    assert_eq!(rows(), facts.names().collect::<Vec<_>>(), "`cargo xtask fidelity` writes the page anew");
    Ok(())
}

#[test]
fn the_page_says_what_may_differ() {
    for excuse in EXCUSES {
        let row = format!("| {} | {} | {} |", excuse.facts(), excuse.from(), excuse.why);
        assert!(PAGE.contains(&row), "the page lacks {row}; `cargo xtask fidelity` writes it anew");
    }
}
