//! `cnsenter netns`: lists every network namespace of this host, and what keeps it. Whose one is belongs in
//! `netns/owner.rs`.

mod owner;

use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches, Command};
use resolve::Asking;
use serde_json::{Value, json};
use survey::{Depth, Descriptor, Extent, Held, Home, Inode, Kind, Namespaces, Network, Networks};

use self::owner::Owner;
use super::inventory::{self, Interface, Inventory, Item};
use super::table::{Column, Table};
use super::{engines, output};
use crate::exit::{self, Failure};

/// Its command line.
pub(super) fn command() -> Command {
    let command = Command::new("netns")
        .about("Lists every network namespace of this host, and what keeps it")
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print JSON: docs/json.md"));
    engines::add(command)
}

/// A network namespace, as it is shown.
struct Row<'a> {
    held: &'a Held,
    owner: Owner<'a>,
    /// What is in it, or why that is not known.
    interfaces: Result<Vec<Interface>, String>,
}

/// Does it; the exit status.
pub(super) fn run(matches: &ArgMatches) -> Result<u8, Failure> {
    let settings = engines::settings(matches);
    // Asked after: whoever keeps one of these is known by then.
    let Networks { held, unseen } = survey::networks(Depth::Everything)?;
    let inventory = inventory::take_namespaces(&settings, Asking::Engines)?;
    output::say(&inventory);
    let owners = owner::Owners::new(&inventory, &settings);
    let own = Namespaces::of_process(std::process::id().cast_signed()).ok().and_then(|own| own.get(Kind::Net));
    let here = survey::network(None, Extent::Interfaces).unwrap_or_default();
    let mut rows = Vec::new();
    for held in &held {
        if let Some(interfaces) = interfaces(held, own, &here) {
            rows.push(Row { held, owner: owners.of(held), interfaces });
        }
    }
    rows.sort_unstable_by_key(|row| (row.owner.rank(), row.held.inode));
    // Where process 1 may not be looked at, the host's network is that of this process, by definition.
    let hidden = unseen.iter().filter(|pid| **pid != 1).count();
    say(&rows, hidden);
    if matches.get_flag("json") {
        output::json(&rows.iter().map(|row| document(row, &inventory)).collect())?;
    } else {
        table(&rows, hidden > 0).show()?;
    }
    Ok(0)
}

/// The interfaces of a network, or why they are not known; `None` where it has gone meanwhile.
fn interfaces(held: &Held, own: Option<Inode>, here: &Network) -> Option<Result<Vec<Interface>, String>> {
    let homes: Vec<_> = if own == Some(held.inode) { vec![None] } else { held.homes().map(Some).collect() };
    let mut failed = None;
    for home in &homes {
        match survey::network(home.as_ref(), Extent::Interfaces) {
            Ok(network) if network.inode == held.inode => return Some(Ok(inventory::interfaces(&network, here))),
            // A pid or a path that changed hands: engines unmount a file before they remove it.
            Ok(_) => {}
            Err(error) if error.cause().kind() == ErrorKind::InvalidInput => {}
            Err(error) if home.as_ref().is_none_or(|home| is_there(home, error.cause().kind())) => {
                failed.get_or_insert_with(|| Err(error.to_string()));
            }
            Err(_) => {}
        }
    }
    failed
}

/// Whether what kept a network is still there, where that is why it could not be looked into.
fn is_there(home: &Home, why: ErrorKind) -> bool {
    match home {
        Home::Process(pid) | Home::Descriptor(Descriptor { pid, .. }) => Path::new(&format!("/proc/{pid}")).exists(),
        Home::File(_) => why != ErrorKind::NotFound,
    }
}

/// Says what could not be looked at.
fn say(rows: &[Row<'_>], hidden: usize) {
    if hidden > 0 {
        exit::notice(&format!(
            "{hidden} processes are not ours to look at: networks that they alone are in are not listed"
        ));
    }
    let mut failed = rows.iter().filter_map(|row| row.interfaces.as_ref().err());
    if let Some(first) = failed.next() {
        let others = match failed.count() {
            0 => String::new(),
            others => format!(", nor into {others} others"),
        };
        exit::notice(&format!("{first}{others}"));
    }
}

/// Where some processes are hidden, the others are at least so many.
fn table(rows: &[Row<'_>], hidden: bool) -> Table {
    const WHOLE: usize = usize::MAX;
    let column = |heading, least, rank| Column { heading, least, rank };
    let mut table = Table::of([
        column("INODE", WHOLE, 0),
        column("OWNER", 24, 0),
        column("PROCESSES", WHOLE, 3),
        column("ADDRESSES", 15, 2),
        column("FILE", 20, 1),
    ]);
    for row in rows {
        let addresses = row.interfaces.iter().flatten().flat_map(|interface| &interface.link.addresses);
        let addresses = addresses.filter(|address| is_told(address.ip)).map(|address| address.ip.to_string());
        let files = row.held.files.iter().map(|file| file.display().to_string());
        table.row([
            row.held.inode.0.to_string(),
            row.owner.text(),
            format!("{}{}", row.held.processes.len(), if hidden { "+" } else { "" }),
            addresses.collect::<Vec<_>>().join(","),
            files.collect::<Vec<_>>().join(","),
        ]);
    }
    table
}

/// Whether an address says which network this is: each has the loopback's, and each interface one that it gave itself.
fn is_told(ip: IpAddr) -> bool {
    !ip.is_loopback() && !matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

fn document(row: &Row<'_>, inventory: &Inventory) -> Value {
    let Held { inode, processes, threads, files, descriptors } = row.held;
    let descriptors = descriptors.iter().map(|held| json!({"pid": held.pid, "fd": held.fd}));
    let interfaces = row.interfaces.as_ref();
    json!({
        "inode": inode.0,
        "kind": row.owner.kind(),
        "owner": row.owner.text(),
        "containers": row.owner.containers().iter().map(|item| container(item, inventory)).collect::<Vec<_>>(),
        "network": row.owner.network().map(|(id, name)| json!({"id": id, "name": name})),
        "files": files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>(),
        "processes": processes,
        "threads": threads,
        "descriptors": descriptors.collect::<Vec<_>>(),
        "interfaces": interfaces.ok().map(|all| all.iter().map(inventory::interface).collect::<Vec<_>>()),
        "unseen": interfaces.err(),
    })
}

/// What names a container, of all that `ls` says of it.
fn container(item: &Item, inventory: &Inventory) -> Value {
    let whole = inventory::json(item, inventory);
    ["runtime", "namespace", "id", "name", "reference"]
        .iter()
        .map(|key| ((*key).to_owned(), whole[*key].clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_gone_meanwhile_is_left_out() {
        let held = |files: &[&str], processes: &[i32]| Held {
            inode: Inode(7),
            processes: processes.to_vec(),
            threads: Vec::new(),
            files: files.iter().map(Into::into).collect(),
            descriptors: vec![Descriptor { pid: i32::MAX, fd: 9 }],
        };
        let here = Network::default();
        assert!(interfaces(&held(&[], &[i32::MAX]), None, &here).is_none());
        // Unmounted, and removed.
        assert!(interfaces(&held(&["/dev/null"], &[]), None, &here).is_none());
        assert!(interfaces(&held(&["/nonexistent"], &[]), None, &here).is_none());
    }
}
