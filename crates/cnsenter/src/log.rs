//! `-v`: what the libraries say of their steps, a line each on stderr. The only logger; nothing is said without `-v`.

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
            let _ = writeln!(std::io::stderr(), "cnsenter: {text}");
        }
    }

    fn flush(&self) {}
}

/// From here on, steps are said.
pub(crate) fn install() {
    if log::set_logger(&Steps).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}
