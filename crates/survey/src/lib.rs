//! `survey` reads what the kernel says of this host: which namespaces there are and who holds them, what is in a
//! network, what a cgroup uses.
//!
//! Here belongs: reading `/proc`, cgroups and netlink, as plain data out. Does not belong here: containers and their
//! names (`resolve`), running anything anywhere (`enter`), printing. Nothing of it is on the way from argv to exec.

mod cgroup;
mod error;
mod files;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod foreign;
mod holder;
mod link;
mod listener;
mod member;
mod mount;
mod namespace;
mod netlink;
mod network;
mod outside;
mod process;
mod route;
mod socket;
mod visit;

pub use cgroup::{Cgroup, Usage};
pub use error::Error;
pub use holder::{Depth, Descriptor, Held, Home, Networks, networks};
pub use link::{Address, Link};
pub use listener::{Listener, Protocol};
pub use member::{is_in, members};
pub use mount::{Mount, mounted_over, mounts_of};
pub use namespace::{Inode, Kind, Namespaces};
pub use network::{Extent, Network, bare_links, has, link_named, network};
pub use outside::{Outside, numbers};
pub use process::{Process, moment};
pub use route::Route;
pub use socket::holders;
pub use visit::{Visit, visit_each};
