//! How subcommands write: JSON, and text without control characters. Tables belong in `table.rs`.

use serde_json::Value;

use crate::exit::Failure;
use crate::show;

/// Writes a JSON value, indented, with a newline.
pub(super) fn json(value: &Value) -> Result<(), Failure> {
    show(&format!("{value:#}\n"))
}
