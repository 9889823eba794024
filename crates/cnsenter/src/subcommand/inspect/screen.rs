//! What there is to know of a container as text for a person: groups with a label at the left, what is wrong in red. What
//! is shown was gathered in `facts.rs`.

use std::fmt::Write;
use std::time::SystemTime;

use nix::sys::signal::Signal;
use resolve::{History, State};
use survey::{Kind, Link, Route, Usage};
use unicode_width::UnicodeWidthStr;

use super::super::inventory::{self, Interface};
use super::facts::{Facts, Known, Live, NOT_OURS};
use super::network;
use crate::exit::{plain, state};

/// How wide the labels are.
const LABEL: usize = 11;
/// How many rows a group has at most, and a list words.
const ROWS: usize = 5;
const WORDS: usize = 8;
/// How much of a command line is shown, in characters.
const COMMAND: usize = 100;

/// A piece of a line.
enum Piece {
    Plain(String),
    /// What somebody who was woken up looks for.
    Alarm(String),
}

use Piece::{Alarm, Plain};

/// The screen so far.
struct Screen {
    text: String,
    width: Option<usize>,
    coloured: bool,
}

impl Screen {
    /// Adds a group; what does not fit goes on below.
    fn row(&mut self, label: &str, pieces: impl IntoIterator<Item = Piece>) {
        let mut column = LABEL;
        let (bold, reset) = if self.coloured { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        let _ = write!(self.text, "{bold}{label:<width$}{reset}", width = LABEL);
        for piece in pieces {
            let (colour, text) = match piece {
                Plain(text) => ("", text),
                Alarm(text) => (if self.coloured { "\x1b[1;31m" } else { "" }, text),
            };
            self.text.push_str(colour);
            for word in plain(&text).split(' ') {
                let length = word.width() + usize::from(column > LABEL);
                if column > LABEL && self.width.is_some_and(|width| column + length > width) {
                    let _ = write!(self.text, "\n{:LABEL$}", "");
                    column = LABEL;
                } else if column > LABEL {
                    self.text.push(' ');
                }
                self.text.push_str(word);
                column += length;
            }
            if !colour.is_empty() {
                self.text.push_str(reset);
            }
        }
        self.text.push('\n');
    }

    /// Adds a line that is to be pasted, and so is not broken.
    fn line(&mut self, label: &str, line: &str) {
        let width = self.width.take();
        self.row(label, [Plain(line.to_owned())]);
        self.width = width;
    }

    /// Adds rows, the first of which has the label: those with what is wrong first, the others as far as there is room.
    fn rows(&mut self, label: &str, rows: impl IntoIterator<Item = Vec<Piece>>) {
        let mut rows: Vec<_> = rows.into_iter().collect();
        rows.sort_by_key(|row| !row.iter().any(|piece| matches!(piece, Alarm(_))));
        let more = rows.len().saturating_sub(ROWS);
        rows.truncate(ROWS);
        rows.extend((more > 0).then(|| vec![Plain(format!("and {more} more"))]));
        let labels = std::iter::once(label).chain(std::iter::repeat(""));
        labels.zip(rows).for_each(|(label, row)| self.row(label, row));
    }

    /// Adds what is known, or why it is not.
    fn known<T>(&mut self, label: &str, known: &Known<T>, show: impl FnOnce(&mut Self, &T)) {
        match known {
            Ok(known) => show(self, known),
            Err(why) => self.row(label, [Plain(why.clone())]),
        }
    }
}

/// As text, at most that wide where a width is given.
pub(super) fn of(facts: &Facts, width: Option<usize>, coloured: bool) -> String {
    let mut screen = Screen { text: String::new(), width, coloured };
    let container = facts.container();
    let service = container.service.as_ref();
    let service = service.map(|it| format!("  compose://{}/{}/{}", it.project, it.service, it.number));
    let name = format!("{}  {}{}", container.name, container.reference(), service.unwrap_or_default());
    screen.row("container", [Plain(name)]);
    screen.row("id", [Plain(container.id.clone())]);
    if let Some(image) = &facts.item.listed.image {
        screen.row("image", [Plain(image.clone())]);
    }
    screen.row("state", condition(facts));
    if let Some(history) = &facts.history {
        past(&mut screen, history);
    }
    match &facts.live {
        Ok(live) => alive(&mut screen, facts, live),
        Err(why) => {
            if container.pid.is_some() {
                screen.row("process", [Alarm(why.clone())]);
            }
            ports(&mut screen, facts, None);
        }
    }
    screen.line("enter", &facts.cnsenter);
    if let Some(nsenter) = &facts.nsenter {
        screen.line("", nsenter);
    }
    screen.text
}

fn condition(facts: &Facts) -> Vec<Piece> {
    let container = facts.container();
    let up = facts.item.started.and_then(|started| {
        let up = SystemTime::now().duration_since(started).unwrap_or_default();
        Some(format!("running since {} ({})", inventory::time(started)?, state::rounded(up)))
    });
    let up = up.unwrap_or_else(|| "running".to_owned());
    let mut pieces = match &container.state {
        State::Running if container.runs() => vec![Plain(up)],
        State::Paused if container.runs() => vec![Alarm("paused,".to_owned()), Plain(up)],
        State::Exited { code: 0, .. } | State::Created | State::Stopped => vec![Plain(state::sentence(container))],
        _ => vec![Alarm(state::sentence(container))],
    };
    // As shells count those that a signal ended.
    if let State::Exited { code, .. } | State::Restarting { code } = container.state
        && let Some(signal) = i32::try_from(code).ok().and_then(|code| Signal::try_from(code - 128).ok())
    {
        pieces.push(Plain(format!("({})", signal.as_str())));
    }
    pieces
}

/// How its runs went.
fn past(screen: &mut Screen, history: &History) {
    if history.oom_killed {
        screen.row("", [Alarm("the kernel killed it for want of memory".to_owned())]);
    }
    if !history.error.is_empty() {
        screen.row("", [Alarm(history.error.clone())]);
    }
    if let Some(health) = &history.health {
        let words = format!("{}, {} failed in a row: {}", health.status, health.failing, health.said);
        let piece = if health.failing > 0 { Alarm(words) } else { Plain(health.status.clone()) };
        screen.row("health", [piece]);
    }
    if history.restarts > 0 || history.restart_policy != "no" {
        let times = history.restarts.to_string();
        let times = if history.restarts > 0 { Alarm(times) } else { Plain(times) };
        screen.row("restarts", [times, Plain(format!("(policy {})", history.restart_policy))]);
    }
}

fn alive(screen: &mut Screen, facts: &Facts, live: &Live) {
    screen.known("process", &live.process, |screen, process| {
        let command = process.command.join(" ");
        let short: String = command.chars().take(COMMAND).collect();
        let more = if short.len() < command.len() { "..." } else { "" };
        let shown = if command.is_empty() { format!("[{}]", process.name) } else { format!("{short}{more}") };
        screen.row("process", [Plain(format!("{}  {shown}", process.pid))]);
    });
    screen.known("user", &live.ids, |screen, (ids, name)| {
        let name = name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        let groups: Vec<_> = ids.groups.iter().filter(|gid| **gid != ids.gid).map(u32::to_string).collect();
        let more = if groups.is_empty() { String::new() } else { format!(", and {}", list(&groups)) };
        screen.row("user", [Plain(format!("{}{name}, group {}{more}", ids.uid, ids.gid))]);
    });
    namespaces(screen, facts);
    sandbox(screen, facts);
    screen.known("network", &live.network, |screen, network| {
        if facts.is_of_host(Kind::Net) {
            screen.row("network", [Plain("the host's own".to_owned())]);
        }
        // Of a loopback that is up, nobody wants to know.
        let shown = network.links.iter().filter(|(link, _)| !(inventory::is_loopback(link) && link.up));
        screen.rows("network", shown.map(|(link, ends)| interface(link, ends)));
        let routes = network.routes.iter().map(|(route, name)| vec![Plain(self::route(route, name.as_deref()))]);
        screen.rows("routes", routes);
    });
    screen.known("dns", &live.dns, |screen, dns| {
        let parts = [("", &dns.servers), ("search ", &dns.search), ("options ", &dns.options)];
        let parts = parts.into_iter().filter(|(_, words)| !words.is_empty());
        let text = parts.map(|(head, words)| format!("{head}{}", list(words))).collect::<Vec<_>>().join("; ");
        screen.row("dns", [if dns.servers.is_empty() { Alarm(format!("no server {text}")) } else { Plain(text) }]);
    });
    ports(screen, facts, Some(live));
    screen.known("cgroup", &live.cgroup, |screen, (cgroup, usage)| {
        usage_rows(screen, usage);
        screen.row("cgroup", [Plain(cgroup.path.display().to_string())]);
    });
    screen.known("rights", &live.rights, |screen, rights| {
        screen.row("rights", [Plain(format!("capabilities: {}", rights.words()))]);
        let own = facts.history.as_ref().map(|history| !history.default_seccomp);
        let seccomp = match (rights.seccomp, own) {
            ("filter", Some(true)) => "a profile of its own",
            ("filter", Some(false)) => "the engine's default",
            (mode, _) => mode,
        };
        let no_new_privileges =
            rights.no_new_privileges.map(|on| format!("no_new_privs: {}", if on { "on" } else { "off" }));
        let told =
            [Some(format!("seccomp: {seccomp}")), no_new_privileges, rights.label.clone(), rights.unread.clone()];
        screen.row("", [Plain(told.into_iter().flatten().collect::<Vec<_>>().join("; "))]);
    });
    screen.known("root", &live.mounts, |screen, mounts| {
        if let Some(root) = &mounts.root {
            let access = if root.read_only { ", read-only" } else { "" };
            let folder = facts.item.listed.root.as_ref().or(root.source.as_ref());
            let folder = folder.map(|folder| format!(", {}", folder.display())).unwrap_or_default();
            screen.row("root", [Plain(format!("{}{access}{folder}", root.kind))]);
        }
        let shown = mounts.others.iter().map(|mount| {
            let access = if mount.read_only { " (read-only)" } else { "" };
            let from = mount.source.as_ref().map_or_else(|| mount.kind.clone(), |source| source.display().to_string());
            vec![Plain(format!("{} is {from}{access}", mount.target.display()))]
        });
        screen.rows("mounts", shown);
    });
}

/// Words in a line, as many as there is room for.
fn list<T: AsRef<str>>(words: &[T]) -> String {
    let rest = words.len().saturating_sub(WORDS);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    format!("{}{more}", words.iter().take(WORDS).map(AsRef::as_ref).collect::<Vec<_>>().join(" "))
}

fn namespaces(screen: &mut Screen, facts: &Facts) {
    if facts.item.is_unseen() {
        screen.row("namespaces", [Plain(NOT_OURS.to_owned())]);
        return;
    }
    let (of_host, own): (Vec<_>, Vec<_>) = Kind::ALL.into_iter().partition(|kind| facts.is_of_host(*kind));
    let numbered = |kind: &Kind| Some(format!("{}:[{}]", kind.name(), facts.item.namespaces.get(*kind)?.0));
    // As readlink(1) has them, and who takes them.
    let mut parts: Vec<_> = own.iter().filter_map(numbered).collect();
    if !of_host.is_empty() {
        parts.push(format!("- the host's: {}", of_host.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" ")));
    }
    screen.row("namespaces", [Plain(parts.join(" "))]);
    let mut shared: Vec<(Vec<&str>, Vec<&str>)> = Vec::new();
    for kind in own {
        let with = facts.sharing(kind);
        match shared.iter_mut().find(|(known, _)| *known == with) {
            _ if with.is_empty() => {}
            Some((_, kinds)) => kinds.push(kind.name()),
            None => shared.push((with, vec![kind.name()])),
        }
    }
    let row = |(with, kinds): &(Vec<&str>, Vec<&str>)| vec![Plain(format!("{} with {}", kinds.join(" "), list(with)))];
    screen.rows("shared", shared.iter().map(row));
}

fn sandbox(screen: &mut Screen, facts: &Facts) {
    let Some(sandbox) = &facts.sandbox else { return };
    let owner = sandbox.owner.as_ref().map(|owner| format!(" of {owner}")).unwrap_or_default();
    let file = &sandbox.file;
    let mut pieces = vec![Plain(format!("{}{owner}", file.recorded.display()))];
    match &file.visible {
        Some(visible) if *visible == file.recorded => {}
        Some(visible) => pieces.push(Plain(format!("seen from here as {}", visible.display()))),
        None => pieces.push(Alarm("no namespace as seen from here".to_owned())),
    }
    screen.row("sandbox", pieces);
}

fn interface(link: &Link, ends: &Interface) -> Vec<Piece> {
    let mut pieces = vec![Plain(link.name.clone())];
    // A link without a state of its own says UNKNOWN.
    pieces.push(match (link.up, link.operational) {
        (true, "UP" | "UNKNOWN") => Plain("up".to_owned()),
        (true, other) => Alarm(format!("up, but {}", other.to_lowercase())),
        (false, _) => Alarm("down".to_owned()),
    });
    let addresses: Vec<_> = link.addresses.iter().map(|address| format!("{}/{}", address.ip, address.prefix)).collect();
    let mac = link.mac.map(|mac| format!(" {}", inventory::hardware(mac))).unwrap_or_default();
    pieces.push(Plain(format!("{}{mac} mtu {}", list(&addresses), link.mtu)));
    if let Some(end) = &ends.host_end {
        let bridge = ends.bridge.as_ref().map(|bridge| format!(" on {bridge}")).unwrap_or_default();
        pieces.push(Plain(format!("- host's {end}{bridge}")));
    }
    let dropped = link.dropped_in + link.dropped_out;
    if dropped > 0 {
        pieces.push(Alarm(format!("{dropped} dropped")));
    }
    pieces
}

/// As ip(8) writes it.
fn route(route: &Route, interface: Option<&str>) -> String {
    let kind = if route.kind == "unicast" { String::new() } else { format!("{} ", route.kind) };
    let destination = route.destination.map(|(ip, prefix)| format!("{ip}/{prefix}"));
    let told = [("via", route.gateway.map(|ip| ip.to_string())), ("dev", interface.map(str::to_owned))];
    let told = told.into_iter().filter_map(|(word, text)| Some(format!(" {word} {}", text?))).collect::<String>();
    format!("{kind}{}{told}", destination.as_deref().unwrap_or("default"))
}

fn ports(screen: &mut Screen, facts: &Facts, live: Option<&Live>) {
    let listeners = live.and_then(|live| live.listeners.as_ref().ok());
    let rows = network::by_target(&facts.item.listed.ports).into_iter().map(|(port, ends)| {
        let dead = listeners.and_then(|all| network::is_dead(port, all)).map(|why| Alarm(format!("- {why}")));
        let shown = Plain(format!("{} -> {}/{}", ends.join(" "), port.port, port.protocol));
        [shown].into_iter().chain(dead).collect()
    });
    screen.rows("published", rows);
    let Some(live) = live.filter(|_| !facts.is_of_host(Kind::Net)) else { return };
    screen.known("listening", &live.listeners, |screen, listeners| {
        let own = listeners.iter().filter(|listener| !network::is_of_engine(listener));
        let all: Vec<_> = own.map(|listener| format!("{}/{}", listener.address, listener.protocol.name())).collect();
        screen.row("listening", [Plain(if all.is_empty() { "on nothing".to_owned() } else { list(&all) })]);
    });
}

fn usage_rows(screen: &mut Screen, usage: &Usage) {
    if let Some(used) = usage.working_set.or(usage.memory) {
        let part = usage.memory_limit.map(|limit| (limit, used.saturating_mul(100) / limit.max(1)));
        let text = match part {
            Some((limit, percent)) => format!("{} of {} ({percent} %)", size(used), size(limit)),
            None => format!("{}, no limit", size(used)),
        };
        let mut pieces = vec![if part.is_some_and(|(_, percent)| percent >= 90) { Alarm(text) } else { Plain(text) }];
        let kills = usage.oom_kills.filter(|kills| *kills > 0);
        pieces.extend(kills.map(|kills| Alarm(format!("- {kills} killed for want of memory"))));
        screen.row("memory", pieces);
    }
    if let Some(pids) = usage.pids {
        let limit = usage.pids_limit.map_or_else(|| ", no limit".to_owned(), |limit| format!(" of {limit}"));
        let full = usage.pids_limit.is_some_and(|limit| pids >= limit);
        let text = format!("{pids}{limit}");
        screen.row("pids", [if full { Alarm(text) } else { Plain(text) }]);
    }
    if let Some(used) = usage.cpu_used {
        let limit = usage.cpu_limit.map_or_else(|| "no limit".to_owned(), |limit| format!("limit {limit}"));
        let mut pieces = vec![Plain(format!("{:.1} s used, {limit}", used as f64 / 1e6))];
        if let Some((throttled, periods @ 1..)) = usage.throttled {
            let text = format!("- throttled in {throttled} of {periods} periods");
            pieces.push(if throttled >= periods.div_ceil(10) { Alarm(text) } else { Plain(text) });
        }
        screen.row("cpu", pieces);
    }
}

/// In the units of docker stats.
fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && value < 100.0);
    format!("{value:.digits$} {}", units[unit])
}
