//! The static release binary: how it is built and what must be true of it. Used by `demo`, `bench` and `dist`;
//! packing it is `dist`'s.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use testbed::output;

use crate::run;

/// What makes it static; and relocations of the base address as a bitmap (DT_RELR), which take a thirtieth of the room. The
/// C library's start code reads it since glibc 2.36.
const RUSTFLAGS: &[&str] = &["-C", "target-feature=+crt-static", "-C", "link-arg=-Wl,-z,pack-relative-relocs"];

/// Functions of the same code are linked once: by LLD, which is rustc's own linker here and not everywhere.
const FOLDED: (&str, [&str; 2]) = ("x86_64-unknown-linux-gnu", ["-C", "link-arg=-Wl,--icf=all"]);

/// The most that it may weigh: what enters, 3 MiB, and half of one for what finds what to enter.
pub(crate) const MAX_BYTES: usize = 7 << 19;

/// A binary that was built and checked.
#[derive(Debug)]
pub(crate) struct Binary {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// How large it is.
    pub(crate) bytes: usize,
    /// The target triple that it is for.
    pub(crate) triple: String,
}

/// Builds the static release binary and checks that it is static and small.
pub(crate) fn build() -> Result<Binary> {
    let triple = host_triple()?;
    let mut cargo = run::cargo();
    // The target is named even though it is the host: else the flags would reach build scripts and macros.
    cargo.args(["build", "--quiet", "--release", "--package", "cnsenter", "--bin", "cnsenter"]);
    cargo.args(["--target", &triple]).env("CARGO_ENCODED_RUSTFLAGS", rustflags(&triple));
    run::visibly(&mut cargo)?;
    let path = run::target_folder()?.join(&triple).join("release/cnsenter");
    let elf = std::fs::read(&path).with_context(|| format!("cargo built no {}", path.display()))?;
    if has_interpreter(&elf).with_context(|| format!("{} is no 64-bit ELF file", path.display()))? {
        bail!("{} is not static: it names a program interpreter", path.display());
    }
    // An older C library would die of the packed relocations.
    output::stdout(std::process::Command::new(&path).arg("--version"))?;
    if elf.len() > MAX_BYTES {
        bail!("{} has {} bytes, more than the {MAX_BYTES} that it may have", path.display(), elf.len());
    }
    Ok(Binary { path, bytes: elf.len(), triple })
}

/// The flags as cargo takes them when a folder's name may hold a space. The folders of the machine that builds
/// are no business of whoever runs the binary, and would make it differ from machine to machine.
fn rustflags(triple: &str) -> OsString {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let folded = if triple == FOLDED.0 { &FOLDED.1[..] } else { &[] };
    let mut flags: Vec<OsString> = RUSTFLAGS.iter().chain(folded).map(OsString::from).collect();
    for (folder, name) in [(home.as_deref(), "cargo"), (Some(run::root()), "cnsenter")] {
        let Some(folder) = folder else { continue };
        let mut flag = OsString::from("--remap-path-prefix=");
        flag.push(folder);
        flag.push(format!("=/{name}"));
        flags.push(flag);
    }
    flags.join(OsStr::new("\x1f"))
}

fn host_triple() -> Result<String> {
    let text = output::stdout(std::process::Command::new("rustc").arg("-vV"))?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc names no host")?.to_owned())
}

/// Whether an ELF file asks for a loader (a PT_INTERP program header); `None` when it isn't a 64-bit
/// little-endian ELF file.
fn has_interpreter(elf: &[u8]) -> Option<bool> {
    const PT_INTERP: [u8; 4] = [3, 0, 0, 0];
    if !elf.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let offset = u64::from_le_bytes(elf.get(0x20..0x28)?.try_into().ok()?);
    let size = u16::from_le_bytes(elf.get(0x36..0x38)?.try_into().ok()?);
    let count = u16::from_le_bytes(elf.get(0x38..0x3a)?.try_into().ok()?);
    let headers = elf.get(usize::try_from(offset).ok()?..)?.chunks(size.into());
    Some(headers.take(count.into()).any(|header| header.starts_with(&PT_INTERP)))
}

#[cfg(test)]
mod tests {
    use super::has_interpreter;

    #[test]
    fn a_dynamic_program_is_told_from_a_static_one() {
        let dynamic = std::fs::read("/proc/self/exe").unwrap_or_default();
        assert_eq!(has_interpreter(&dynamic), Some(true));
        assert_eq!(has_interpreter(b"#!/bin/sh\n"), None);
        // The smallest static file: a header, and one PT_LOAD.
        let mut elf = vec![0; 0x78];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (elf[0x20], elf[0x36], elf[0x38], elf[0x40]) = (0x40, 0x38, 1, 1);
        assert_eq!(has_interpreter(&elf), Some(false));
    }
}
