//! Test images, made with `docker import` of files that this machine has: no registry is asked. A new image is
//! a function here; what runs in it is the test's.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::guard::Scratch;
use crate::{LABEL, engine, output};

/// busybox and its applets, nothing else.
pub const BUSYBOX: &str = "cnsenter-test/busybox";
/// The same with a program that does nothing for ever: what a pod's sandbox consists of.
pub const PAUSE: &str = "cnsenter-test/pause";
/// Debian's nginx with its libraries, configuration and a page, and busybox beside it.
pub const NGINX: &str = "cnsenter-test/nginx";

/// Makes sure that [`BUSYBOX`] is on the machine's own engine, and returns its name.
pub fn busybox() -> Result<&'static str> {
    ensure(engine::SOCKET, BUSYBOX, &["/bin/busybox"], busybox_files, &[])?;
    Ok(BUSYBOX)
}

/// The same for the engine at another socket.
pub fn busybox_at(socket: &str) -> Result<&'static str> {
    ensure(socket, BUSYBOX, &["/bin/busybox"], busybox_files, &[])?;
    Ok(BUSYBOX)
}

/// Makes sure that [`PAUSE`] is on the machine's own engine, and returns its name.
pub fn pause() -> Result<&'static str> {
    ensure(engine::SOCKET, PAUSE, &["/bin/busybox"], busybox_files, &[r#"CMD ["sleep", "infinity"]"#])?;
    Ok(PAUSE)
}

/// Makes sure that [`NGINX`] is on the machine's own engine, and returns its name. Its default program is
/// nginx, serving on port 80.
pub fn nginx() -> Result<&'static str> {
    nginx_at(engine::SOCKET)
}

/// The same for the engine at another socket.
pub fn nginx_at(socket: &str) -> Result<&'static str> {
    let changes = [r#"CMD ["nginx", "-g", "daemon off;"]"#, "EXPOSE 80"];
    ensure(socket, NGINX, &["/bin/busybox", "/usr/sbin/nginx"], nginx_files, &changes)?;
    Ok(NGINX)
}

/// Builds an image unless one that was made of the same files by the same recipe is there.
fn ensure(socket: &str, name: &str, sources: &[&str], files: fn(&Path) -> Result<()>, changes: &[&str]) -> Result<()> {
    let stamp = stamp(sources)?;
    if is_current(socket, name, &stamp) {
        return Ok(());
    }
    // Tests run as processes of their own: the first one builds, the others wait for it.
    let lock = std::fs::File::create(std::env::temp_dir().join("cnsenter-testbed.lock"))?;
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)?;
    if is_current(socket, name, &stamp) {
        return Ok(());
    }
    let folder = Scratch::new()?;
    files(folder.path()).with_context(|| format!("cannot gather the files of the image {name}"))?;
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(folder.path()).args(["--owner=0", "--group=0", "--numeric-owner", "-c", "."]);
    let mut tar = tar.stdout(Stdio::piped()).spawn().context("cannot run tar")?;
    let mut import = engine::client(socket);
    import.arg("import");
    for label in [LABEL, &format!("{STAMP}={stamp}")] {
        import.args(["--change", &format!("LABEL {label}")]);
    }
    import.args(["--change", "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]);
    for change in changes {
        import.args(["--change", change]);
    }
    import.args(["-", name]);
    let stdin = tar.stdout.take().context("tar has no output")?;
    let result = import.stdin(stdin).output().context("cannot run docker")?;
    if !tar.wait()?.success() || !result.status.success() {
        bail!("cannot import the image {name}: {:?}", output::Output::from(result));
    }
    Ok(())
}

/// Of what [`busybox_files`] makes a folder, in a word.
pub(crate) fn busybox_stamp() -> Result<String> {
    stamp(&["/bin/busybox"])
}

const STAMP: &str = "cnsenter.test.made-of";

/// Tells one state of the sources and of this recipe from another.
fn stamp(sources: &[&str]) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    include_str!("image.rs").hash(&mut hasher);
    for source in sources {
        let file = std::fs::metadata(source)
            .with_context(|| format!("{source} is missing; `cargo xtask engine up` installs it"))?;
        (source, file.len(), file.mtime()).hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

fn is_current(socket: &str, name: &str, stamp: &str) -> bool {
    let format = format!("{{{{index .Config.Labels \"{STAMP}\"}}}}");
    engine::docker_at(socket, &["image", "inspect", "--format", &format, name]).is_ok_and(|found| found == stamp)
}

/// Fills a folder with busybox, its applets, users and groups.
pub(crate) fn busybox_files(root: &Path) -> Result<()> {
    for dir in ["bin", "sbin", "usr/bin", "usr/sbin", "etc", "root", "proc", "sys", "dev", "run", "var"] {
        std::fs::create_dir_all(root.join(dir))?;
    }
    let tmp = root.join("tmp");
    std::fs::create_dir(&tmp)?;
    rustix::fs::chmod(&tmp, rustix::fs::Mode::from_raw_mode(0o1777))?;
    std::fs::copy("/bin/busybox", root.join("bin/busybox"))?;
    for applet in output::stdout(Command::new("/bin/busybox").arg("--list-full"))?.lines() {
        let path = root.join(applet);
        if !path.exists() {
            std::fs::create_dir_all(path.parent().unwrap_or(root))?;
            symlink("/bin/busybox", path)?;
        }
    }
    std::fs::write(root.join("etc/passwd"), PASSWD)?;
    std::fs::write(root.join("etc/group"), GROUP)?;
    Ok(())
}

const PASSWD: &str = "\
root:x:0:0:root:/root:/bin/sh
www-data:x:33:33:www-data:/var/www:/bin/false
app:x:1000:1000:the application:/home/app:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/false
";
const GROUP: &str = "root:x:0:\nadm:x:4:app\nwww-data:x:33:\napp:x:1000:\nnogroup:x:65534:\n";

fn nginx_files(root: &Path) -> Result<()> {
    busybox_files(root)?;
    let mut programs = vec![PathBuf::from("/usr/sbin/nginx")];
    for module in std::fs::read_dir("/usr/lib/nginx/modules").into_iter().flatten() {
        programs.push(module?.path());
    }
    for program in &programs {
        for library in libraries(program)? {
            copy(root, &library)?;
        }
        copy(root, program)?;
    }
    for folder in ["/etc/nginx", "/usr/share/nginx"] {
        let target = root.join(folder.trim_start_matches('/'));
        std::fs::create_dir_all(target.parent().unwrap_or(root))?;
        output::stdout(Command::new("cp").args(["-a", folder]).arg(target))?;
    }
    for dir in ["var/log/nginx", "var/lib/nginx", "var/www/html"] {
        std::fs::create_dir_all(root.join(dir))?;
    }
    // As the public nginx image has it: `docker logs` shows the requests.
    symlink("/dev/stdout", root.join("var/log/nginx/access.log"))?;
    symlink("/dev/stderr", root.join("var/log/nginx/error.log"))?;
    std::fs::write(root.join("var/www/html/index.html"), "<h1>It works, in a container</h1>\n")?;
    Ok(())
}

/// The files that the loader would open for a program, the loader itself among them.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let text = output::stdout(Command::new("ldd").arg(program))?;
    let words = text.split_whitespace().filter(|word| word.starts_with('/'));
    Ok(words.map(|word| PathBuf::from(word.trim_end_matches(':'))).collect())
}

fn copy(root: &Path, file: &Path) -> Result<()> {
    let target = root.join(file.strip_prefix("/")?);
    std::fs::create_dir_all(target.parent().unwrap_or(root))?;
    std::fs::copy(file, target).with_context(|| format!("cannot copy {}", file.display()))?;
    Ok(())
}
