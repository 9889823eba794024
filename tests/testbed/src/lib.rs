//! What the tests and `xtask` share: a Docker engine, images made of this machine's own files, guards that
//! remove what a test made, and ways to bring about what a real engine does only by bad luck.
//!
//! Nothing here knows `cnsenter`: no flags, no expected messages. A helper that only one test needs belongs in
//! that test. Everything made on an engine carries [`LABEL`] and, where it has a name, [`PREFIX`]; nothing
//! without them is ever touched.

pub mod containerd;
pub mod cri;
pub mod engine;
pub mod fake;
pub mod guard;
pub mod host;
pub mod image;
pub mod lxc;
pub mod ns;
pub mod nspawn;
pub mod oci;
pub mod output;
pub mod peers;
pub mod pid;
pub mod podman;
pub mod probe;
pub mod pty;
pub mod rootfs;
pub mod wait;

pub use guard::{Container, Network, Scratch};
pub use output::Output;

/// The label of every container, network and image that the tests make.
pub const LABEL: &str = "cnsenter.test=1";

/// The beginning of the name of every container and network that the tests make.
pub const PREFIX: &str = "cnsenter-test-";
