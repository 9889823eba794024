//! `cargo xtask dist`: what a release consists of, in one reproducible archive below `target/dist`. Building
//! the binary is `binary`'s; man pages and completions are what the binary prints.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use testbed::output;

use crate::{binary, run};

/// What goes along as it is. `--help` and the README name files of docs.
const TEXTS: [&str; 4] = ["README.md", "docs", "LICENSE-MIT", "LICENSE-APACHE"];

/// Completions: the shell's name, and where distributions put the file.
const COMPLETIONS: [(&str, &str); 3] =
    [("bash", "completions/cnsenter.bash"), ("zsh", "completions/_cnsenter"), ("fish", "completions/cnsenter.fish")];

/// Builds and packs.
pub(crate) fn run() -> Result<()> {
    let binary = binary::build()?;
    let dist = run::target_folder()?.join("dist");
    let name = format!("cnsenter-{}-{}", env!("CARGO_PKG_VERSION"), binary.triple);
    let folder = dist.join(&name);
    let _ = fs::remove_dir_all(&dist);
    fs::create_dir_all(folder.join("completions"))?;
    fs::create_dir_all(folder.join("man"))?;

    fs::copy(&binary.path, folder.join("cnsenter"))?;
    output::stdout(Command::new("cp").arg("-r").args(TEXTS).arg(&folder).current_dir(run::root()))?;
    let printed =
        |words: &[&str]| -> Result<String> { Ok(output::stdout(Command::new(&binary.path).args(words))? + "\n") };
    fs::write(folder.join("man/cnsenter.1"), printed(&["man", "--roff"])?)?;
    // What it would complete `cnsenter man` with has a page each.
    for line in printed(&["completions", "zsh", "--", "man", ""])?.lines().skip(1) {
        let subcommand = line.split('\t').next().unwrap_or_default();
        fs::write(folder.join(format!("man/cnsenter-{subcommand}.1")), printed(&["man", "--roff", subcommand])?)?;
    }
    for (shell, file) in COMPLETIONS {
        fs::write(folder.join(file), printed(&["completions", shell])?)?;
    }

    let archive = format!("{name}.tar.gz");
    pack(&dist, &name, &archive)?;
    let sums = output::stdout(Command::new("sha256sum").arg(&archive).current_dir(&dist))?;
    fs::write(dist.join("SHA256SUMS"), format!("{sums}\n"))?;
    println!("dist: {} ({} bytes static)", dist.join(archive).display(), binary.bytes);
    Ok(())
}

/// The same files give the same archive, byte for byte: names sorted, nobody's ids, the last commit's time.
fn pack(dist: &Path, name: &str, archive: &str) -> Result<()> {
    let time = output::stdout(Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(run::root()));
    let mut tar = Command::new("tar");
    tar.current_dir(dist).args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--format=ustar"]);
    tar.arg(format!("--mtime=@{}", time.as_deref().unwrap_or("0"))).arg("--use-compress-program=gzip -9n");
    output::stdout(tar.args(["--mode=go=rX,u+rw,a-s", "-cf", archive, name])).map(drop)
}
