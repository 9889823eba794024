//! What can be tested without root and without an engine: parsing, help, errors. Whatever needs a namespace or a
//! container belongs in `tests/engine`.

mod errors;
mod help;
mod hostile;
mod parse;

/// The program under test, whatever Docker's variables say where the tests are run.
fn cnsenter() -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_cnsenter"));
    for variable in ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG"] {
        command.env_remove(variable);
    }
    command
}

/// What it wrote.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("its output is text")
}
