//! `cargo xtask bench`: what is measured, what is promised, and the page that says both. How a number is taken
//! is `measure`'s; the page's words on the machine are `machine`'s.

mod machine;
mod measure;

use std::fmt::Write;

use anyhow::{Context, Result, bail};
use testbed::{Container, Scratch, cri, guard, image};

use crate::{binary, engine, interrupt, run};
use measure::{Contender, Median};

/// How many containers "many" are, and how many processes each of them has.
const MANY: usize = 300;
const PROCESSES: usize = 10;

/// How many tasks of containerd's there are besides.
const TASKS: usize = 100;

/// How much longer, in milliseconds, anything may take with many containers than with one.
const GROWTH: f64 = 10.0;

/// What the lines are called.
const NSENTER: &str = "nsenter -n -t PID";
const BY_PID: &str = "cnsenter -n -t PID";
const RAW: &str = "cnsenter --raw --net NAME";
const VIEW: &str = "cnsenter --net NAME";
const INSPECT: &str = "nsenter -n -t $(docker inspect …)";
const WHOLE: &str = "cnsenter NAME";
const EXEC: &str = "docker exec NAME";
const BY_STATE: &str = "cnsenter --raw --net NAME, by state";
const ID_BY_STATE: &str = "cnsenter --raw --net ID, by state";
const POD: &str = "cnsenter --raw --net pod/NS/POD/APP";
const TASK: &str = "cnsenter --raw --net containerd://ID";

/// A promise, and what was measured.
struct Promise {
    what: String,
    limit: String,
    measured: String,
    kept: bool,
}

/// Measures everything and rewrites `docs/performance.md`; fails if a promise is broken.
pub(crate) fn run() -> Result<()> {
    interrupt::watch()?;
    engine::up()?;
    let binary = binary::build()?;
    let scratch = Scratch::new()?;
    let installed = scratch.path().join("cnsenter");
    std::fs::copy(&binary.path, &installed).context("cannot install cnsenter")?;
    let cnsenter = installed.display().to_string();
    let container = Container::run(image::busybox()?, &[], &["sleep", "100000"])?;
    let (name, id, pid) = (container.name(), container.short_id(), container.pid()?);

    let inspect = format!("docker inspect -f {{{{.State.Pid}}}} {name}");
    let pod = cri::Pod::run_on_host_network(&guard::unique_name(), "bench")?;
    let app = pod.container("app", &["sleep", "100000"])?;
    let pod = format!("pod/bench/{}/app", pod.name());
    // No engine at that socket: what is on disk is all that there is.
    let by_state = "-H unix:///nonexistent/docker.sock --state-root /var/lib/docker --state-root /run/docker";
    let containers_id = app.id();
    let contenders = [
        Contender::new(NSENTER, format!("nsenter -n -t {pid} /bin/true")),
        Contender::new(BY_PID, format!("{cnsenter} -n -t {pid} /bin/true")),
        Contender::new(RAW, format!("{cnsenter} --raw --net {name} /bin/true")),
        Contender::new(VIEW, format!("{cnsenter} --net {name} /bin/true")),
        Contender::new("cnsenter --raw --sandbox ID", format!("{cnsenter} --raw --sandbox {id} /bin/true")),
        Contender::new(INSPECT, format!("sh -c 'nsenter -n -t $({inspect}) /bin/true'")),
        Contender::new(WHOLE, format!("{cnsenter} {name} /bin/true")),
        Contender::new(EXEC, format!("docker exec {name} /bin/true")),
        Contender::new(BY_STATE, format!("{cnsenter} --raw {by_state} --net {name} /bin/true")),
        Contender::new(ID_BY_STATE, format!("{cnsenter} --raw {by_state} --net {id} /bin/true")),
        Contender::new(POD, format!("{cnsenter} --raw --net {pod} /bin/true")),
        Contender::new(TASK, format!("{cnsenter} --raw --net containerd://{} /bin/true", &containers_id[..12])),
    ];
    println!("bench: {} commands in turn, {} runs each", contenders.len(), measure::RUNS);
    let times = measure::medians(&contenders, scratch.path())?;
    println!("bench: memory, threads and instructions");
    let memory = measure::before_exec(&cnsenter, name)?;
    let instructions = measure::instructions(&cnsenter, name)?;

    println!("bench: {} more containers of {PROCESSES} processes each, and {TASKS} tasks of containerd's", MANY - 1);
    let many = measure::Crowd::start(MANY - 1, PROCESSES, TASKS)?;
    interrupt::check()?;
    let grown = [NSENTER, RAW, VIEW, BY_STATE, ID_BY_STATE, POD, TASK];
    let again: Vec<_> = contenders.iter().filter(|contender| grown.contains(&contender.name)).cloned().collect();
    let crowded = measure::medians(&again, scratch.path())?;
    drop(many);

    let [nsenter, by_pid, raw, view, inspected, whole, exec, by_state] =
        [NSENTER, BY_PID, RAW, VIEW, INSPECT, WHOLE, EXEC, BY_STATE].map(|name| of(&times, name));
    // The same nsenter line measures what the crowd does to the machine itself.
    let crowd = (of(&crowded, RAW) / of(&crowded, NSENTER)) / (raw / nsenter);
    // A private mount namespace is a copy of the host's mounts, of which every container has some.
    let growth = |name: &str| {
        let more = of(&crowded, name) - of(&times, name);
        Promise {
            what: format!("`{name}`: more with {MANY} containers"),
            limit: format!("≤ {GROWTH:.0} ms"),
            measured: format!("{more:.1} ms"),
            kept: more <= GROWTH,
        }
    };
    let mut promises = vec![
        at_most("network alone (--raw), by name, against nsenter with the pid known", raw / nsenter, 1.10),
        at_most("network with the view, by name, against nsenter with the pid known", view / nsenter, 1.60),
        at_most("joining alone (-t PID), against nsenter", by_pid / nsenter, 1.10),
        at_least("by name, faster than docker inspect and nsenter", inspected / raw, 6.0),
        at_least("a whole container, faster than docker exec", exec / whole, 10.0),
        at_most(&format!("by name with {MANY} containers, against with one"), crowd, 1.10),
        up_to("the static binary", binary.bytes as u64 / 1024, 3 * 1024, "KiB"),
        up_to("peak memory", memory.peak_kib, 4 * 1024, "KiB"),
        up_to("threads", memory.threads, 1, ""),
        at_most("Docker by its state, against by its API", by_state / raw, 1.00),
    ];
    promises.extend(grown.into_iter().skip(1).map(growth));
    let page = page(&times, &crowded, &promises, instructions)?;
    let docs = run::root().join("docs");
    std::fs::create_dir_all(&docs)?;
    std::fs::write(docs.join("performance.md"), &page).context("cannot write docs/performance.md")?;
    println!("{page}bench: written to docs/performance.md");
    let broken = promises.iter().filter(|promise| !promise.kept).count();
    if broken > 0 {
        bail!("{broken} promises were not kept\nhint: on a machine that is busy with something else, try again");
    }
    Ok(())
}

fn of(times: &[Median], name: &str) -> f64 {
    times.iter().find(|median| median.name == name).map_or(f64::NAN, |median| median.milliseconds)
}

fn at_least(what: &str, ratio: f64, limit: f64) -> Promise {
    let (limit_text, measured) = (format!("≥ {limit:.0} ×"), format!("{ratio:.1} ×"));
    Promise { what: what.to_owned(), limit: limit_text, measured, kept: ratio >= limit }
}

fn at_most(what: &str, ratio: f64, limit: f64) -> Promise {
    let (limit_text, measured) = (format!("≤ {limit:.2} ×"), format!("{ratio:.2} ×"));
    Promise { what: what.to_owned(), limit: limit_text, measured, kept: ratio <= limit }
}

fn up_to(what: &str, value: u64, limit: u64, unit: &str) -> Promise {
    let [measured, limit_text] = [value, limit].map(|number| format!("{number} {unit}").trim_end().to_owned());
    Promise { what: what.to_owned(), limit: format!("≤ {limit_text}"), measured, kept: value <= limit }
}

fn page(times: &[Median], crowded: &[Median], promises: &[Promise], instructions: u64) -> Result<String> {
    let mut page = String::from(HEAD);
    writeln!(page, "## Promises\n\n| what | limit | measured | |\n|---|---|---|---|")?;
    for Promise { what, limit, measured, kept } in promises {
        writeln!(page, "| {what} | {limit} | {measured} | {} |", if *kept { "kept" } else { "**broken**" })?;
    }
    writeln!(page, "\n## Times\n")?;
    time_table(&mut page, "with one container", times)?;
    time_table(&mut page, &format!("with {MANY} containers"), crowded)?;
    writeln!(
        page,
        "Each line ends in `/bin/true`; the whole process is measured, by the medians of {} runs.",
        measure::RUNS
    )?;
    writeln!(
        page,
        "Instructions of `cnsenter --net NAME`, up to the attempt to run a missing program: {instructions}."
    )?;
    writeln!(page, "\n## Machine\n\n{}", machine::table()?)?;
    page.push_str(HOW);
    Ok(page)
}

fn time_table(page: &mut String, title: &str, times: &[Median]) -> Result<()> {
    writeln!(page, "| {title} | median, ms | middle half, ms | against nsenter |\n|---|---|---|---|")?;
    for Median { name, milliseconds, quartiles } in times {
        let ratio = milliseconds / times[0].milliseconds;
        writeln!(page, "| `{name}` | {milliseconds:.2} | {:.2} – {:.2} | {ratio:.2} × |", quartiles.0, quartiles.1)?;
    }
    Ok(writeln!(page)?)
}

const HEAD: &str = "\
# Performance

Written by `cargo xtask bench`; run it to have these numbers for your machine. Ratios are what holds from one
machine to another, since all commands of a table are measured in turn within one run.

";

const HOW: &str = "\
## How each number is taken

- Times: hyperfine without a shell, in rounds; each round runs every command, in another order than the last.
- cnsenter is installed, that is, copied, as nsenter was by its package. A file as the linker leaves it lies in small
  pieces in the page cache, and starts 0.1 ms later.
- With many containers: the ratio by name over the same ratio with one container, so that what many containers
  do to the machine itself (nsenter slows down too) does not count.
- By state: the socket that is asked is not there, and `--state-root` names Docker's folders. Pods and tasks are
  containerd's, which is never asked: its state is all that is read. What the growth is measured against is the same
  line with one container, in milliseconds, since a share of almost nothing says little.
- Memory and threads: `VmHWM` and `Threads` of `/proc/PID/status`, read while strace holds cnsenter at the entry
  of the `execve` that would replace it, since the kernel forgets the peak there.
- Instructions: callgrind. It ends its count at an `execve` that succeeds, hence the missing program. valgrind may
  lack newer system calls, for which cnsenter then takes its fallback.
";
