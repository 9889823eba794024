//! A program that prints what it can find out about itself, a line `name=value` for each fact, in the same order each time.
//! Two runs that print the same were run as the same thing in the same place.
//!
//! What is never the same twice (pids, times) has no place here. It links nothing but the C library, so that it runs in
//! any root, and has no Rust `main`, whose runtime would handle signals and fill descriptors before they are looked at.
#![no_main]

mod calls;
mod files;
mod identity;
mod kernel;
mod limits;
mod process;
mod terminal;

use std::ffi::{CStr, c_char, c_int};
use std::fmt::{Display, Write as _};
use std::io::Write as _;

/// Where the program begins.
///
/// # Safety
/// To be called by the C library only.
// SAFETY: no other function of the program has this name, and what the C library calls is declared so.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn main(count: c_int, words: *const *const c_char) -> c_int {
    let arguments: Vec<String> = (0..count)
        .map_while(|at| usize::try_from(at).ok())
        // SAFETY: the C library hands over `count` pointers to strings that live as long as the process.
        .map(|at| unsafe { CStr::from_ptr(*words.add(at)) }.to_string_lossy().into_owned())
        .collect();
    let mut facts = Facts::default();
    // Before anything is opened here.
    files::descriptors(&mut facts);
    process::arguments(&mut facts, &arguments);
    identity::all(&mut facts);
    calls::all(&mut facts);
    files::namespaces(&mut facts);
    limits::all(&mut facts);
    process::all(&mut facts);
    files::all(&mut facts);
    terminal::all(&mut facts);
    // A terminal that is in the way of nothing else: no more than the descriptors tell.
    if std::io::stdout().write_all(facts.text.as_bytes()).and_then(|()| std::io::stdout().flush()).is_err() {
        return 1;
    }
    0
}

/// What has been found out.
#[derive(Default)]
struct Facts {
    text: String,
}

impl Facts {
    /// Notes a fact. A value stays on its line.
    fn add(&mut self, name: &str, value: impl Display) {
        let value = value.to_string().trim_end().replace('\n', "; ").replace(['\t', '\r'], " ");
        let _ = writeln!(self.text, "{name}={value}");
    }
}

/// A file's text, or the error's name.
fn read(path: &str) -> String {
    match std::fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\0']).to_owned(),
        Err(error) => kernel::name(error.raw_os_error().unwrap_or_default()),
    }
}

/// Where a link leads, or the error's name.
fn link(path: &str) -> String {
    match std::fs::read_link(path) {
        Ok(target) => target.display().to_string(),
        Err(error) => kernel::name(error.raw_os_error().unwrap_or_default()),
    }
}

/// The value of a line of `/proc/self/status`.
fn status(name: &str) -> String {
    let text = read("/proc/self/status");
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.map_or_else(|| "none".to_owned(), |value| value.split_whitespace().collect::<Vec<_>>().join(" "))
}
