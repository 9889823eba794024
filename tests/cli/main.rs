//! What can be tested without root and without an engine: parsing, help, errors. Whatever needs a namespace or a
//! container belongs in `tests/engine`.

mod errors;
mod help;
mod parse;

/// The program under test.
fn cnsenter() -> std::process::Command {
    std::process::Command::new(env!("CARGO_BIN_EXE_cnsenter"))
}
