//! `cargo xtask bench`: what is measured, what is promised, and the page that says both. How a number is taken
//! is `measure`'s; the page's words on the machine are `machine`'s.

mod crowd;
mod growth;
mod machine;
mod measure;
mod page;
mod plot;

use std::fs;

use anyhow::{Context, Result, bail};
use testbed::{Container, Scratch, cri, guard, image};

use crate::{binary, engine, interrupt, run};
use crowd::{Crowd, PROCESSES};
use measure::{Contender, of};

/// How many containers "many" are.
const MANY: usize = 300;

/// How many tasks of containerd's there are besides.
const TASKS: usize = 100;

/// How often each line is run.
const RUNS: usize = 400;

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
    fs::copy(&binary.path, &installed).context("cannot install cnsenter")?;
    let cnsenter = installed.display().to_string();
    let container = Container::run(image::busybox()?, &[], &["sleep", "100000"])?;

    let pod = Pod::start()?;
    let lines = contenders(&cnsenter, &container, &pod)?;
    println!("bench: {} commands in turn, {RUNS} runs each", lines.len());
    let times = measure::medians(&lines, RUNS, scratch.path())?;
    println!("bench: memory, threads and instructions");
    let memory = measure::before_exec(&cnsenter, container.name())?;
    let instructions = measure::instructions(&cnsenter, container.name())?;
    // What lists containers is measured beside Docker's alone, which docker lists too.
    drop(pod);

    let mut crowd = Crowd::default();
    let growth = growth::measure(&cnsenter, &container, &mut crowd, scratch.path())?;
    println!(
        "bench: as at first with {MANY} containers of {PROCESSES} processes each, and {TASKS} tasks of containerd's"
    );
    crowd.grow(MANY - 1)?;
    crowd.add_tasks(TASKS)?;
    interrupt::check()?;
    let grown = [NSENTER, RAW, VIEW, BY_STATE, ID_BY_STATE, POD, TASK];
    let pod = Pod::start()?;
    let mut again = contenders(&cnsenter, &container, &pod)?;
    again.retain(|contender| grown.contains(&contender.name));
    let crowded = measure::medians(&again, RUNS, scratch.path())?;
    drop((crowd, pod));

    let [nsenter, by_pid, raw, view, inspected, whole, exec, by_state] =
        [NSENTER, BY_PID, RAW, VIEW, INSPECT, WHOLE, EXEC, BY_STATE].map(|name| of(&times, name));
    // The same nsenter line measures what the crowd does to the machine itself.
    let crowd = (of(&crowded, RAW) / of(&crowded, NSENTER)) / (raw / nsenter);
    // A private mount namespace is a copy of the host's mounts, of which every container has some.
    let more = |name: &str| {
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
        up_to("the static binary", binary.bytes as u64 / 1024, binary::MAX_BYTES as u64 / 1024, "KiB"),
        up_to("peak memory", memory.peak_kib, 4 * 1024, "KiB"),
        up_to("threads", memory.threads, 1, ""),
        at_most("Docker by its state, against by its API", by_state / raw, 1.00),
    ];
    promises.extend(grown.into_iter().skip(1).map(more));
    promises.extend(growth.promises());
    let page = page::text(&times, &crowded, &growth, &promises, instructions)?;
    let docs = run::root().join("docs");
    fs::create_dir_all(docs.join("plots"))?;
    fs::write(docs.join("plots/growth.svg"), plot::svg(&growth.curves())?).context("cannot write growth.svg")?;
    fs::write(docs.join("performance.md"), &page).context("cannot write docs/performance.md")?;
    println!("{page}bench: written to docs/performance.md and docs/plots/growth.svg");
    let broken = promises.iter().filter(|promise| !promise.kept).count();
    if broken > 0 {
        bail!("{broken} promises were not kept\nhint: on a machine that is busy with something else, try again");
    }
    Ok(())
}

/// A pod with one container, which go in that order.
struct Pod {
    app: cri::Container,
    pod: cri::Pod,
}

impl Pod {
    fn start() -> Result<Pod> {
        let pod = cri::Pod::run_on_host_network(&guard::unique_name(), "bench")?;
        Ok(Pod { app: pod.container("app", &["sleep", "100000"])?, pod })
    }
}

/// The lines that enter a container.
fn contenders(cnsenter: &str, container: &Container, pod: &Pod) -> Result<Vec<Contender>> {
    let (name, id, pid) = (container.name(), container.short_id(), container.pid()?);
    let inspect = format!("docker inspect -f {{{{.State.Pid}}}} {name}");
    // No engine at that socket: what is on disk is all that there is.
    let by_state = "-H unix:///nonexistent/docker.sock --state-root /var/lib/docker --state-root /run/docker";
    let (pod, task) = (pod.pod.name(), &pod.app.id()[..12]);
    Ok(vec![
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
        Contender::new(POD, format!("{cnsenter} --raw --net pod/bench/{pod}/app /bin/true")),
        Contender::new(TASK, format!("{cnsenter} --raw --net containerd://{task} /bin/true")),
    ])
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
