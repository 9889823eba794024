//! A page of the manual as plain data, and its two looks: the source that man(1) formats, and text where there is no
//! man(1). What pages say belongs in `texts.rs`.

/// A page.
pub(super) struct Page {
    /// `cnsenter-ls`.
    pub(super) name: String,
    /// In a line.
    pub(super) about: String,
    /// After NAME; one in which nothing stands is left out.
    pub(super) sections: Vec<(&'static str, Vec<Block>)>,
}

/// A part of a section.
#[derive(Clone)]
pub(super) enum Block {
    /// Text, filled.
    Text(String),
    /// Lines as they are.
    Lines(String),
    /// What is typed as it is, what stands for something else, and what both are.
    Term { literal: String, variable: String, what: String },
    /// A heading within a section.
    Heading(String),
}

impl Block {
    /// A paragraph: one with lines that are indented is to stay as it is.
    pub(super) fn of_paragraph(text: &str) -> Self {
        match text.lines().any(|line| line.starts_with(' ')) {
            true => Self::Lines(text.to_owned()),
            false => Self::Text(text.to_owned()),
        }
    }

    pub(super) fn term(literal: &str, variable: &str, what: &str) -> Self {
        Self::Term { literal: literal.to_owned(), variable: variable.to_owned(), what: what.to_owned() }
    }
}

const VERSION: &str = concat!("cnsenter ", env!("CARGO_PKG_VERSION"));

impl Page {
    fn sections(&self) -> impl Iterator<Item = &(&'static str, Vec<Block>)> {
        self.sections.iter().filter(|(_, blocks)| !blocks.is_empty())
    }

    /// In the language of man(7).
    pub(super) fn roff(&self) -> String {
        let title = self.name.to_uppercase();
        let mut page = format!(".TH \"{}\" 1 \"\" \"{VERSION}\" \"User Commands\"\n", escaped(&title));
        page.push_str(&format!(".SH NAME\n{}", source(&format!("{} - {}", self.name, self.about))));
        for (heading, blocks) in self.sections() {
            page.push_str(&format!(".SH \"{heading}\"\n"));
            for (at, block) in blocks.iter().enumerate() {
                page.push_str(&match block {
                    Block::Text(text) if at == 0 => source(text),
                    Block::Text(text) => format!(".PP\n{}", source(text)),
                    Block::Lines(lines) if at == 0 => format!(".nf\n{}\n.fi\n", escaped(lines)),
                    Block::Lines(lines) => format!(".PP\n.nf\n{}\n.fi\n", escaped(lines)),
                    Block::Term { literal, variable, what } => {
                        let variable = match &variable[..] {
                            "" => String::new(),
                            variable => format!("\\fI{}\\fR", escaped(variable)),
                        };
                        let literal = match &literal[..] {
                            "" => String::new(),
                            literal => format!("\\fB{}\\fR", escaped(literal)),
                        };
                        format!(".TP\n{literal}{variable}\n{}", source(what))
                    }
                    Block::Heading(heading) => format!(".SS \"{}\"\n", escaped(heading)),
                });
            }
        }
        page
    }

    /// As text of at most so many columns, what cannot be parted aside.
    pub(super) fn text(&self, width: usize) -> String {
        let mut page = format!("NAME\n       {} - {}\n", self.name, self.about);
        for (heading, blocks) in self.sections() {
            page.push_str(&format!("\n{heading}\n"));
            for (at, block) in blocks.iter().enumerate() {
                let apart = at > 0 && !matches!(blocks[at - 1], Block::Heading(_));
                page.push_str(if apart { "\n" } else { "" });
                match block {
                    Block::Text(text) => page.push_str(&filled(text, 7, width)),
                    Block::Lines(lines) => lines.lines().for_each(|line| page.push_str(&format!("       {line}\n"))),
                    Block::Term { literal, variable, what } => {
                        page.push_str(&format!("       {literal}{variable}\n{}", filled(what, 14, width)));
                    }
                    Block::Heading(heading) => page.push_str(&format!("   {heading}\n")),
                }
            }
        }
        page.push_str(&format!("\n{VERSION}\n"));
        page
    }
}

/// Words on lines that begin with so many blanks.
fn filled(text: &str, indent: usize, width: usize) -> String {
    let mut all = String::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && indent + line.chars().count() + 1 + word.chars().count() > width {
            all.push_str(&format!("{:indent$}{line}\n", ""));
            line.clear();
        }
        line.push_str(if line.is_empty() { "" } else { " " });
        line.push_str(word);
    }
    all.push_str(&format!("{:indent$}{line}\n", ""));
    all
}

/// Text as roff's source: lines of no more than 80 bytes.
fn source(text: &str) -> String {
    format!("{}\n", escaped(&filled(text, 0, 70)))
}

/// Text that roff prints as it is: a dash is no hyphen, a quote none of typography, a line none of roff's own.
fn escaped(text: &str) -> String {
    let mut all = String::new();
    for (at, line) in text.lines().enumerate() {
        all.push_str(if at > 0 { "\n" } else { "" });
        all.push_str(if line.starts_with(['.', '\'']) { "\\&" } else { "" });
        for letter in line.chars() {
            match letter {
                '\\' => all.push_str("\\e"),
                '-' => all.push_str("\\-"),
                '\'' => all.push_str("\\(aq"),
                '^' => all.push_str("\\(ha"),
                '~' => all.push_str("\\(ti"),
                '`' => all.push_str("\\(ga"),
                '"' => all.push_str("\\(dq"),
                letter => all.push(letter),
            }
        }
    }
    all
}
