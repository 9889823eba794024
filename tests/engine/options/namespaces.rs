//! Which namespaces are joined, and from where: of the target, by file, by ID, of a socket, of a thread.

use std::os::fd::AsFd;
use std::sync::mpsc;

use anyhow::{Context, Result, ensure};
use testbed::{Output, ns, output};

use crate::spellings::sides::{
    self, EVERYTHING, NOBODY, Sides, Target, check_joined, each, fill, run_with, same, same_below,
};

const OPTIONS: [(&str, &str, &str); 8] = [
    ("-m", "--mount", "mnt"),
    ("-u", "--uts", "uts"),
    ("-i", "--ipc", "ipc"),
    ("-n", "--net", "net"),
    ("-p", "--pid", "pid"),
    ("-C", "--cgroup", "cgroup"),
    ("-U", "--user", "user"),
    ("-T", "--time", "time"),
];

/// The line of a probe's output that tells a namespace.
fn told<'a>(output: &'a Output, kind: &str) -> Option<&'a str> {
    output.stdout.lines().find_map(|line| line.strip_prefix(kind)?.strip_prefix(' '))
}

#[test]
fn each_alone_of_the_target_and_by_file() -> Result<()> {
    let target = Target::unshared(EVERYTHING)?;
    let pid = target.pid().to_string();
    let sides = Sides::new()?;
    each(&OPTIONS, |(short, long, kind)| {
        let file = target.file(kind);
        for line in [
            format!("-t {pid} {short} {{probe}}"),
            format!("-t {pid} {long} {{probe}}"),
            format!("{short}{file} {{probe}}"),
            format!("{long}={file} {{probe}}"),
            format!("-t {pid} {long} --preserve-credentials -F {{probe}}"),
        ] {
            check_joined(&same(sides.four(), &line, &[])?, kind, target.pid())?;
        }
        let line = format!("{short}={file} {{probe}}");
        check_joined(&same(sides.three(), &line, &[])?, kind, target.pid())
    })
}

#[test]
fn an_ordinary_user_joins_what_is_their_own() -> Result<()> {
    let target = Target::start(&[NOBODY, &["unshare", "--fork", "--kill-child"], &everything()[..]].concat())?;
    let pid = target.pid().to_string();
    let sides = Sides::new()?;
    let places = [("{pid}", pid.as_str()), ("{net}", &target.file("net")), ("{user}", &target.file("user"))];
    let cases = [
        ("-U --preserve-credentials -t {pid} {probe}", "user"),
        ("-U --preserve-credentials -n -m -t {pid} {probe}", "user net mnt"),
        ("-U --preserve-credentials -m -u -i -n -p -C -T -t {pid} {probe}", "all"),
        ("-U --preserve-credentials -t {pid} --net={net} {probe}", "user net"),
        ("--user={user} --net={net} --preserve-credentials {probe}", "user net"),
        ("-a -t {pid} --preserve-credentials {probe}", "all"),
    ];
    each(&cases, |(line, joined)| {
        check_joined(&same_below(sides.four(), NOBODY, line, &places)?, joined, target.pid())
    })?;
    // The creator of a user namespace can't drop groups in it: nsenter gives up, cnsenter keeps them.
    for (line, joined) in cases {
        let line = line.replace("--preserve-credentials ", "");
        let output = run_with(&mut sides.newest().below(NOBODY, &fill(&line, sides.newest(), &places)), "")?;
        ensure!(output.code == Some(1) && output.stderr.contains("setgroups failed"), "{line}: {output:?}");
        let output = same_below(&sides.three()[1..], NOBODY, &line, &places)?;
        ensure!(output.stdout.contains("uid=0(root)"), "{line}: {output:?}");
        check_joined(&output, joined, target.pid())?;
    }
    // Without the user namespace there is no right to the others.
    let output = same_below(sides.four(), NOBODY, "-n -t {pid} {probe}", &places)?;
    ensure!(output.code == Some(1), "{output:?}");
    // Root can join them, as it can those of any user.
    each(&cases, |(line, joined)| check_joined(&same(sides.four(), line, &places)?, joined, target.pid()))
}

fn everything() -> Vec<&'static str> {
    EVERYTHING.split_whitespace().collect()
}

#[test]
fn all_is_what_differs_and_was_not_named() -> Result<()> {
    let some = Target::unshared("--net --uts")?;
    let every = Target::unshared(EVERYTHING)?;
    let sides = Sides::new()?;
    let (some_pid, every_pid) = (some.pid().to_string(), every.pid().to_string());
    let net = some.file("net");
    let none = Target::start(&["env"])?;
    let none_pid = none.pid().to_string();
    let places = [("{some}", some_pid.as_str()), ("{every}", &every_pid), ("{net}", &net), ("{none}", &none_pid)];
    for (line, joined, pid) in [
        ("-a -t {some} {probe}", "all", some.pid()),
        ("-a -t {every} {probe}", "all", every.pid()),
        ("-a -t {some} --net=/proc/self/ns/net {probe}", "mnt uts", some.pid()),
        ("-a -u -t {some} {probe}", "all", some.pid()),
        ("-a -F -t {every} {probe}", "all", every.pid()),
        ("-a -t {none} {probe}", "", none.pid()),
        ("-a -t {none} --net={net} {probe}", "net", some.pid()),
    ] {
        check_joined(&same(sides.four(), line, &places)?, joined, pid)?;
    }
    Ok(())
}

#[test]
fn a_pid_with_its_inode_is_that_process_only() -> Result<()> {
    let target = Target::unshared("--net")?;
    let raw = rustix::process::Pid::from_raw(target.pid().cast_signed()).context("a pid")?;
    let pidfd = rustix::process::pidfd_open(raw, rustix::process::PidfdFlags::empty())?;
    let inode = rustix::fs::fstat(&pidfd)?.st_ino;
    let (pid, right, wrong) = (target.pid().to_string(), inode.to_string(), (inode + 1).to_string());
    let places = [("{pid}", pid.as_str()), ("{right}", &right), ("{wrong}", &wrong)];
    let sides = Sides::new()?;
    for line in ["-t {pid}:{right} -n {probe}", "--target={pid}:{right} --net {probe}", "-n -Ft{pid}:{right} {probe}"] {
        check_joined(&same(sides.three(), line, &places)?, "net", target.pid())?;
    }
    for line in ["-t {pid}:{wrong} -n {probe}", "-t {pid}:0 -n {probe}", "-t 1:{right} -n {probe}"] {
        let output = same(sides.three(), line, &places)?;
        ensure!(output.code == Some(1) && output.stdout.is_empty(), "{line}: {output:?}");
    }
    Ok(())
}

/// The ID of a namespace, ioctl_nsfs(2) `NS_GET_ID`.
fn namespace_id(file: &str) -> Result<u64> {
    const NS_GET_ID: rustix::ioctl::Opcode = rustix::ioctl::opcode::read::<u64>(0xb7, 13);
    let file = std::fs::File::open(file)?;
    // SAFETY: the request fills in one u64 and does nothing else.
    let id = unsafe { rustix::ioctl::ioctl(file.as_fd(), rustix::ioctl::Getter::<NS_GET_ID, u64>::new()) };
    id.context("this kernel tells no IDs of namespaces (Linux 6.18 does)")
}

#[test]
fn by_id_the_kernel_is_asked_the_same() -> Result<()> {
    let target = Target::unshared(EVERYTHING)?;
    let sides = Sides::new()?;
    each(&OPTIONS, |(short, long, kind)| {
        let id = namespace_id(&target.file(kind))?.to_string();
        for line in ["{long}=:{id} {probe}", "{short}:{id} {probe}", "{short}=:{id} {probe}"] {
            let output = same(sides.three(), line, &[("{long}", long), ("{short}", short), ("{id}", &id)])?;
            // Some kernels open a namespace by its ID alone, others want its inode number as well.
            match output.success() {
                true => check_joined(&output, kind, target.pid())?,
                false => ensure!(output.code == Some(1) && output.stderr.contains("Stale file handle"), "{output:?}"),
            }
            // Whichever it is, what is asked of it is the same.
            let calls = |side: &sides::Side| -> Result<Vec<String>> {
                let words = fill(line, side, &[("{long}", long), ("{short}", short), ("{id}", &id)]);
                let strace = ["strace", "-qq", "-e", "trace=open_by_handle_at"];
                let text = output::run(&mut side.below(&strace, &words))?.stderr;
                let calls = text.lines().filter_map(|line| line.strip_prefix("open_by_handle_at("));
                Ok(calls.filter_map(|call| Some(call.split_once(", ")?.1.to_owned())).collect())
            };
            let (theirs, ours) = (calls(sides.newest())?, calls(sides.ours())?);
            // Neither the handle nor the result differs, but for the number of the new descriptor.
            let handle = |calls: &[String]| calls.first().and_then(|call| Some(call.split_once('}')?.0.to_owned()));
            ensure!(handle(&theirs).is_some() && handle(&theirs) == handle(&ours), "{line}: {theirs:?}\n{ours:?}");
        }
        Ok(())
    })?;
    for line in ["--net=:0 true", "--net=:18446744073709551615 true"] {
        ensure!(same(sides.three(), line, &[])?.code == Some(1), "{line}");
    }
    // What is no number is a line that nobody understands: cnsenter's own status, unless it is called nsenter.
    for line in ["--net=:x true", "--net=: true", "--net=:-1 true", "--net=:18446744073709551616 true"] {
        let codes = sides.three().iter().map(|side| Ok(output::run(&mut side.command(&fill(line, side, &[])))?.code));
        let codes: Vec<_> = codes.collect::<Result<_>>()?;
        ensure!(codes[0] == Some(1) && codes[2] == Some(1) && codes[1] == Some(125), "{line}: {codes:?}");
    }
    Ok(())
}

#[test]
fn the_network_of_a_socket() -> Result<()> {
    // The socket stays behind in the network that its process has left.
    let script = "ip link set lo up; exec 5<>/dev/udp/127.0.0.1/9; exec 6</dev/null; exec unshare --net \"$@\"";
    let target = Target::start(&["unshare", "--net", "bash", "-c", script, "bash"])?;
    let pid = target.pid().to_string();
    let sides = Sides::new()?;
    let places = [("{pid}", pid.as_str())];
    let mut seen = None;
    for line in
        ["-t {pid} -N 5 {probe}", "-t {pid} -N5 {probe}", "-t {pid} --net-socket=5 {probe}", "-t {pid} -N 5 -u {probe}"]
    {
        let output = same(sides.three(), line, &places)?;
        ensure!(output.success(), "{output:?}");
        let net = told(&output, "net").context("a network")?.to_owned();
        ensure!(net != ns::link("net", ns::own("net")?) && net != ns::link("net", ns::inode(target.pid(), "net")?));
        ensure!(*seen.get_or_insert_with(|| net.clone()) == net, "{line}: {net}");
    }
    // No socket, no descriptor, no target.
    for line in ["-t {pid} -N 6 {probe}", "-t {pid} -N 77 {probe}", "-t {pid} -N x {probe}", "-t {pid} -N -1 {probe}"] {
        let output = same(sides.three(), line, &places)?;
        ensure!(output.code == Some(1) && output.stdout.is_empty(), "{line}: {output:?}");
    }
    Ok(())
}

#[test]
fn the_parent_of_a_user_namespace() -> Result<()> {
    let nested = "--user --map-root-user --fork --kill-child unshare --user --map-root-user --net --fork --kill-child";
    let words: Vec<_> = ["unshare"].into_iter().chain(nested.split_whitespace()).collect();
    let target = Target::start(&words)?;
    let (pid, user) = (target.pid().to_string(), target.file("user"));
    let places = [("{pid}", pid.as_str()), ("{user}", user.as_str()), ("{net}", &target.file("net"))];
    let sides = Sides::new()?;
    ensure!(ns::inode(target.first(), "user")? != ns::inode(target.pid(), "user")?, "two user namespaces");
    for line in [
        "-t {pid} --user-parent {probe}",
        "-t {pid} -U --user-parent {probe}",
        "-t {pid} --user={user} --user-parent {probe}",
        "-t {pid} --user-parent --preserve-credentials {probe}",
        "-t {pid} --user-parent --net --keep-caps {probe}",
    ] {
        let output = same(sides.three(), line, &places)?;
        let joined = told(&output, "user").map(str::to_owned);
        ensure!(joined == Some(ns::link("user", ns::inode(target.first(), "user")?)), "{line}: {output:?}");
    }
    // The parent is our own: it cannot be joined a second time.
    let one = Target::unshared("--user --map-root-user")?;
    let pid = one.pid().to_string();
    let output = same(sides.three(), "-t {pid} --user-parent {probe}", &[("{pid}", &pid)])?;
    ensure!(output.code == Some(1) && output.stdout.is_empty(), "{output:?}");
    Ok(())
}

#[test]
fn a_thread_is_a_target() -> Result<()> {
    let (send, receive) = mpsc::channel();
    let (end, wait) = mpsc::channel::<()>();
    let thread = std::thread::spawn(move || -> Result<()> {
        // SAFETY: what is set apart for this thread alone is the network and the host name, not memory or descriptors.
        unsafe {
            rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET | rustix::thread::UnshareFlags::NEWUTS)?
        };
        send.send(rustix::thread::gettid().as_raw_nonzero().get())?;
        // It ends when the test does.
        let _ = wait.recv();
        Ok(())
    });
    let tid = receive.recv().context("the thread could not leave its network")?.cast_unsigned();
    let sides = Sides::new()?;
    let number = tid.to_string();
    for (line, joined) in [
        ("-t {tid} -n {probe}", "net"),
        ("-t {tid} -n -u -F {probe}", "net uts"),
        ("-a -t {tid} {probe}", "net uts"),
        ("-t {tid} -n -w {probe}", "net"),
    ] {
        check_joined(&same(sides.four(), line, &[("{tid}", &number)])?, joined, tid)?;
    }
    drop(end);
    thread.join().ok().context("the thread panicked")?
}

#[test]
fn what_cannot_be_joined() -> Result<()> {
    let target = Target::unshared("--net --uts")?;
    let ended = Target::unshared("--net")?;
    let gone = ended.pid().to_string();
    drop(ended);
    let (pid, uts) = (target.pid().to_string(), target.file("uts"));
    let places = [("{pid}", pid.as_str()), ("{gone}", &gone), ("{uts}", &uts)];
    let sides = Sides::new()?;
    for line in [
        "--net=/etc/passwd true",
        "--net=/etc true",
        "--net=/no/such true",
        "--net={uts} true",
        "--user=/proc/self/ns/user true",
        "-U -t {pid} true",
        "-n -t {gone} true",
        "-a -t {gone} true",
        "-n -t 2147483647 true",
        "-n -t 99999999999 true",
        "-p/proc/self/ns/net true",
    ] {
        let output = same(sides.three(), line, &places)?;
        ensure!(output.code == Some(1) && output.stdout.is_empty(), "{line}: {output:?}");
    }
    // Without a namespace: the newest says so; 2.38 ran the program.
    let output = same(sides.three(), "-t {pid} {probe}", &places)?;
    ensure!(output.code == Some(1) && output.stdout.is_empty(), "{output:?}");
    Ok(())
}
