//! What lists and finds containers, as there are more and more of them: the steps, the lines that are measured at each,
//! and what came of it. How many containers are made is `crowd`'s, how the curves are drawn `plot`'s.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use testbed::{Container, image, output};

use super::crowd::{self, Crowd};
use super::measure::{self, Contender, Median, of};
use super::plot::Curve;
use super::{MANY, Promise, at_least, at_most};
use crate::interrupt;

/// How many containers there are at each step.
pub(super) const STEPS: [usize; 6] = [10, 30, 60, 100, 200, MANY];

/// At which of them `ls` is held against `docker ps`.
const LISTED: usize = 60;

/// How often each line is run at a step.
pub(super) const RUNS: usize = 120;

/// How often each network is asked by hand.
pub(super) const SWEEPS: usize = 16;

/// How long, in milliseconds, `who` may take with the most containers.
const WHO: f64 = 10.0;

const LS: &str = "cnsenter ls -a";
const PS: &str = "docker ps -a";
const BY_PID: &str = "cnsenter who PID";
const BY_IP: &str = "cnsenter who IP";
const BY_VETH: &str = "cnsenter who VETH";
const BY_INODE: &str = "cnsenter who INODE";
const BY_MAC: &str = "cnsenter who MAC";
const BY_PORT: &str = "cnsenter who :PORT";
const BY_LISTENER: &str = "cnsenter who :INSIDE";
const SWEEP: &str = "nsenter and ss in each network";
const INSPECT: &str = "cnsenter inspect NAME";
const NET: &str = "cnsenter --net NAME";

/// What was measured.
pub(super) struct Growth {
    /// The times at each of [`STEPS`].
    pub(super) steps: Vec<Vec<Median>>,
    /// Those of `who` at the last.
    pub(super) who: Vec<Median>,
    /// What a port takes that only a container knows of, and what it takes to look for it by hand.
    pub(super) inside: Vec<Median>,
    /// How many of the containers `ls` listed at [`LISTED`], and how many others.
    listed: (usize, usize),
}

/// Measures while the crowd grows beside the one container that is there already.
pub(super) fn measure(cnsenter: &str, first: &Container, crowd: &mut Crowd, scratch: &Path) -> Result<Growth> {
    let subject = Subject::start()?;
    let two = [first.id(), subject.container.id()];
    let name = subject.container.name();
    let who = |name, what: &str| Contender::new(name, format!("{cnsenter} who {what}"));
    let lines = [
        Contender::new(LS, format!("{cnsenter} ls -a")),
        Contender::new(PS, PS.to_owned()),
        Contender::new(INSPECT, format!("{cnsenter} inspect {name}")),
        who(BY_IP, &subject.container.ip()?),
        who(BY_PID, &subject.child()?),
        Contender::new(NET, format!("{cnsenter} --net {name} /bin/true")),
    ];
    let (mut steps, mut listed) = (Vec::new(), (0, 0));
    for count in STEPS {
        println!("bench: {} commands with {count} containers, {RUNS} runs each", lines.len());
        crowd.grow(count - two.len())?;
        interrupt::check()?;
        steps.push(measure::medians(&lines, RUNS, scratch)?);
        if count == LISTED {
            let made: BTreeSet<_> = two.into_iter().chain(crowd.ids()).map(str::to_owned).collect();
            let found = list(cnsenter)?;
            listed = (found.intersection(&made).count(), found.difference(&made).count());
        }
    }
    let ways = [
        who(BY_PID, &subject.child()?),
        who(BY_VETH, &subject.veth()?),
        who(BY_IP, &subject.container.ip()?),
        who(BY_INODE, &subject.container.netns()?.to_string()),
        who(BY_MAC, &subject.container.inspect("{{.NetworkSettings.MacAddress}}")?),
        who(BY_PORT, &format!(":{}", subject.port()?)),
    ];
    let by_listener = who(BY_LISTENER, &format!(":{INSIDE}"));
    let by_hand = Contender::new(SWEEP, format!("sh {}", sweep(scratch)?.display()));
    let who = measure::medians(&ways, super::RUNS, scratch)?;
    println!("bench: a port inside one of {MANY} networks, {SWEEPS} runs each");
    let inside = measure::medians(&[by_listener, by_hand], SWEEPS, scratch)?;
    Ok(Growth { steps, who, inside, listed })
}

impl Growth {
    /// What is promised of it.
    pub(super) fn promises(&self) -> Vec<Promise> {
        let at = STEPS.iter().position(|count| *count == LISTED).and_then(|at| self.steps.get(at));
        let ratio = at.map_or(f64::NAN, |times| of(times, LS) / of(times, PS));
        let (ours, others) = self.listed;
        let mut promises = vec![
            at_most(&format!("`{LS}` with {LISTED} containers, against `{PS}`"), ratio, 1.00),
            Promise {
                what: format!("`{LS}` with {LISTED} containers lists them all, and no others"),
                limit: format!("{LISTED} + 0"),
                measured: format!("{ours} + {others}"),
                kept: self.listed == (LISTED, 0),
            },
        ];
        promises.extend(self.who.iter().map(|Median { name, milliseconds, .. }| Promise {
            what: format!("`{name}` with {MANY} containers"),
            limit: format!("≤ {WHO:.0} ms"),
            measured: format!("{milliseconds:.1} ms"),
            kept: *milliseconds <= WHO,
        }));
        let faster = of(&self.inside, SWEEP) / of(&self.inside, BY_LISTENER);
        promises.push(at_least(&format!("`{BY_LISTENER}` with {MANY} containers, faster than {SWEEP}"), faster, 40.0));
        promises
    }

    /// A curve for each line.
    pub(super) fn curves(&self) -> Vec<Curve> {
        let names = self.steps.first().into_iter().flatten().map(|median| median.name);
        let points = |name| STEPS.iter().zip(&self.steps).map(move |(count, times)| (*count as u32, of(times, name)));
        names.map(|name| Curve { name, points: points(name).collect() }).collect()
    }
}

/// A script that asks each container's network who listens there.
fn sweep(scratch: &Path) -> Result<PathBuf> {
    let ids = output::stdout(Command::new("docker").args(["ps", "-q"]))?;
    let pids =
        Command::new("docker").args(["inspect", "-f", "{{.State.Pid}}"]).args(ids.split_whitespace()).output()?;
    let ask = |pid: &str| format!("nsenter -t {pid} -n ss -Hltun 'sport = :{INSIDE}'\n");
    let script = scratch.join("sweep.sh");
    fs::write(&script, String::from_utf8(pids.stdout)?.split_whitespace().map(ask).collect::<String>())?;
    Ok(script)
}

/// The full IDs that `cnsenter ls` lists.
fn list(cnsenter: &str) -> Result<BTreeSet<String>> {
    let json: serde_json::Value =
        serde_json::from_str(&output::stdout(Command::new(cnsenter).args(["ls", "-a", "--json"]))?)?;
    let containers = json.as_array().context("cnsenter ls --json printed no array")?;
    Ok(containers.iter().filter_map(|container| container["id"].as_str().map(str::to_owned)).collect())
}

/// Where the container listens that is sought, and nobody else: on a port that is not published.
const INSIDE: u16 = 7423;

/// The container that is sought: on Docker's own bridge, with a published port, and several processes.
struct Subject {
    container: Container,
}

impl Subject {
    fn start() -> Result<Subject> {
        let options = ["--publish", "127.0.0.1::80", "--pids-limit", "100"];
        let program = format!("nc -ll -p {INSIDE} -e true & {}", crowd::program());
        let container = Container::run(image::busybox()?, &options, &["sh", "-c", &program])?;
        Ok(Subject { container })
    }

    /// One of its processes that is not the first.
    fn child(&self) -> Result<String> {
        let pid = self.container.pid()?;
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
        Ok(children.split_whitespace().last().context("it has one process only")?.to_owned())
    }

    /// The host's end of its veth, which is the interface with the number that the container's end names.
    fn veth(&self) -> Result<String> {
        let number = self.container.exec(&[], &["cat", "/sys/class/net/eth0/iflink"])?;
        let is_it = |folder: &fs::DirEntry| {
            fs::read_to_string(folder.path().join("ifindex")).is_ok_and(|index| index.trim() == number.trim())
        };
        let found = fs::read_dir("/sys/class/net")?.flatten().find(is_it).context("its veth has no other end")?;
        Ok(found.file_name().to_string_lossy().into_owned())
    }

    /// The port of the host's that leads to its port 80.
    fn port(&self) -> Result<String> {
        self.container.inspect("{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostPort}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn growth(ls: f64, who: f64, listed: (usize, usize)) -> Growth {
        let median = |name, milliseconds| Median { name, milliseconds, quartiles: (0.0, 0.0) };
        let step = || vec![median(LS, ls), median(PS, 30.0)];
        let inside = vec![median(BY_LISTENER, who), median(SWEEP, 400.0)];
        Growth { steps: STEPS.map(|_| step()).into(), who: vec![median(BY_IP, who)], inside, listed }
    }

    #[test]
    fn a_promise_is_broken_by_a_slow_list_an_incomplete_one_and_a_slow_answer() {
        let kept = |growth: Growth| growth.promises().iter().map(|promise| promise.kept).collect::<Vec<_>>();
        assert_eq!(kept(growth(29.0, 9.9, (60, 0))), [true, true, true, true]);
        assert_eq!(kept(growth(30.2, 10.1, (59, 0))), [false, false, false, false]);
        assert_eq!(kept(growth(29.0, 9.9, (60, 1))), [true, false, true, true]);
    }

    #[test]
    fn a_curve_has_a_point_for_each_step() {
        let curves = growth(29.0, 9.9, (60, 0)).curves();
        assert_eq!(curves.iter().map(|curve| curve.name).collect::<Vec<_>>(), [LS, PS]);
        assert_eq!(curves[0].points.first(), Some(&(10, 29.0)));
        assert_eq!(curves[1].points.last(), Some(&(300, 30.0)));
    }
}
