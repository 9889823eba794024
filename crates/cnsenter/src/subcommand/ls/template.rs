//! `--format`: the part of Go's templates that people write for docker ps, with the fields of the JSON.

use serde_json::Value;

use crate::cli::UsageError;
use crate::exit::{Failure, plain};
use crate::show;
use crate::subcommand::inventory::FIELDS;
use crate::subcommand::output::harmless;
use crate::subcommand::table::Table;

/// A template: what is printed of each container.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Template {
    pieces: Vec<Piece>,
    /// Whether its tabs stand between columns with headings.
    is_table: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Field {
        /// Without the dot before it; empty for all of it.
        path: String,
        as_json: bool,
    },
}

impl Template {
    pub(super) fn parse(text: &str) -> Result<Self, UsageError> {
        let (body, is_table) = match text.strip_prefix("table ") {
            Some(body) => (body.trim_start(), true),
            None => (text, false),
        };
        let mut pieces = Vec::new();
        let mut rest = body;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((action, after)) = after.split_once("}}") else {
                return Err(error(format!("{text:?} has no }}}} for its {{{{")));
            };
            pieces.push(Piece::Text(unescaped(before)));
            pieces.push(field(action.trim())?);
            rest = after;
        }
        if pieces.is_empty() {
            return Err(error(format!("{text:?} names no field")));
        }
        pieces.push(Piece::Text(unescaped(rest)));
        Ok(Self { pieces, is_table })
    }

    /// Prints each.
    pub(super) fn show(&self, values: impl Iterator<Item = Value>) -> Result<(), Failure> {
        if !self.is_table {
            let lines = values.map(|value| self.filled(|path, as_json| text(&value, path, as_json)) + "\n");
            return show(&lines.collect::<String>());
        }
        let heading = |path: &str, _| path.rsplit('.').next().unwrap_or_default().to_uppercase();
        let mut table = Table::new(&self.filled(heading).split('\t').collect::<Vec<_>>());
        for value in values {
            let line = self.filled(|path, as_json| text(&value, path, as_json));
            table.row(line.split('\t').map(str::to_owned));
        }
        table.show()
    }

    fn filled(&self, fill: impl Fn(&str, bool) -> String) -> String {
        let filled = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Field { path, as_json } => plain(&fill(path, *as_json)),
        };
        self.pieces.iter().map(filled).collect()
    }
}

/// What stands between `{{` and `}}`.
fn field(action: &str) -> Result<Piece, UsageError> {
    let (as_json, dotted) = match action.strip_prefix("json ") {
        Some(dotted) => (true, dotted.trim()),
        None => (false, action),
    };
    let path = dotted.strip_prefix('.').ok_or_else(|| error(format!("{{{{{action}}}}} is no field")))?;
    let first = path.split('.').next().unwrap_or_default();
    if !first.is_empty() && !FIELDS.contains(&first) {
        return Err(error(format!("a container has no field .{first}")));
    }
    Ok(Piece::Field { path: path.to_owned(), as_json })
}

fn error(message: String) -> UsageError {
    let hint =
        format!("write {{{{.name}}}}, {{{{json .ports}}}} or --json for all; the fields are {}", FIELDS.join(", "));
    UsageError { message, hint: Some(hint), as_nsenter: false }
}

/// A shell leaves `\t` and `\n` as they are written.
fn unescaped(text: &str) -> String {
    text.replace("\\t", "\t").replace("\\n", "\n")
}

fn text(value: &Value, path: &str, as_json: bool) -> String {
    let found = at(value, path);
    match found {
        _ if as_json => harmless(&found.to_string()),
        Value::String(text) => text,
        Value::Null => String::new(),
        Value::Array(parts) => {
            let parts = parts.iter().map(|part| text(part, "", false)).filter(|part| !part.is_empty());
            parts.collect::<Vec<_>>().join(",")
        }
        other => other.to_string(),
    }
}

/// What is at a path: of a list, what is there in each. A label's name may have dots itself.
fn at(value: &Value, path: &str) -> Value {
    if path.is_empty() {
        return value.clone();
    }
    match value {
        Value::Object(fields) => match (fields.get(path), path.split_once('.')) {
            (Some(found), _) => found.clone(),
            (None, Some((first, rest))) => fields.get(first).map_or(Value::Null, |found| at(found, rest)),
            (None, None) => Value::Null,
        },
        Value::Array(parts) => parts.iter().map(|part| at(part, path)).filter(|found| !found.is_null()).collect(),
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filled(template: &str) -> String {
        let value = json!({
            "name": "web", "pid": 7, "image": null, "labels": {"a.b": "dotted", "plain": "x\u{1b}", "high": "\u{9b}"},
            "networks": [{"network": "n", "addresses": ["10.0.0.2", "10.0.0.3"]}, {"network": "m", "addresses": []}],
        });
        Template::parse(template).unwrap().filled(|path, as_json| text(&value, path, as_json))
    }

    #[test]
    fn fields_are_those_of_the_json() {
        assert_eq!(filled("{{.name}} {{ .pid }}\\t[{{.image}}]\\n"), "web 7\t[]\n");
        assert_eq!(filled("{{.labels.a.b}} {{.labels.none}} {{.labels.plain}}"), "dotted  x\\u{1b}");
        assert_eq!(filled("{{.networks.network}} {{.networks.addresses}}"), "n,m 10.0.0.2,10.0.0.3");
        assert_eq!(filled("{{json .networks.network}} {{json .name}} {{json .image}}"), r#"["n","m"] "web" null"#);
        assert!(filled("{{json .}}").starts_with('{'));
        assert_eq!(filled("{{.labels.high}} {{json .labels.high}}"), "\\u{9b} \"\\u009b\"");
    }

    #[test]
    fn what_is_no_field_is_named_with_those_that_are() {
        for (template, message) in [
            ("{{.Names}}", "a container has no field .Names"),
            ("{{.name", "\"{{.name\" has no }} for its {{"),
            ("json", "\"json\" names no field"),
            ("table", "\"table\" names no field"),
            ("{{upper .name}}", "{{upper .name}} is no field"),
        ] {
            let error = Template::parse(template).unwrap_err();
            assert_eq!(error.message, message);
            assert!(error.hint.unwrap_or_default().contains("started"), "{template}");
        }
    }
}
