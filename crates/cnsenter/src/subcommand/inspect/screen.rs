//! What there is to know of a container as text for a person: groups with a label at the left, what is wrong in red. What
//! is shown was gathered in `facts.rs`, how lines are made belongs in `row.rs`, the network in `screen/links.rs`.

mod links;

use std::time::SystemTime;

use nix::sys::signal::Signal;
use resolve::{History, State};
use survey::{Kind, Usage};

use super::super::inventory;
use super::facts::{Facts, Live, NOT_OURS};
use super::row::{Row, Screen};
use crate::exit::state;

/// How many words a list has at most.
const WORDS: usize = 8;
/// How much of a command line is shown, in characters, and of a word: no host's name is longer.
const COMMAND: usize = 100;
const WORD: usize = 253;

/// As text, at most that wide where a width is given.
pub(super) fn of(facts: &Facts, width: Option<usize>, coloured: bool) -> String {
    let mut screen = Screen { text: String::new(), width, coloured };
    let container = facts.container();
    let mut names = Row::default();
    names.say(format_args!("{}  {}", container.name, container.reference()));
    if let Some(it) = &container.service {
        names.say(format_args!(" compose://{}/{}/{}", it.project, it.service, it.number));
    }
    screen.row("container", &names);
    screen.say("id", format_args!("{}", container.id));
    if let Some(image) = &facts.item.listed.image {
        screen.say("image", format_args!("{image}"));
    }
    screen.row("state", &condition(facts));
    if let Some(history) = &facts.history {
        past(&mut screen, history);
    }
    match &facts.live {
        Ok(live) => {
            who(&mut screen, live);
            namespaces(&mut screen, facts);
            sandbox(&mut screen, facts);
            links::links(&mut screen, facts, live);
            links::dns(&mut screen, facts, live);
            links::ports(&mut screen, facts, Some(live));
            usage(&mut screen, live);
            rights(&mut screen, facts, live);
            mounts(&mut screen, facts, live);
        }
        Err(why) => {
            if container.pid.is_some() {
                screen.row("process", Row::default().alarm(format_args!("{why}")));
            }
            if let Some(history) = &facts.history {
                next(&mut screen, container.runs(), history);
            }
            links::ports(&mut screen, facts, None);
        }
    }
    screen.copied("enter", &facts.cnsenter);
    if let Some(nsenter) = &facts.nsenter {
        screen.copied("", nsenter);
    }
    screen.text
}

fn condition(facts: &Facts) -> Row {
    let container = facts.container();
    let mut row = Row::default();
    match &container.state {
        State::Running | State::Paused if container.runs() => {
            if container.state == State::Paused {
                row.alarm(format_args!("paused,"));
            }
            row.say(format_args!("running"));
            if let Some((started, time)) =
                facts.item.started.and_then(|started| Some((started, inventory::time(started)?)))
            {
                let up = SystemTime::now().duration_since(started).unwrap_or_default();
                row.say(format_args!("since {time} ({})", state::rounded(up)));
            }
        }
        State::Exited { code: 0, .. } | State::Created | State::Stopped => {
            row.say(format_args!("{}", state::phrase(&container.state)));
        }
        _ => {
            row.alarm(format_args!("{}", state::phrase(&container.state)));
        }
    }
    // As shells count those that a signal ended.
    if let State::Exited { code, .. } | State::Restarting { code } = container.state
        && let Some(signal) = i32::try_from(code).ok().and_then(|code| Signal::try_from(code - 128).ok())
    {
        row.say(format_args!("({})", signal.as_str()));
    }
    row
}

/// How its runs went.
fn past(screen: &mut Screen, history: &History) {
    if history.oom_killed {
        screen.row("", Row::default().alarm(format_args!("the kernel killed it for want of memory")));
    }
    if !history.error.is_empty() {
        screen.row("", Row::default().alarm(format_args!("{}", history.error)));
    }
    if let Some(health) = &history.health {
        let mut row = Row::default();
        if health.failing > 0 {
            row.alarm(format_args!("{}, {} failed in a row: {}", health.status, health.failing, health.said));
        } else {
            row.say(format_args!("{}", health.status));
        }
        screen.row("health", &row);
    }
    if history.restarts > 0 || history.restart_policy != "no" {
        let mut row = Row::default();
        row.put(history.restarts > 0, format_args!("{}", history.restarts));
        screen.row("restarts", row.say(format_args!("(policy {})", history.restart_policy)));
    }
}

/// With what its next run begins.
fn next(screen: &mut Screen, runs: bool, history: &History) {
    if !history.command.is_empty() {
        screen.say("command", format_args!("{}", line(&history.command)));
    }
    if !runs && !history.publish.is_empty() {
        screen.say("publishes", format_args!("{}", list(&history.publish)));
    }
    let mounts = history.mounts.iter().filter(|_| !runs);
    screen.rows("mounts", mounts.map(|volume| Row::of(format_args!("{volume}"))).collect());
    if let Some(limit) = history.memory_limit {
        screen.say("memory", format_args!("limit {}", size(limit)));
    }
    if let Some(limit) = history.pids_limit {
        screen.say("pids", format_args!("limit {limit}"));
    }
    if let Some(limit) = history.cpu_limit {
        screen.say("cpu", format_args!("limit {limit}"));
    }
}

/// The beginning of a command line.
fn line(command: &[String]) -> String {
    short(&command.join(" "), COMMAND)
}

fn who(screen: &mut Screen, live: &Live) {
    if let Some(process) = screen.known("process", &live.process) {
        match process.command.is_empty() {
            true => screen.say("process", format_args!("{}  [{}]", process.pid, process.name)),
            false => screen.say("process", format_args!("{}  {}", process.pid, line(&process.command))),
        }
    }
    if let Some((ids, name)) = screen.known("user", &live.ids) {
        let mut row = Row::default();
        row.say(format_args!("{}", ids.uid));
        if let Some(name) = name {
            row.say(format_args!("({name})"));
        }
        row.join(format_args!(", group {}", ids.gid));
        let more: Vec<_> = ids.groups.iter().filter(|gid| **gid != ids.gid).map(u32::to_string).collect();
        if !more.is_empty() {
            row.join(format_args!(", and {}", list(&more)));
        }
        screen.row("user", &row);
    }
}

fn namespaces(screen: &mut Screen, facts: &Facts) {
    if facts.item.is_unseen() {
        screen.say("namespaces", format_args!("{NOT_OURS}"));
        return;
    }
    let (mut own, mut of_host) = (Row::default(), Row::default());
    let mut shared: Vec<(String, String)> = Vec::new();
    for kind in Kind::ALL {
        let Some(inode) = facts.item.namespaces.get(kind) else { continue };
        let name = kind.name();
        let row = if facts.is_of_host(kind) { &mut of_host } else { &mut own };
        // As readlink(1) has them, and who takes them.
        row.say(format_args!("{name}:[{}]", inode.0));
        let with = list(&facts.sharing(kind));
        match shared.iter_mut().find(|(known, _)| *known == with) {
            _ if with.is_empty() => {}
            Some((_, kinds)) => *kinds = format!("{kinds} {name}"),
            None => shared.push((with, name.to_owned())),
        }
    }
    if of_host != Row::default() {
        of_host.say(format_args!("- the host's"));
    }
    let rows = [own, of_host].into_iter().filter(|row| *row != Row::default());
    screen.rows("namespaces", rows.collect());
    let mut rows = Vec::new();
    for (with, kinds) in shared {
        rows.push(Row::of(format_args!("{kinds} with {with}")));
    }
    screen.rows("shared", rows);
}

fn sandbox(screen: &mut Screen, facts: &Facts) {
    let Some(sandbox) = &facts.sandbox else { return };
    let file = &sandbox.file;
    let mut row = Row::of(format_args!("{}", file.recorded.display()));
    if let Some(owner) = &sandbox.owner {
        row.say(format_args!("of {owner}"));
    }
    match &file.visible {
        Some(visible) if *visible == file.recorded => {}
        Some(visible) => {
            row.say(format_args!("seen from here as {}", visible.display()));
        }
        None => {
            row.alarm(format_args!("no namespace as seen from here"));
        }
    }
    screen.row("sandbox", &row);
}

fn usage(screen: &mut Screen, live: &Live) {
    let Some((cgroup, usage)) = screen.known("cgroup", &live.cgroup) else { return };
    let Usage { memory_limit, oom_kills, pids, pids_limit, cpu_limit, cpu_used, throttled, .. } = *usage;
    if let Some(used) = usage.working_set.or(usage.memory) {
        let mut row = Row::default();
        match memory_limit {
            Some(limit) => {
                let percent = used.saturating_mul(100) / limit.max(1);
                row.put(percent >= 90, format_args!("{} of {} ({percent} %)", size(used), size(limit)));
            }
            None => row.put(false, format_args!("{}, no limit", size(used))),
        }
        if let Some(kills @ 1..) = oom_kills {
            row.alarm(format_args!("- {kills} killed for want of memory"));
        }
        screen.row("memory", &row);
    }
    if let Some(pids) = pids {
        let mut row = Row::default();
        match pids_limit {
            Some(limit) => row.put(pids >= limit, format_args!("{pids} of {limit}")),
            None => row.put(false, format_args!("{pids}, no limit")),
        }
        screen.row("pids", &row);
    }
    if let Some(used) = cpu_used {
        // In tenths of a second.
        let tenths = used / 100_000;
        let mut row = Row::of(format_args!("{}.{} s used,", tenths / 10, tenths % 10));
        match cpu_limit {
            Some(limit) => row.say(format_args!("limit {limit}")),
            None => row.say(format_args!("no limit")),
        };
        if let Some((throttled, periods @ 1..)) = throttled {
            let often = throttled >= periods.div_ceil(10);
            row.put(often, format_args!("- throttled in {throttled} of {periods} periods"));
        }
        screen.row("cpu", &row);
    }
    screen.say("cgroup", format_args!("{}", cgroup.path.display()));
}

fn rights(screen: &mut Screen, facts: &Facts, live: &Live) {
    let Some(rights) = screen.known("rights", &live.rights) else { return };
    screen.say("rights", format_args!("capabilities: {}", rights.words()));
    let own = facts.history.as_ref().map(|history| !history.default_seccomp);
    let seccomp = match (rights.seccomp, own) {
        ("filter", Some(true)) => "a profile of its own",
        ("filter", Some(false)) => "the engine's default",
        (mode, _) => mode,
    };
    let mut row = Row::of(format_args!("seccomp: {seccomp}"));
    if let Some(on) = rights.no_new_privileges {
        row.join(format_args!("; no_new_privs: {}", if on { "on" } else { "off" }));
    }
    for told in [&rights.label, &rights.unread].into_iter().flatten() {
        row.join(format_args!("; {told}"));
    }
    screen.row("", &row);
}

fn mounts(screen: &mut Screen, facts: &Facts, live: &Live) {
    let Some(mounts) = screen.known("root", &live.mounts) else { return };
    if let Some(root) = &mounts.root {
        let mut row = Row::of(format_args!("{}", root.kind));
        if root.read_only {
            row.join(format_args!(", read-only"));
        }
        if let Some(folder) = facts.item.listed.root.as_ref().or(root.source.as_ref()) {
            row.join(format_args!(", {}", folder.display()));
        }
        screen.row("root", &row);
    }
    let mut rows = Vec::new();
    for mount in &mounts.others {
        let mut row = Row::of(format_args!("{} is", mount.target.display()));
        match &mount.source {
            Some(source) => row.say(format_args!("{}", source.display())),
            None => row.say(format_args!("{}", mount.kind)),
        };
        if mount.read_only {
            row.say(format_args!("(read-only)"));
        }
        rows.push(row);
    }
    screen.rows("mounts", rows);
}

/// Words in a line, as many as there is room for.
fn list<T: AsRef<str>>(words: &[T]) -> String {
    let mut text = words.iter().take(WORDS).map(|word| short(word.as_ref(), WORD)).collect::<Vec<_>>().join(" ");
    if words.len() > WORDS {
        text.push_str(&format!(" and {} more", words.len() - WORDS));
    }
    text
}

/// The beginning of a text that is longer than that, in characters.
fn short(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// In the units of docker stats.
fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut unit, mut scale) = (0, 1);
    while bytes / scale >= 1024 && unit + 1 < units.len() {
        scale *= 1024;
        unit += 1;
    }
    // Tenths, where they matter.
    let tenths = u128::from(bytes) * 10 / u128::from(scale);
    match unit > 0 && tenths < 1000 {
        true => format!("{}.{} {}", tenths / 10, tenths % 10, units[unit]),
        false => format!("{} {}", tenths / 10, units[unit]),
    }
}
