//! Tables of text that fit their terminal. What stands in them belongs to the subcommands.

use std::io::IsTerminal;

use crate::exit::plain;

/// A table: a heading each column, and rows.
#[derive(Debug)]
pub(super) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    /// Adds a row, of as many cells as there are headings.
    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells.iter().map(|cell| plain(cell)).collect());
    }

    /// As text, at most that wide where a width is given.
    pub(super) fn text(&self, _width: Option<usize>) -> String {
        let mut text = format!("{}\n", self.headings.join("  "));
        for row in &self.rows {
            text.push_str(&row.join("  "));
            text.push('\n');
        }
        text
    }
}

/// The width of the terminal that is written to; `None` where none is, and nothing is to be cut.
pub(super) fn width() -> Option<usize> {
    let out = std::io::stdout();
    if !out.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(&out).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}
