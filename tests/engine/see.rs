//! What finds what to enter, beside docker ps, docker inspect, lsns, ip and the ground truth of a mixed set of containers.

mod completions;
mod inspect;
mod list;
mod ls;
mod man;
pub(crate) mod netns;
mod screens;
mod survey;
mod who;
