//! Lines of a screen that groups what it says: a label at the left, what is wrong in red, nothing that a terminal would obey.
//! What is said belongs in `screen.rs`.

use std::fmt::Arguments;

use unicode_width::UnicodeWidthStr;

use super::facts::Known;
use crate::exit::plain;

/// How wide the labels are.
const LABEL: usize = 11;
/// How many rows a group has at most.
const ROWS: usize = 5;
/// What stands around what is wrong until it is shown. All else is without control characters.
const WRONG: char = '\u{1}';
const RIGHT: char = '\u{2}';

/// A line in the making.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Row(String);

impl Row {
    /// One that says this.
    pub(super) fn of(text: Arguments<'_>) -> Self {
        let mut row = Self::default();
        row.join(text);
        row
    }

    /// Adds something without a blank.
    pub(super) fn join(&mut self, text: Arguments<'_>) {
        self.0.push_str(&plain(&text.to_string()));
    }

    /// Adds something.
    pub(super) fn say(&mut self, text: Arguments<'_>) -> &mut Self {
        self.put(false, text);
        self
    }

    /// Adds what somebody who was woken up looks for.
    pub(super) fn alarm(&mut self, text: Arguments<'_>) -> &mut Self {
        self.put(true, text);
        self
    }

    /// Adds the one or the other.
    pub(super) fn put(&mut self, is_wrong: bool, text: Arguments<'_>) {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        self.0.extend(is_wrong.then_some(WRONG));
        self.join(text);
        self.0.extend(is_wrong.then_some(RIGHT));
    }
}

/// The screen so far.
#[derive(Debug)]
pub(super) struct Screen {
    pub(super) text: String,
    pub(super) width: Option<usize>,
    pub(super) coloured: bool,
}

impl Screen {
    /// Adds a group; what does not fit goes on below.
    pub(super) fn row(&mut self, label: &str, row: &Row) {
        self.mark("\x1b[1m");
        self.text.push_str(label);
        self.text.extend(std::iter::repeat_n(' ', LABEL.saturating_sub(label.len())));
        self.mark("\x1b[0m");
        let mut column = LABEL;
        for word in row.0.split(' ') {
            let length = word.replace([WRONG, RIGHT], "").width();
            if column > LABEL {
                let goes_on = self.width.is_none_or(|width| column + 1 + length <= width);
                self.text.push(if goes_on { ' ' } else { '\n' });
                let indent = if goes_on { 0 } else { LABEL };
                self.text.extend(std::iter::repeat_n(' ', indent));
                column = if goes_on { column + 1 } else { LABEL };
            }
            for letter in word.chars() {
                match letter {
                    WRONG => self.mark("\x1b[1;31m"),
                    RIGHT => self.mark("\x1b[0m"),
                    letter => self.text.push(letter),
                }
            }
            column += length;
        }
        self.text.push('\n');
    }

    fn mark(&mut self, colour: &str) {
        if self.coloured {
            self.text.push_str(colour);
        }
    }

    /// Adds a group of one thing.
    pub(super) fn say(&mut self, label: &str, text: Arguments<'_>) {
        self.row(label, &Row::of(text));
    }

    /// Adds a line that is to be copied, and so is not broken.
    pub(super) fn copied(&mut self, label: &str, line: &str) {
        let width = self.width.take();
        self.say(label, format_args!("{line}"));
        self.width = width;
    }

    /// Adds rows, the first of which has the label: those with what is wrong first, the others as far as there is room.
    pub(super) fn rows(&mut self, label: &str, mut rows: Vec<Row>) {
        rows.sort_by_key(|row| !row.0.contains(WRONG));
        let more = rows.len().saturating_sub(ROWS);
        rows.truncate(ROWS);
        if more > 0 {
            rows.push(Row::of(format_args!("and {more} more")));
        }
        let mut label = label;
        for row in &rows {
            self.row(label, row);
            label = "";
        }
    }

    /// What is known; why it is not is shown in its place.
    pub(super) fn known<'a, T>(&mut self, label: &str, known: &'a Known<T>) -> Option<&'a T> {
        match known {
            Ok(known) => Some(known),
            Err(why) => {
                self.say(label, format_args!("{why}"));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(width: Option<usize>, coloured: bool, rows: Vec<Row>) -> String {
        let mut screen = Screen { text: String::new(), width, coloured };
        screen.rows("label", rows);
        screen.text
    }

    fn row() -> Row {
        let mut row = Row::of(format_args!("one  two"));
        row.alarm(format_args!("thr\x01ee \x1b[2J")).join(format_args!(";"));
        row
    }

    #[test]
    fn words_go_on_below_and_nothing_is_obeyed() {
        let line = "label      one  two thr\\u{1}ee \\u{1b}[2J;\n";
        assert_eq!(shown(None, false, vec![row()]), line);
        assert_eq!(shown(Some(line.len() - 1), false, vec![row()]), line);
        let broken = "label      one  two thr\\u{1}ee\n           \\u{1b}[2J;\n";
        assert_eq!(shown(Some(line.len() - 2), false, vec![row()]), broken);
        let coloured = "\x1b[1mlabel      \x1b[0mone  two \x1b[1;31mthr\\u{1}ee \\u{1b}[2J\x1b[0m;\n";
        assert_eq!(shown(None, true, vec![row()]), coloured);
        // What is wider than all of it is whole.
        assert_eq!(shown(Some(5), false, vec![Row::of(format_args!("abc def"))]), "label      abc\n           def\n");
    }

    #[test]
    fn what_is_wrong_is_never_cut() {
        let mut rows: Vec<_> = (0..6).map(|number| Row::of(format_args!("{number}"))).collect();
        rows[5].alarm(format_args!("!"));
        let words: Vec<_> = shown(None, false, rows).split_whitespace().map(str::to_owned).collect();
        assert_eq!(words, ["label", "5", "!", "0", "1", "2", "3", "and", "1", "more"]);
    }
}
