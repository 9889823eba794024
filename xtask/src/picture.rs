//! What a terminal shows, as a picture: SVG, by anstyle-svg. What it shows is `pictures`'.

use anstyle_svg::{Term, WIN10_CONSOLE};

/// The text that was shown on a terminal so many columns wide.
pub(crate) fn svg(shown: &str, columns: usize) -> String {
    let wrapped = wrap(shown.trim_end(), columns);
    Term::new().palette(WIN10_CONSOLE).render_svg(&wrapped)
}

/// Breaks lines where a terminal does. Escape sequences take no room.
fn wrap(shown: &str, columns: usize) -> String {
    let mut wrapped = String::new();
    let (mut column, mut escape) = (0, false);
    for char in shown.chars() {
        match char {
            '\n' => column = 0,
            '\x1b' => escape = true,
            // The only sequences that cnsenter and tcpdump write are colours: `\x1b[…m`.
            _ if escape => escape = char != 'm',
            _ => {
                if column == columns {
                    wrapped.push('\n');
                    column = 0;
                }
                column += 1;
            }
        }
        wrapped.push(char);
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_where_the_terminal_breaks_them() {
        assert_eq!(wrap("abcdef\nabc\nabcd", 3), "abc\ndef\nabc\nabc\nd");
        assert_eq!(wrap("\x1b[1mabc\x1b[0m\nabc\x1b[31md", 3), "\x1b[1mabc\x1b[0m\nabc\x1b[31m\nd");
    }

    #[test]
    fn colours_and_brackets_arrive_in_the_picture() {
        let svg = svg("\x1b[31m<red>\x1b[0m & plain\n", 80);
        assert!(svg.starts_with("<svg") && svg.contains("&lt;red&gt;") && svg.contains("&amp; plain"), "{svg}");
        assert!(svg.contains(".fg-red"), "{svg}");
    }
}
