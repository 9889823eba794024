//! The newest releases of what cnsenter is compared with, and is used with: util-linux's nsenter and the
//! Docker engine, newer than the machine's own. They come as packages of Debian's development suite, from the
//! mirror that the machine itself uses, and are unpacked into a folder; the machine's own packages stay as they
//! are. Running the engine is in `engine`.

use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::output;

const FOLDER: &str = "/var/cache/cnsenter-testbed";
const SUITE: &str = "sid";
/// What is unpacked, with all that it depends on; coreutils and the shell are for the engine's own hooks.
const PACKAGES: [&str; 8] = ["util-linux", "docker.io", "iptables", "iproute2", "mount", "coreutils", "bash", "dash"];

/// The last file to be written; it says of what the rest was made.
const COMPLETE: &str = ".complete";

fn recipe() -> String {
    format!("{SUITE} {}\n", PACKAGES.join(" "))
}

/// The folder into which the newest releases are unpacked: a root filesystem of their own.
pub fn root() -> Result<PathBuf> {
    let root = Path::new(FOLDER).join("root");
    if std::fs::read_to_string(root.join(COMPLETE)).ok() != Some(recipe()) {
        bail!("{} is not complete; `cargo xtask engine up` makes it", root.display());
    }
    Ok(root)
}

/// The words with which a command line of the newest nsenter begins: its own loader and libraries, since it may
/// ask for a newer C library than the machine has.
pub fn nsenter_newest() -> Result<Vec<OsString>> {
    let root = root()?;
    let libraries = root.join("usr/lib").join(format!("{}-linux-gnu", std::env::consts::ARCH));
    let mut names = std::fs::read_dir(root.join("usr/lib64"))?.filter_map(Result::ok);
    let loader = names.find(|entry| entry.file_name().as_encoded_bytes().starts_with(b"ld-linux"));
    let loader = loader.context("the newest C library has no loader")?.path();
    let words = [loader.into(), "--library-path".into(), libraries.into(), root.join("usr/bin/nsenter").into()];
    Ok(words.into())
}

/// A command of the newest nsenter, to which arguments can be added.
pub fn nsenter() -> Result<Command> {
    let words = nsenter_newest()?;
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    Ok(command)
}

/// What the newest nsenter calls itself.
pub fn nsenter_version() -> Result<String> {
    output::stdout(nsenter()?.arg("--version"))
}

/// Downloads and unpacks the newest releases, unless they are there. Root on Debian only.
pub fn fetch() -> Result<()> {
    if root().is_ok() {
        return Ok(());
    }
    let folder = Path::new(FOLDER);
    let root = folder.join("root");
    // What an interrupted run left is not worth mending.
    let _ = std::fs::remove_dir_all(folder);
    for dir in ["lists/partial", "cache/archives/partial", "root"] {
        std::fs::create_dir_all(folder.join(dir))?;
    }
    let mirror = mirror()?;
    let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
    std::fs::write(folder.join("sources.list"), format!("deb [signed-by={keys}] {mirror} {SUITE} main\n"))?;
    // An empty record of installed packages: apt then lists all that the programs need, the C library included.
    std::fs::write(folder.join("status"), "")?;
    output::stdout(apt(folder).arg("update"))?;
    let mut install = apt(folder);
    install.args(["install", "--yes", "--download-only", "--no-install-recommends"]);
    output::stdout(install.args(PACKAGES))?;

    // A merged /usr first, or a package's /lib would become a folder of its own.
    for dir in ["bin", "sbin", "lib", "lib64"] {
        std::fs::create_dir_all(root.join("usr").join(dir))?;
        symlink(format!("usr/{dir}"), root.join(dir))?;
    }
    for package in std::fs::read_dir(folder.join("cache/archives"))? {
        let package = package?.path();
        if package.extension().is_some_and(|extension| extension == "deb") {
            output::stdout(Command::new("dpkg-deb").arg("--extract").arg(&package).arg(&root))?;
        }
    }
    // What update-alternatives would have done.
    for family in ["iptables", "ip6tables"] {
        for tool in ["", "-save", "-restore"] {
            let link = root.join("usr/sbin").join(format!("{family}{tool}"));
            if !link.is_symlink() {
                symlink("xtables-nft-multi", link)?;
            }
        }
    }
    std::fs::remove_dir_all(folder.join("cache"))?;
    std::fs::remove_dir_all(folder.join("lists"))?;
    std::fs::write(root.join(COMPLETE), recipe())?;
    Ok(())
}

/// apt-get with settings, lists and downloads of its own; the machine's stay untouched.
fn apt(folder: &Path) -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").arg("-q");
    for (setting, path) in [
        ("Dir::Etc::sourcelist", folder.join("sources.list")),
        ("Dir::Etc::sourceparts", PathBuf::from("/dev/null")),
        ("Dir::State::lists", folder.join("lists")),
        ("Dir::State::status", folder.join("status")),
        ("Dir::Cache", folder.join("cache")),
    ] {
        command.arg("-o").arg(format!("{setting}={}", path.display()));
    }
    // apt's helper drops root and could not write below a private folder.
    command.args(["-o", "APT::Sandbox::User=root"]);
    command
}

/// The mirror of Debian's main archive that the machine itself uses.
fn mirror() -> Result<String> {
    let known = || output::stdout(Command::new("apt-get").args(["indextargets", "--format", "$(REPO_URI)"]));
    if let Some(mirror) = mirror_among(&known()?) {
        return Ok(mirror);
    }
    // apt speaks only of sources whose lists it has, and a new machine has none.
    output::stdout(Command::new("apt-get").arg("update"))?;
    let none = "no source of this machine's apt is Debian's main archive (a path ending in /debian)";
    mirror_among(&known()?).context(none)
}

fn mirror_among(uris: &str) -> Option<String> {
    let uris = uris.lines().map(|uri| uri.trim_end_matches('/'));
    uris.filter(|uri| uri.ends_with("/debian")).map(str::to_owned).next()
}

#[cfg(test)]
mod tests {
    use super::mirror_among;

    #[test]
    fn the_main_archive_is_told_from_the_security_one() {
        let uris = "http://one.test/debian-security/\nhttp://two.test/debian/\nhttp://three.test/ubuntu/";
        assert_eq!(mirror_among(uris).as_deref(), Some("http://two.test/debian"));
        assert_eq!(mirror_among("http://three.test/ubuntu/"), None);
    }
}
