//! `cargo xtask fidelity`: one program, run in the same containers by `docker exec` and by what else enters containers, and
//! the page that says which facts each gets right. What the program looks at is `testbed::probe`'s; what may differ, and
//! why, is the tests'.

#[path = "../../tests/engine/fidelity/excuses.rs"]
mod excuses;

use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use excuses::Place::Docker;
use testbed::probe::{self, Difference, Facts};
use testbed::{Container, engine, image, output, peers};

use crate::{binary, engine as machine, interrupt, run};

/// The release of cntr that is compared with.
const CNTR: &str = "2.0.0";

/// The column that is ours.
const US: &str = "cnsenter";

/// A container with much that is not as usual.
const DEMANDING: &[&str] = &[
    "--user=app:adm",
    "--group-add=4321",
    "--cap-add=NET_ADMIN",
    "--cap-drop=CHOWN",
    "--security-opt=no-new-privileges",
    "--ulimit=nofile=1000:2000",
    "--oom-score-adj=321",
    "--cpuset-cpus=0",
    "--memory=64m",
    "--pids-limit=50",
    "--workdir=/var",
    "--env=A=1",
    "--hostname=web",
    "--read-only",
];

/// One that enters, and how it did.
struct Column {
    name: &'static str,
    facts: Facts,
}

/// What was found in a container.
struct Table {
    container: &'static str,
    docker: Facts,
    columns: Vec<Column>,
}

/// Compares, and rewrites `docs/fidelity.md`.
pub(crate) fn run() -> Result<()> {
    interrupt::watch()?;
    machine::up()?;
    let cnsenter = binary::build()?.path;
    let cntr = cntr()?;
    let tables = [
        compare("of a default container", &[], ["0", "0"], &cnsenter, &cntr)?,
        compare("of a demanding one", DEMANDING, ["1000", "4"], &cnsenter, &cntr)?,
    ];
    let page = page(&tables)?;
    std::fs::write(run::root().join("docs/fidelity.md"), &page).context("cannot write docs/fidelity.md")?;
    println!("{page}fidelity: written to docs/fidelity.md");
    let wrong = tables.iter().flat_map(differences).filter(|(_, difference)| !Docker.excuses(difference.name)).count();
    ensure!(wrong == 0, "{wrong} facts are not docker exec's, and nothing excuses it");
    Ok(())
}

/// cntr from PATH, else built.
fn cntr() -> Result<PathBuf> {
    if run::is_installed("cntr") {
        return Ok("cntr".into());
    }
    let root = run::target_folder()?.join("peers");
    let program = root.join("bin/cntr");
    if !program.exists() {
        let mut install = run::cargo();
        install.args(["install", "--quiet", "--locked", "cntr", "--version", CNTR, "--root"]).arg(&root);
        run::visibly(&mut install)?;
    }
    Ok(program)
}

fn compare(
    container: &'static str,
    options: &[&str],
    [user, group]: [&str; 2],
    cnsenter: &PathBuf,
    cntr: &PathBuf,
) -> Result<Table> {
    let volume = format!("{}:/probe:ro", probe::folder()?.display());
    let held = Container::run(image::busybox()?, &[&["--volume", &volume], options].concat(), &["sleep", "100000"])?;
    let program = format!("/probe/{}", probe::NAME);
    let pid = held.pid()?.to_string();
    let of = |command: &mut Command, words: &[&str]| {
        let command = command.args(words).arg(&program);
        Facts::of(command).with_context(|| format!("{:?}", command.get_program()))
    };
    let by_hand = ["-a", "-t", &pid, "-r", "-w", "-e", "-S", user, "-G", group];
    let columns = vec![
        Column { name: "nsenter -a", facts: of(&mut peers::nsenter()?, &["-a", "-t", &pid])? },
        Column { name: "nsenter by hand", facts: of(&mut peers::nsenter()?, &by_hand)? },
        Column { name: "cntr exec", facts: of(&mut Command::new(cntr), &["exec", "-t", "docker", held.name(), "--"])? },
        Column { name: US, facts: of(&mut Command::new(cnsenter), &[held.name()])? },
    ];
    let docker = of(engine::client(engine::SOCKET).arg("exec"), &[held.id()])?;
    Ok(Table { container, docker, columns })
}

fn page(tables: &[Table; 2]) -> Result<String> {
    let mut page = String::from(HEAD);
    let all = tables[0].docker.names().count();
    let heads: Vec<&str> = tables[0].columns.iter().map(|column| column.name).collect();
    let heads = heads.join("` | `");
    let rule = "---|".repeat(tables[0].columns.len() + 1);
    writeln!(page, "| of {all} facts, equal to `docker exec`'s | `{heads}` |\n|{rule}")?;
    for table in tables {
        let equal = table.columns.iter().map(|column| all - column.facts.differences(&table.docker).len());
        let cells: Vec<String> = equal.map(|count| count.to_string()).collect();
        writeln!(page, "| {} | {} |", table.container, cells.join(" | "))?;
    }
    writeln!(page, "\nThe demanding one is `docker run {}`.\n", DEMANDING.join(" "))?;
    writeln!(page, "## Each fact of the demanding one\n\n| fact | `{heads}` |\n|{rule}")?;
    let demanding = &tables[1];
    for name in demanding.docker.names() {
        let same = |column: &Column| column.facts.get(name) == demanding.docker.get(name);
        let cells: Vec<&str> =
            demanding.columns.iter().map(|column| if same(column) { "=" } else { "**≠**" }).collect();
        writeln!(page, "| `{name}` | {} |", cells.join(" | "))?;
    }
    writeln!(page, "\n## Where cnsenter differs, in these two\n")?;
    for (container, difference) in tables.iter().flat_map(differences) {
        let excused = if Docker.excuses(difference.name) { "" } else { " (**not excused**)" };
        writeln!(page, "- {container}: {}{excused}", difference.shown())?;
    }
    writeln!(page, "\n{EXCUSED}")?;
    writeln!(page, "| may differ | from | because |\n|---|---|---|")?;
    for excuse in excuses::EXCUSES {
        writeln!(page, "| {} | {} | {} |", excuse.facts(), excuse.from(), excuse.why)?;
    }
    writeln!(page, "\n## Machine\n\n{}", peers_table(&demanding.docker)?)?;
    Ok(page)
}

/// In what cnsenter differs from `docker exec`.
fn differences(table: &Table) -> impl Iterator<Item = (&'static str, Difference<'_>)> {
    let ours = table.columns.iter().filter(|column| column.name == US);
    ours.flat_map(|column| column.facts.differences(&table.docker)).map(|difference| (table.container, difference))
}

/// What was compared with what.
fn peers_table(docker: &Facts) -> Result<String> {
    let kernel = output::stdout(Command::new("uname").arg("-r"))?;
    let has = |name: &str| docker.get(name).is_some_and(|value| !value.is_empty());
    let cgroups = match (has("cgroup.v1"), has("cgroup.v2")) {
        (true, true) => "both versions",
        (true, false) => "version 1",
        _ => "version 2",
    };
    let rows = [
        ("Docker", format!("engine {}", engine::version()?.engine)),
        ("nsenter", peers::nsenter_version()?),
        ("cntr", CNTR.to_owned()),
        ("kernel", format!("Linux {}, cgroups of {cgroups}", kernel.split('-').next().unwrap_or_default())),
    ];
    let lines = rows.iter().map(|(name, value)| format!("| {name} | {value} |\n"));
    Ok(format!("| | |\n|---|---|\n{}", lines.collect::<String>()))
}

const HEAD: &str = "\
# Fidelity

Written by `cargo xtask fidelity`. A program that prints what it can find out about itself (`tests/testbed/probes/facts`) is
run in the same container by `docker exec` and by each of these, without a terminal. By hand is
`nsenter -a -t PID -r -w -e -S UID -G GID`, with the newest nsenter and the ids that `docker exec` gives.

";

const EXCUSED: &str = "\
## What may differ, and why

All else is demanded by `tests/engine/fidelity`, for more than seventy kinds of containers and ways in, some with a terminal:
`docker exec`, `podman exec`, `runc exec`, `crun exec`, `ctr tasks exec`, `lxc-attach`.
";
