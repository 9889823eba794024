//! The same case under nsenter or docker, and under cnsenter, on real engines: equal output and namespaces demanded.
//! Needs root and what `cargo xtask engine up` brings; without them it fails. What needs neither belongs in
//! `tests/cli`.

mod calls;
mod compose;
mod containerd;
mod daemon;
mod deceit;
mod defects;
mod escape;
mod fidelity;
mod identity;
mod lxc;
mod nspawn;
mod oci;
mod options;
mod podman;
mod pods;
mod print;
mod privilege;
mod process;
mod programs;
mod pty;
mod race;
mod relay;
mod run;
mod sandbox;
mod scan;
mod search;
mod seccomp;
mod see;
mod specification;
mod spellings;
mod state;
mod stdio;
mod storm;
mod target;
mod undaemon;
mod view;
mod wait;
mod wayout;
mod whereabouts;

/// The program under test.
fn cnsenter() -> std::process::Command {
    std::process::Command::new(env!("CARGO_BIN_EXE_cnsenter"))
}
