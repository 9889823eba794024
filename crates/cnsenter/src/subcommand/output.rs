//! How subcommands write: JSON, and what they could not ask or see. Tables belong in `table.rs`.

use serde_json::Value;

use super::inventory::Inventory;
use crate::exit::{self, Failure};
use crate::show;

/// Writes a JSON value, indented, with a newline.
pub(super) fn json(value: &Value) -> Result<(), Failure> {
    show(&(harmless(&format!("{value:#}")) + "\n"))
}

/// JSON without the characters that a terminal obeys, which it may hold as they are but for ASCII's.
pub(super) fn harmless(json: &str) -> String {
    let mut text = String::new();
    for letter in json.chars() {
        match letter {
            // All of them have four digits. Newlines are between its parts.
            _ if letter != '\n' && exit::is_obeyed(letter) => text.push_str(&format!("\\u{:04x}", u32::from(letter))),
            _ => text.push(letter),
        }
    }
    text
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_says_the_same_to_programs_and_nothing_to_terminals() {
        let value = Value::from("a\u{1b}[2J\u{9b}31m\u{7f}\u{80}\u{9f}\u{a0}\u{e9}\u{202e}\u{61c}\n");
        let text = harmless(&value.to_string());
        assert!(!text.chars().any(exit::is_obeyed), "{text:?}");
        assert!(text.contains("\u{a0}\u{e9}"));
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
