//! The container's files where cnsenter reads them: users, groups, name servers. Links to the host's files, FIFOs, devices and
//! files without end, in the place of each; and a name service of the container's own.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use testbed::{Output, Scratch, output, peers};

use super::{Host, KINDS, container, in_each, inside};

/// Long enough for a busy machine, and shorter than for ever.
const LIMIT: &str = "30";

/// Below a limit of time, of memory, and of what may be written.
fn bounded(command: &Command) -> Result<Output> {
    let mut shell = Command::new("timeout");
    shell.args([LIMIT, "bash", "-c", "ulimit -v 524288; exec \"$@\"", "bash"]);
    let output = output::run(shell.arg(command.get_program()).args(command.get_args()))?;
    ensure!(output.code != Some(124), "{command:?} hangs");
    Ok(output)
}

#[test]
fn users_are_the_containers_own_or_nobodys() -> Result<()> {
    let host = Host::new()?;
    // A passwd file of the host's that knows somebody whom the container's does not.
    let (users, groups) = (host.path("passwd"), host.path("group"));
    std::fs::write(&users, "hostuser:x:4242:4242::/:/bin/sh\n")?;
    std::fs::write(&groups, "hostgroup:x:4243:app\n")?;
    let link = |file: &Path, name: &str| format!("ln -sf {} /etc/{name}", file.display());
    let lies = [
        link(&users, "passwd"),
        format!("ln -sf ../../../../../..{} /etc/passwd", users.display()),
        format!("ln -sf /proc/self/root/../../..{} /etc/passwd", users.display()),
        format!("ln -sf /proc/1/root{} /etc/passwd", users.display()),
        link(&groups, "group"),
    ];
    in_each(|kind| {
        for lie in &lies {
            let container = container(kind, &[])?;
            container.exec(&[], &["sh", "-ec", lie])?;
            // The control: whoever opens the path that the container's root makes of it follows its links.
            let naive =
                ["passwd", "group"].map(|name| format!("/proc/{}/root/etc/{name}", container.pid().unwrap_or(0)));
            let read = naive.iter().map(|path| std::fs::read_to_string(path).unwrap_or_default()).collect::<String>();
            let is_plain = lie.contains("ln -sf /tmp");
            ensure!(!is_plain || read.contains("host"), "{lie}: a plain open withstands: {read}");
            for words in [["--as", "hostuser"], ["--as", "0:hostgroup"]] {
                let command = host.cnsenter([words[0], words[1], container.name(), "id"]);
                let output = bounded(&command)?;
                ensure!(!output.stdout.contains("424"), "{lie} {words:?}: {output:?}");
                ensure!(output.code == Some(125), "{lie} {words:?}: {output:?}");
            }
            // A number needs no file.
            let output = bounded(&host.cnsenter(["--as", "33:33", container.name(), "id", "-u"]))?;
            ensure!(output.stdout == "33\n", "{lie}: {output:?}");
        }
        Ok(())
    })
}

#[test]
fn nothing_of_the_containers_hangs_or_fills_those_who_enter() -> Result<()> {
    let host = Host::new()?;
    let lies = [
        "mkfifo $0",
        "mkdir $0",
        "mknod $0 c 1 5",
        "truncate -s 1099511627776 $0",
        "ln -s $0 $0",
        "ln -s /proc/self/mem $0",
        "yes app:x:1000:1000::/:/bin/sh | head -c 30000000 >$0",
        "printf 'root:x:0:0\\nroot:x:99999999999:-1:::\\n\\0\\377:::::::\\n' >$0",
        ": >$0",
    ];
    // Who reads them is cnsenter, whatever the container may do.
    let container = container(&KINDS[0], &["--tmpfs", "/tmp:size=40m"])?;
    let pid = container.pid()?;
    for file in ["/etc/passwd", "/etc/group"] {
        for lie in lies {
            inside(&container, &format!("rm -rf {file}; {}", lie.replace("$0", file)))?;
            if lie.contains("mkfifo") {
                // The control: a plain open waits for a writer who never comes. Below, one second is not for ever.
                let path = format!("/proc/{pid}/root{file}");
                let naive = output::run(Command::new("timeout").args(["1", "cat", &path]))?;
                ensure!(naive.code == Some(124), "a plain open withstands: {naive:?}");
            }
            // By name, by number, as recorded, and a login shell, whose path is in the same file.
            for words in [&["--as", "app:app"][..], &["--as", "1000"], &["--as", "nobody"], &[]] {
                let words = [words, &[container.name(), "true"]].concat();
                let output = bounded(host.cnsenter([]).args(&words))?;
                // Whom the files do not tell, nobody guesses: not for a number either, which may be in groups.
                let may_fail = words[0] == "--as" && output.code == Some(125);
                ensure!(output.success() || may_fail, "{lie} {words:?}: {output:?}");
            }
            let output = bounded(&host.cnsenter([container.name()]))?;
            ensure!(output.success(), "{lie}, a shell: {output:?}");
        }
        inside(&container, &format!("rm -rf {file}; echo 'app:x:1000:1000::/:/bin/sh' >{file}"))?;
    }
    Ok(())
}

/// A library of name services that leaves a mark where it is loaded.
const SERVICE: &str = "
#include <fcntl.h>
__attribute__((constructor)) static void loaded(void) { open(\"/mark\", O_CREAT | O_WRONLY, 0600); }
";

#[test]
fn no_library_of_the_containers_is_loaded() -> Result<()> {
    let host = Host::new()?;
    let folder = Scratch::new()?;
    let [source, library] =
        ["service.c", "libnss_evil.so.2"].map(|name| folder.path().join(name).display().to_string());
    std::fs::write(&source, SERVICE)?;
    // The C compiler that Rust links with.
    output::stdout(Command::new("cc").args(["-shared", "-fPIC", "-o", &library, &source]))?;
    // Debian's nsenter asks for nobody's shell; the newest does, with libraries of its own.
    let newest = peers::nsenter_newest()?;
    let libraries = newest.get(2).context("no libraries")?.display().to_string();
    in_each(|kind| {
        let container = container(kind, &[])?;
        let pid = container.pid()?.to_string();
        let places = "mkdir -p $0; echo 'passwd: evil' >/etc/nsswitch.conf";
        container.exec(&[], &["sh", "-ec", places, &libraries])?;
        testbed::engine::docker(&["cp", &library, &format!("{}:{libraries}/", container.id())])?;
        let marked = || container.exec(&[], &["sh", "-c", "rm /mark 2>/dev/null && echo marked; :"]);
        // Without a program it asks for the user's shell, of the container's name service: CVE-2019-14271.
        let mut command = peers::nsenter()?;
        command.args(["-m", "-p", "-t", &pid]);
        let control = output::run(command.env_remove("SHELL"))?;
        ensure!(marked()? == "marked", "nsenter withstands: {control:?}");
        for words in [&[][..], &["-m", "-p"], &["-a"], &["--as", "app:app"], &["--as", "1000"]] {
            for program in [&[][..], &["id"]] {
                let words = [words, &[container.name()], program].concat();
                let output = output::run(host.cnsenter([]).args(&words).env_remove("SHELL"))?;
                ensure!(output.success() && marked()?.is_empty(), "{words:?}: {output:?}");
            }
        }
        Ok(())
    })
}

/// What may be opened between joining and the program, each with openat2(2) beneath the container's root or checked to be
/// what its name says: users and groups, the working directory, a new terminal, and procfs to open again what is held.
const DECLARED: [&str; 9] = [
    "/etc/passwd",
    "/etc/group",
    "/",
    "/tmp",
    "/dev/ptmx",
    "/dev/pts/ptmx",
    "/dev/tty",
    "/proc/self/fd",
    "/proc/thread-self/fd",
];

#[test]
fn between_joining_and_the_program_nothing_undeclared_is_opened() -> Result<()> {
    let host = Host::new()?;
    let log = host.path("trace");
    in_each(|kind| {
        let container = container(kind, &["--workdir", "/tmp"])?;
        for words in [&[][..], &["-a"], &["-m", "-p"], &["--as", "app:app"], &["--privileged"]] {
            let words = [words, &[container.name(), "/bin/busybox", "true"]].concat();
            let mut strace = crate::run::on_default_engine(Command::new("strace"));
            let calls = "trace=setns,open,openat,openat2,execve,connect,mmap,mount";
            strace.args(["-f", "-qq", "-e", calls, "-o"]).arg(&log).arg(host.path("cnsenter")).args(&words);
            let output = output::run(&mut strace)?;
            ensure!(output.success(), "{words:?}: {output:?}");
            let text = std::fs::read_to_string(&log)?;
            let joined: Vec<_> = text.lines().skip_while(|line| !line.contains(" setns(")).collect();
            let before: Vec<_> = joined.iter().take_while(|line| !line.contains(" execve(")).collect();
            ensure!(!before.is_empty() && before.len() < joined.len(), "{words:?}: the trace shows nothing: {text}");
            let paths = before.iter().filter(|line| line.contains("open") || line.contains("connect("));
            let undeclared: Vec<_> = paths.filter(|line| !is_declared(line)).collect();
            ensure!(undeclared.is_empty(), "{words:?}: {undeclared:#?}");
            ensure!(!before.iter().any(|line| line.contains("PROT_EXEC")), "{words:?}: code is mapped: {before:#?}");
        }
        Ok(())
    })
}

fn is_declared(line: &str) -> bool {
    let path = line.split('"').nth(1).unwrap_or_default();
    // A number beneath /proc/self/fd, and what lies beneath a handle of the host's /proc from before.
    let is_number = !path.is_empty() && path.bytes().all(|byte| byte.is_ascii_digit());
    let is_of_host = path.starts_with("self/") || path.starts_with("thread-self/");
    DECLARED.contains(&path) || DECLARED.contains(&format!("/{path}").as_str()) || is_number || is_of_host
}
