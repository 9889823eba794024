//! The same case under nsenter or docker, and under cnsenter, on real engines: equal output and namespaces demanded.
//! Needs root and what `cargo xtask engine up` brings; without them it fails. What needs neither belongs in
//! `tests/cli`.

mod daemon;
mod defects;
mod options;
mod print;
mod privilege;
mod process;
mod programs;
mod race;
mod relay;
mod run;
mod sandbox;
mod spellings;
mod state;
mod target;
mod wayout;

/// The program under test.
fn cnsenter() -> std::process::Command {
    std::process::Command::new(env!("CARGO_BIN_EXE_cnsenter"))
}
