//! The machine on which the numbers were taken, in words that a reader elsewhere can use: kinds and versions,
//! no names.

use std::process::Command;

use anyhow::Result;
use testbed::{engine, output};

/// A table of what matters to the numbers.
pub(super) fn table() -> Result<String> {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = field(&cpuinfo, "model name", ':').unwrap_or("unknown");
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let system = field(&release, "PRETTY_NAME", '=').unwrap_or("unknown").trim_matches('"').to_owned();
    // What follows the version is the builder's own mark.
    let kernel = output::stdout(Command::new("uname").arg("-r"))?;
    let kernel = kernel.split('-').next().unwrap_or_default();
    let client = engine::docker(&["version", "--format", "{{.Client.Version}}"])?;
    let rows = [
        ("date", output::stdout(Command::new("date").args(["-u", "+%F"]))?),
        ("processor", format!("{model}, {} cores", std::thread::available_parallelism()?)),
        ("system", format!("{system}, Linux {kernel}")),
        ("Docker", format!("engine {}, client {client}", engine::version()?.engine)),
        ("nsenter", output::stdout(Command::new("nsenter").arg("--version"))?),
        ("compiler", output::stdout(Command::new("rustc").arg("--version"))?),
    ];
    let lines = rows.iter().map(|(name, value)| format!("| {name} | {value} |\n"));
    Ok(format!("| | |\n|---|---|\n{}", lines.collect::<String>()))
}

fn field<'a>(text: &'a str, name: &str, separator: char) -> Option<&'a str> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(separator));
    pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim())
}
