//! The part of regular expressions that people write in docker's filters of names: `^`, `$`, `.`, `*`, `+`, `?`, `|`.
//! What is more than that is an error, not another meaning.

use crate::cli::UsageError;

/// Alternatives, one of which is to be found somewhere.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pattern(Vec<Alternative>);

#[derive(Clone, Debug, Default, PartialEq)]
struct Alternative {
    at_start: bool,
    at_end: bool,
    parts: Vec<Part>,
}

/// A letter, and how often: at least, and whether it may be more often than once.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Part {
    /// Nothing stands for any.
    letter: Option<char>,
    optional: bool,
    repeated: bool,
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, UsageError> {
        let mut all = vec![Alternative::default()];
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            let count = all.len();
            let Alternative { at_start, at_end, parts } = &mut all[count - 1];
            let error = |message: String| {
                let hint =
                    "^ and $ are start and end, . any letter, * + ? say how often, | is or, \\ takes the next as it is";
                UsageError { message, hint: Some(hint.to_owned()), as_nsenter: false }
            };
            let more = || error(format!("{text:?} is more of a regular expression than filters know: {letter:?}"));
            match letter {
                '|' => {
                    all.push(Alternative::default());
                    continue;
                }
                _ if *at_end => return Err(error(format!("{text:?}: nothing can follow $"))),
                '^' if parts.is_empty() && !*at_start => *at_start = true,
                '$' => *at_end = true,
                '*' | '+' | '?' => {
                    let last = parts.last_mut().filter(|part| !part.optional && !part.repeated).ok_or_else(more)?;
                    (last.optional, last.repeated) = (letter != '+', letter != '?');
                }
                '^' | '[' | ']' | '(' | ')' | '{' | '}' => return Err(more()),
                _ => {
                    let letter = match letter {
                        '.' => None,
                        '\\' => Some(letters.next().filter(|next| !next.is_alphanumeric()).ok_or_else(more)?),
                        _ => Some(letter),
                    };
                    parts.push(Part { letter, optional: false, repeated: false });
                }
            }
        }
        Ok(Self(all))
    }

    /// Whether it is found in a text.
    pub(super) fn finds(&self, text: &str) -> bool {
        let letters: Vec<char> = text.chars().collect();
        self.0.iter().any(|alternative| alternative.finds(&letters))
    }
}

impl Alternative {
    fn finds(&self, text: &[char]) -> bool {
        let last_start = if self.at_start { 0 } else { text.len() };
        // The places that can be reached with what was looked at of the pattern.
        let mut reached: Vec<bool> = (0..=text.len()).map(|at| at <= last_start).collect();
        for part in &self.parts {
            let mut next: Vec<bool> = reached.iter().map(|here| *here && part.optional).collect();
            for at in 0..text.len() {
                let fits = part.letter.is_none_or(|letter| letter == text[at]);
                let from_here = reached[at] || (part.repeated && next[at]);
                next[at + 1] |= fits && from_here;
            }
            reached = next;
        }
        if self.at_end { reached[text.len()] } else { reached.contains(&true) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_where_a_regular_expression_would_be() {
        for (pattern, fitting, others) in [
            ("", &["", "web"][..], &[][..]),
            ("web", &["web", "my-web-1"], &["wed", "WEB"]),
            ("^web$", &["web"], &["web1", "aweb"]),
            ("^/web", &["/web-1"], &["web", "a/web"]),
            ("w.b", &["web", "w.b"], &["wb"]),
            ("^w.*1$", &["web-1", "w1"], &["web-12"]),
            ("^a+b?$", &["a", "aaab"], &["b", "abb"]),
            ("^web$|^db", &["web", "db-1"], &["web1", "adb"]),
            (r"a\.b", &["a.b"], &["axb"]),
            (".*.*.*.*x", &["aaax"], &["aaaaaaaaaaaaaaaaaaaaaaaa"]),
            ("é", &["café"], &["cafe"]),
        ] {
            let parsed = Pattern::parse(pattern).unwrap();
            fitting.iter().for_each(|text| assert!(parsed.finds(text), "{pattern} in {text}"));
            others.iter().for_each(|text| assert!(!parsed.finds(text), "{pattern} not in {text}"));
        }
    }

    #[test]
    fn what_is_more_than_that_is_refused() {
        for pattern in ["web[0-9]", "(a|b)", "a{2}", "*", "a**", "a^", "$a", r"\d", "\\"] {
            assert!(Pattern::parse(pattern).is_err(), "{pattern}");
        }
    }
}
