//! What `ls` and its tree say of containers that share namespaces with several others.

use anyhow::{Context, Result};
use testbed::guard;

use super::docker;
use crate::run::quiet;

#[test]
fn who_lives_with_several_is_told_with_each() -> Result<()> {
    let mark = guard::unique_name();
    let label = format!("--label=of={mark}");
    let [web, db] = ["web", "db"].map(|role| docker(&[&label, "--name", &format!("{mark}-{role}"), "--ipc=shareable"]));
    let (web, db) = (web?, db?);
    let [of_web, of_db] = [&web, &db].map(|of| format!("container:{}", of.name()));
    let both = docker(&[&label, "--network", &of_web, "--pid", &of_db, "--uts", "host"])?;
    let of_both = docker(&[&label, "--network", &of_web, "--ipc", &of_db])?;
    let filter = format!("label=of={mark}");
    let shares = |words: &[&str], name: &str| -> Result<String> {
        let shown = quiet([&["ls", "--filter", &filter], words].concat())?;
        let row = shown
            .lines()
            .find(|line| line.split("  ").any(|cell| cell.trim_start_matches(['├', '└', '─', ' ', '│']) == name));
        let cells = row.with_context(|| format!("no row of {name}: {shown}"))?.split("  ").map(str::trim);
        let cells: Vec<_> = cells.filter(|cell| !cell.is_empty()).collect();
        Ok(cells[if words.is_empty() { cells.len() - 1 } else { 1 }].to_owned())
    };
    let [web, db, both, of_both] = [&web, &db, &both, &of_both].map(|of| of.name());
    for (words, name, expected) in [
        (&[][..], both, format!("host:uts {web}:net {db}:pid")),
        (&[], of_both, format!("{web}:net {db}:ipc")),
        (&[], web, format!("{both}:net {of_both}:net")),
        (&[], db, format!("{both}:pid {of_both}:ipc")),
        // In the tree both live below the one that was there first.
        (&["--tree"], web, "-".to_owned()),
        (&["--tree"], db, format!("{both}:pid {of_both}:ipc")),
        (&["--tree"], both, format!("net host:uts {db}:pid")),
        (&["--tree"], of_both, format!("net {db}:ipc")),
    ] {
        assert_eq!(shares(words, name)?, expected, "{name} {words:?}");
    }
    Ok(())
}
