//! Older kernels, as strace(1) plays them: what they lack is done another way, with the same result.

use anyhow::{Result, ensure};
use testbed::output;

use crate::spellings::sides::{EVERYTHING, NOBODY, Side, Sides, Target, check_joined, each, fill, run_with};

/// What a kernel lacks, for `strace -e inject=`.
const LACKS: [&[&str]; 9] = [
    &["pidfd_open:error=ENOSYS"],
    &["setns:error=EINVAL:when=1"],
    &["close_range:error=ENOSYS"],
    &["close_range:error=EINVAL"],
    &["open_tree:error=EPERM"],
    &["mount_setattr:error=ENOSYS"],
    &["open_tree:error=ENOSYS", "memfd_create:error=EINVAL:when=1"],
    &["openat2:error=ENOSYS"],
    // 4.19: none of them.
    &[
        "pidfd_open,close_range,openat2,open_tree,pidfd_send_signal,pidfd_getfd:error=ENOSYS",
        "memfd_create:error=EINVAL:when=1",
    ],
];

fn strace(lacks: &[&'static str]) -> Vec<String> {
    // Children are followed into the program, which keeps its own system calls: it makes none of these.
    let mut words: Vec<String> = ["strace", "-f", "-qq", "-o", "/dev/null"].map(str::to_owned).into();
    if lacks.is_empty() {
        words.extend(["-e", "trace=none"].map(str::to_owned));
    }
    for lack in lacks {
        words.extend(["-e".to_owned(), format!("inject={lack}")]);
    }
    words
}

fn below(side: &Side, lacks: &[&'static str], outer: &[&str], words: &[String]) -> std::process::Command {
    let strace = strace(lacks);
    let outer: Vec<_> = outer.iter().copied().chain(strace.iter().map(String::as_str)).collect();
    side.below(&outer, words)
}

#[test]
fn what_a_kernel_lacks_is_done_another_way() -> Result<()> {
    let target = Target::unshared(EVERYTHING)?;
    let pid = target.pid().to_string();
    let places = [("{pid}", pid.as_str())];
    let sides = Sides::new()?;
    let lines = [
        ("-n -t {pid} {probe}", "net"),
        ("-t {pid} -m -u -i -n -p {probe}", "mnt uts ipc net pid"),
        ("-a -t {pid} {probe}", "all"),
        ("-a -F -r -w -t {pid} {probe}", "all"),
        ("-t {pid} -U --preserve-credentials -n {probe}", "user net"),
        ("-t {pid} -m -p", "mnt pid"),
    ];
    each(&lines, |(line, joined)| {
        let input = if line.contains("{probe}") { "" } else { crate::spellings::sides::PROBE };
        // Below strace too, which has signals of its own.
        let expected = run_with(&mut below(sides.newest(), &[], &[], &fill(line, sides.newest(), &places)), input)?;
        check_joined(&expected, joined, target.pid())?;
        for lacks in LACKS {
            let ours = run_with(&mut below(sides.ours(), lacks, &[], &fill(line, sides.ours(), &places)), input)?;
            ensure!(
                (&ours.stdout, ours.code) == (&expected.stdout, expected.code),
                "{line} without {lacks:?}: {ours:?}\nexpected {expected:?}"
            );
        }
        Ok(())
    })
}

#[test]
fn an_ordinary_user_on_an_old_kernel() -> Result<()> {
    let unshare: Vec<_> = ["unshare", "--fork", "--kill-child"].into_iter().chain(EVERYTHING.split(' ')).collect();
    let target = Target::start(&[NOBODY, &unshare].concat())?;
    let pid = target.pid().to_string();
    let sides = Sides::new()?;
    for lacks in LACKS {
        let words = fill("-a -t {pid} {probe}", sides.ours(), &[("{pid}", &pid)]);
        let output = output::run(&mut below(sides.ours(), lacks, NOBODY, &words))?;
        check_joined(&output, "all", target.pid())?;
    }
    Ok(())
}

#[test]
fn what_cannot_be_done_another_way_is_said() -> Result<()> {
    let target = Target::unshared("--net")?;
    let pid = target.pid().to_string();
    let sides = Sides::new()?;
    for (line, lacks, message) in [
        ("-n -t {pid}:1 true", &["pidfd_open:error=ENOSYS"][..], "cannot be checked"),
        ("-N 3 -t {pid} true", &["pidfd_open:error=ENOSYS"], "cannot take the network of descriptor 3"),
        ("-N 3 -t {pid} true", &["pidfd_getfd:error=ENOSYS"], "cannot take the network of descriptor 3"),
        ("-m -t {pid} true", &["open_tree:error=EPERM", "memfd_create:error=EACCES"], "sealed copy"),
    ] {
        let words = fill(line, sides.ours(), &[("{pid}", &pid)]);
        let output = output::run(&mut below(sides.ours(), lacks, &[], &words))?;
        ensure!(output.code == Some(1) && output.stderr.contains(message), "{line} without {lacks:?}: {output:?}");
    }
    Ok(())
}
