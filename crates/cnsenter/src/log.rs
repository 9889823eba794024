//! What the libraries say of their steps with `-v`, a line each on stderr, and what they have to say in any case once the
//! time for notices has passed: a warning, or what has failed after all. The only logger.

use std::io::Write;

use log::{Level, LevelFilter, Log, Metadata, Record};

struct Steps;

impl Log for Steps {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Not what the libraries below ours have to say.
        let ours = ["cnsenter", "enter", "resolve"];
        metadata.level() <= Level::Info && ours.iter().any(|name| metadata.target().split("::").next() == Some(name))
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let text = crate::exit::plain(&record.args().to_string());
            match record.level() {
                Level::Error => crate::exit::failure(&text),
                Level::Warn => crate::exit::notice(&text),
                _ => drop(writeln!(std::io::stderr(), "cnsenter: {text}")),
            }
        }
    }

    fn flush(&self) {}
}

/// From here on warnings are said, and steps where they were asked for.
pub(crate) fn install(steps: bool) {
    if log::set_logger(&Steps).is_ok() {
        log::set_max_level(if steps { LevelFilter::Info } else { LevelFilter::Warn });
    }
}
