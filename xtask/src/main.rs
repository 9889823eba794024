//! `cargo xtask`: what is done to this project that cargo alone can't do. This file only reads the command line
//! and dispatches: one file a command. What tests need too is in `testbed`.

mod bench;
mod binary;
mod demo;
mod dist;
mod engine;
mod fidelity;
mod fuzz;
mod interrupt;
mod picture;
mod pictures;
mod run;
mod shell;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Does what this project needs done to itself.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Start what tests need (a Docker engine, images, newest peers), or take it away again
    #[command(subcommand)]
    Engine(Engine),
    /// Show cnsenter at work: a real engine, a real nginx, live requests
    Demo,
    /// Bring the engine up and run all tests
    Test {
        /// Passed on to cargo nextest, or cargo test where that is missing
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Build the static binary and pack it with its man pages, completions and licences
    Dist,
    /// Measure against nsenter and docker inspect, and write docs/performance.md
    Bench,
    /// Paint the pictures of the README from what cnsenter shows beside real containers
    Pictures,
    /// Compare what docker exec, nsenter, cntr and cnsenter make of a program, and write docs/fidelity.md
    Fidelity,
    /// Feed every parser of foreign bytes with damaged input (cargo-fuzz and a nightly compiler)
    Fuzz {
        /// How long each, in seconds
        #[arg(default_value_t = 600)]
        seconds: u32,
    },
    /// Check the project's invariants: dependencies, threads, printing, licences, file heads and sizes
    Tidy,
}

#[derive(Subcommand)]
enum Engine {
    /// Install, start and build whatever is missing
    Up,
    /// Remove what the tests made; stop the engine if `up` started it
    Down,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Task::Engine(Engine::Up) => engine::up(),
        Task::Engine(Engine::Down) => engine::down(),
        Task::Demo => demo::run(),
        Task::Test { arguments } => return test::run(&arguments),
        Task::Dist => dist::run(),
        Task::Bench => bench::run(),
        Task::Pictures => pictures::run(),
        Task::Fidelity => fidelity::run(),
        Task::Fuzz { seconds } => fuzz::run(seconds),
        Task::Tidy => tidy::run(),
    };
    run::report(done)
}
