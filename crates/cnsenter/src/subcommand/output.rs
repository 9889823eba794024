//! How subcommands write: JSON, and what they could not ask or see. Tables belong in `table.rs`.

use serde_json::Value;

use super::inventory::Inventory;
use crate::exit::{self, Failure};
use crate::show;

/// Writes a JSON value, indented, with a newline.
pub(super) fn json(value: &Value) -> Result<(), Failure> {
    show(&format!("{value:#}\n"))
}

/// Says on stderr who could not be asked, and what may not be looked at. Where nothing is known for that reason, it is a
/// failure.
pub(super) fn notices(inventory: &Inventory) -> Result<(), Failure> {
    let Inventory { items, unasked, .. } = inventory;
    if items.is_empty() && !unasked.is_empty() && unasked.iter().all(|unasked| !unasked.by_state) {
        return Err(Failure::NobodyAnswers(unasked.clone()));
    }
    say(inventory);
    Ok(())
}

/// Says the same, and that alone: for what there is to show though nobody could be asked.
pub(super) fn say(inventory: &Inventory) {
    for unasked in &inventory.unasked {
        let instead = if unasked.by_state { "; this is what it left on disk" } else { "" };
        exit::notice(&format!("{} was not asked: {}{instead}", unasked.runtime.name(), unasked.reason));
    }
    match inventory.items.iter().filter(|item| item.is_unseen()).count() {
        0 => {}
        unseen => exit::notice(&format!("of {unseen} containers namespaces and interfaces are root's to see")),
    }
}

/// An object of fields. One function for all of them: what `json!` writes out for each takes three times as much room.
pub(super) fn object(fields: &mut [(&str, Value)]) -> Value {
    Value::Object(fields.iter_mut().map(|(name, value)| ((*name).to_owned(), value.take())).collect())
}
