//! Why a container in this state cannot be entered, in one sentence. What to do about it belongs in `hint.rs`.

use std::time::{Duration, SystemTime};

use resolve::{Container, State};

/// E.g. `container web is not running: it exited with status 137, 3m ago`.
pub(crate) fn sentence(container: &Container) -> String {
    let verb = match &container.state {
        State::Created => "was",
        State::Running | State::Paused => "has",
        _ => "is",
    };
    format!("container {} {verb} {}", container.name, phrase(&container.state))
}

/// The same for who knows which container it is: `not running: it exited with status 137, 3m ago`.
pub(crate) fn phrase(state: &State) -> String {
    match state {
        State::Created => "created and never started".to_owned(),
        State::Restarting { code } => format!("restarting: its last run exited with status {code}"),
        State::Removing => "being removed".to_owned(),
        State::Dead => "dead: the engine failed to remove it".to_owned(),
        State::Exited { code, finished } => format!("not running: it exited with status {code}{}", ago(finished)),
        State::Stopped => "not running".to_owned(),
        State::Gone { pid } => format!("not running: its recorded pid {pid} is gone"),
        State::Running | State::Paused => "no process (pid 0), though it runs by its record".to_owned(),
    }
}

/// `, 3m ago`; nothing where the engine gives no time.
fn ago(finished: &str) -> String {
    let Ok(then) = humantime::parse_rfc3339(finished) else { return String::new() };
    // Docker's zero time is in the year 1.
    let Ok(elapsed) = SystemTime::now().duration_since(then) else { return String::new() };
    if then <= SystemTime::UNIX_EPOCH {
        return String::new();
    }
    format!(", {} ago", rounded(elapsed))
}

/// In its largest unit.
pub(crate) fn rounded(time: Duration) -> String {
    let unit = match time.as_secs() {
        0..60 => 1,
        60..3600 => 60,
        3600..86400 => 3600,
        _ => 86400,
    };
    humantime::format_duration(Duration::from_secs(time.as_secs() / unit * unit)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_rounded_to_its_largest_unit() {
        let at = |seconds| {
            let then = SystemTime::now() - Duration::from_secs(seconds);
            ago(&humantime::format_rfc3339_nanos(then).to_string())
        };
        assert_eq!(at(7), ", 7s ago");
        assert_eq!(at(200), ", 3m ago");
        assert_eq!(at(7300), ", 2h ago");
        assert_eq!(at(3 * 86400 + 5), ", 3days ago");
        assert_eq!(ago("0001-01-01T00:00:00Z"), "");
        assert_eq!(ago(""), "");
    }
}
