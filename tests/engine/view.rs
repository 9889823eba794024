//! Host tools in a container's network, pid and uts namespaces: they see what the container sees, and among their own
//! files. What all of these tests need is here; each file below is about one part of the view.

mod etc;
mod hostile;
mod names;
mod processes;
mod system;
mod traces;

use anyhow::Result;
use testbed::{Container, Output, Scratch, image, output};

use crate::run::on_default_engine;

/// What a container's own programs see of a file.
fn seen(container: &Container, file: &str) -> Result<String> {
    container.exec(&[], &["cat", file])
}

/// A container that does nothing.
fn idle(args: &[&str]) -> Result<Container> {
    Container::run(image::busybox()?, args, &["sleep", "1000"])
}

/// Runs a script on a host of our making: a copy of this one's mounts, with a folder of its own, `$S`, and a copy of
/// `/etc` that may be spoiled. In the script `c` is cnsenter and `$C` the container.
fn on_host(container: &Container, script: &str) -> Result<Output> {
    const BEFORE: &str = "\
        mount --make-rprivate /\n\
        mkdir $S/etc; mount -t tmpfs etc $S/etc; mkdir $S/etc/upper $S/etc/work\n\
        mount -t overlay -o lowerdir=/etc,upperdir=$S/etc/upper,workdir=$S/etc/work etc /etc\n\
        c() { \"$CNSENTER\" \"$@\"; }\n";
    let folder = Scratch::new()?;
    let mut command = on_default_engine(std::process::Command::new("unshare"));
    command.args(["--mount", "sh", "-euc"]).arg(format!("{BEFORE}{script}")).current_dir(folder.path());
    command.env("CNSENTER", crate::cnsenter().get_program());
    output::run(command.env("S", folder.path()).env("C", container.name()))
}

/// The same where nothing may fail, and nothing be said; without the last newline.
fn quiet_on_host(container: &Container, script: &str) -> Result<String> {
    let output = on_host(container, script)?;
    anyhow::ensure!(output.success() && output.stderr.is_empty(), "{script}\n{output:?}");
    Ok(output.stdout.trim_end_matches('\n').to_owned())
}
