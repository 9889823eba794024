//! Tables of text that fit their terminal. What stands in them belongs to the subcommands.

use std::io::IsTerminal;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::exit::{self, Failure, plain};
use crate::show;

/// What stands between two columns.
const GAP: usize = 2;
/// A cell that is wider than this pushes nothing aside where nothing is cut: one container's ten thousand addresses would
/// otherwise be as many blanks in every other row.
const WIDEST: usize = 200;

/// A column: how far it gives way to a narrow terminal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) heading: &'static str,
    /// It may be cut to this width, and no further.
    pub(super) least: usize,
    /// The higher, the sooner it is left out where cutting does not do; 0 is never left out.
    pub(super) rank: u8,
}

/// A table: columns, and rows of as many cells.
#[derive(Debug)]
pub(super) struct Table {
    headings: Vec<String>,
    /// Of each column as of [`Column`].
    limits: Vec<(usize, u8)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Columns that may each be cut, and are never left out.
    pub(super) fn new(headings: &[&str]) -> Self {
        let headings: Vec<_> = headings.iter().map(|heading| (*heading).to_owned()).collect();
        Self { limits: vec![(12, 0); headings.len()], headings, rows: Vec::new() }
    }

    /// Columns that give way each in its own manner.
    pub(super) fn of(columns: impl IntoIterator<Item = Column>) -> Self {
        let columns: Vec<_> = columns.into_iter().collect();
        let limits = columns.iter().map(|column| (column.least, column.rank)).collect();
        let headings: Vec<_> = columns.iter().map(|column| column.heading).collect();
        Self { limits, ..Self::new(&headings) }
    }

    /// Adds a row. A cell that is empty is shown as `-`.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let shown = |cell: String| if cell.is_empty() { "-".to_owned() } else { plain(&cell) };
        self.rows.push(cells.into_iter().map(shown).collect());
    }

    /// Writes it, fitted to the terminal if it is written to one.
    pub(super) fn show(&self) -> Result<(), Failure> {
        self.write(width())
    }

    /// Writes it, whatever it is written to.
    pub(super) fn show_whole(&self) -> Result<(), Failure> {
        self.write(None)
    }

    fn write(&self, width: Option<usize>) -> Result<(), Failure> {
        let text = self.text(width);
        match (exit::coloured(&std::io::stdout()), text.split_once('\n')) {
            (true, Some((headings, rows))) => show(&format!("\x1b[1m{headings}\x1b[0m\n{rows}")),
            _ => show(&text),
        }
    }

    /// As text, no line wider than that, where a width is given.
    pub(super) fn text(&self, width: Option<usize>) -> String {
        let lines: Vec<_> = std::iter::once(&self.headings).chain(&self.rows).collect();
        let most = width.unwrap_or(WIDEST);
        let widest = |at: usize| lines.iter().map(|line| line[at].width()).max().unwrap_or(0).min(most);
        let widths = self.fit((0..self.limits.len()).map(widest).collect(), width.unwrap_or(usize::MAX));
        let is_cut = width.is_some();
        let mut text = String::new();
        for line in lines {
            let mut row = String::new();
            for (cell, width) in line.iter().zip(&widths).filter(|(_, width)| **width > 0) {
                // Of a path among another's files, the beginning says whose they are; of several, the first is the best.
                let cell = match cell.starts_with('/') && !cell.starts_with("/proc/") && !cell.contains(',') {
                    _ if !is_cut => cell.clone(),
                    true => cut_path(cell, *width),
                    false => cut(cell, *width),
                };
                let padding = width.saturating_sub(cell.width()) + GAP;
                row.push_str(&cell);
                row.extend(std::iter::repeat_n(' ', padding));
            }
            text.push_str(&cut(row.trim_end(), width.unwrap_or(usize::MAX)));
            text.push('\n');
        }
        text
    }

    /// How wide each column is to be; those of width 0 are left out.
    fn fit(&self, natural: Vec<usize>, width: usize) -> Vec<usize> {
        let mut kept: Vec<bool> = natural.iter().map(|_| true).collect();
        loop {
            let mut widths: Vec<usize> =
                natural.iter().zip(&kept).map(|(width, kept)| width * usize::from(*kept)).collect();
            let gaps = GAP * kept.iter().filter(|kept| **kept).count().saturating_sub(1);
            while widths.iter().sum::<usize>() + gaps > width {
                let can = |at: &usize| widths[*at] > self.limits[*at].0;
                let Some(widest) = (0..widths.len()).filter(can).max_by_key(|at| widths[*at]) else { break };
                widths[widest] -= 1;
            }
            let droppable = (0..kept.len()).filter(|at| kept[*at] && self.limits[*at].1 > 0);
            match droppable.max_by_key(|at| self.limits[*at].1) {
                Some(next) if widths.iter().sum::<usize>() + gaps > width => kept[next] = false,
                _ => return widths,
            }
        }
    }
}

/// The beginning of a text that is too wide, and an ellipsis.
fn cut(text: &str, width: usize) -> String {
    match text.width() <= width {
        true => text.to_owned(),
        false => fitting(text.chars(), width.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// An ellipsis, and the end of a path that is too wide: many lie in one folder.
fn cut_path(path: &str, width: usize) -> String {
    if path.width() <= width {
        return path.to_owned();
    }
    let end: Vec<_> = fitting(path.chars().rev(), width.saturating_sub(1)).collect();
    std::iter::once('…').chain(end.into_iter().rev()).collect()
}

/// So many letters as fit.
fn fitting(letters: impl Iterator<Item = char>, width: usize) -> impl Iterator<Item = char> {
    let mut left = width;
    letters.take_while(move |letter| {
        let wide = letter.width().unwrap_or(0);
        let fits = wide <= left;
        left = left.saturating_sub(wide);
        fits
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let column = |heading, least, rank| Column { heading, least, rank };
        let mut table = Table::of([column("NAME", 6, 0), column("IMAGE", 5, 1), column("PID", 9, 2)]);
        table.row(["a-long-name", "image:tag", "4711"].map(String::from));
        table.row(["b", "", "7"].map(String::from));
        table
    }

    #[test]
    fn what_has_room_is_whole_and_what_is_empty_is_shown() {
        let whole = "NAME         IMAGE      PID\na-long-name  image:tag  4711\nb            -          7\n";
        assert_eq!(table().text(None), whole);
        assert_eq!(table().text(Some(28)), whole);
    }

    #[test]
    fn columns_are_cut_the_widest_first_and_then_left_out_by_rank() {
        assert_eq!(table().text(Some(22)), "NAME     IMAGE    PID\na-long…  image:…  4711\nb        -        7\n");
        assert_eq!(table().text(Some(16)), "NAME     IMAGE\na-long…  image:…\nb        -\n");
        assert_eq!(table().text(Some(8)), "NAME\na-long-…\nb\n");
        assert_eq!(table().text(Some(3)), "NA…\na-…\nb\n");
    }

    #[test]
    fn of_a_path_the_end_is_kept() {
        let mut table = Table::of([Column { heading: "FILE", least: 9, rank: 0 }]);
        let rows = ["/run/docker/netns/0123456789ab", "/run/b", "/proc/4711/root/run/b", "/run/a,/run/b,/run/c"];
        rows.iter().for_each(|path| table.row([(*path).to_owned()]));
        assert_eq!(table.text(Some(13)), "FILE\n…0123456789ab\n/run/b\n/proc/4711/r…\n/run/a,/run/…\n");
        assert_eq!(table.text(None), format!("FILE\n{}\n", rows.join("\n")));
    }

    #[test]
    fn what_is_far_too_wide_pushes_nobody_aside() {
        let long = "x".repeat(100_000);
        let mut table = Table::new(&["A", "B"]);
        table.row([long.clone(), "c".to_owned()]);
        (0..100).for_each(|_| table.row(["b", "c"].map(String::from)));
        let text = table.text(None);
        assert!(text.len() < 2 * long.len() && text.lines().nth(1) == Some(&format!("{long}  c")), "{}", text.len());
        assert_eq!(text.lines().nth(2), Some(&*format!("b{}c", " ".repeat(WIDEST + GAP - 1))));
        assert_eq!(table.text(Some(20)).lines().nth(1), Some("xxxxxxxxxxxxxxxx…  c"));
    }

    #[test]
    fn letters_that_are_wide_count_twice_and_those_that_are_obeyed_are_escaped() {
        let mut table = Table::new(&["A", "B"]);
        table.row(["\u{6f22}\u{5b57}", "x\x1b[2J"].map(String::from));
        assert_eq!(table.text(None), "A     B\n\u{6f22}\u{5b57}  x\\u{1b}[2J\n");
        assert_eq!(cut("\u{6f22}\u{5b57}", 3), "\u{6f22}…");
        assert_eq!(cut("\u{6f22}\u{5b57}", 2), "…");
        assert_eq!(cut_path("/\u{6f22}\u{5b57}", 3), "…\u{5b57}");
    }
}
