//! Everything that a plan needs, opened and held before the first namespace is joined. After this, nothing is looked
//! up by path on the host's side. What is done with it belongs in `join.rs`, `credentials.rs` and `program.rs`.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sched::CloneFlags;
use rustix::fs::{FileType, Mode, OFlags};

use crate::cgroup::{self, Cgroups};
use crate::command::{Command, Environment};
use crate::error::Failure;
use crate::plan::{Directory, Id, Plan, Source, Streams, WorkingDirectory};
use crate::target::{PROC_SUPER_MAGIC, Process, added_by_all};
use crate::{Error, Namespace, identity, inside, pty, status, stdio, sys, view};

/// statfs(2) magic of namespace files.
const NSFS_MAGIC: i64 = 0x6e73_6673;
/// statfs(2) magic of cgroup v2.
const CGROUP2_MAGIC: i64 = 0x6367_7270;
/// statfs(2) magic of SELinux's own file system.
const SELINUX_MAGIC: i64 = 0xf97c_ff8c;

/// An environment larger than this, in bytes, would not pass execve(2) anyway.
const LARGEST_ENVIRONMENT: u64 = 8 << 20;

/// The open descriptors of a plan.
#[derive(Debug, Default)]
pub struct Opened {
    pub(crate) process: Option<Process>,
    pub(crate) namespaces: Vec<Held>,
    pub(crate) root: Option<OwnedFd>,
    pub(crate) working_directory: Option<OwnedFd>,
    /// The target's initial environment, NUL after each entry.
    pub(crate) environment: Option<Vec<u8>>,
    /// `/proc/PID`, whose owner is the target's user, as the user namespace that is joined has it.
    pub(crate) folder: Option<OwnedFd>,
    /// The target's own `/dev/null`, where one of the caller's streams is the host's.
    pub(crate) null: Option<OwnedFd>,
    /// The host's `/proc`, for what is asked of it once ours may be the container's.
    pub(crate) proc: Option<OwnedFd>,
    cgroup: Option<OwnedFd>,
    /// What the target's own programs are and may do.
    pub(crate) identity: Option<identity::Prepared>,
    /// The target's cgroups, where the program is to be in them.
    pub(crate) cgroups: Cgroups,
    /// The program's terminal, where it gets one of its own.
    pub(crate) pty: Option<pty::Pair>,
    /// The program's user, as the host has it, where its own user namespace cannot make it the owner of what is ours.
    pub(crate) owner: Option<u32>,
    /// What host tools are to be shown.
    pub(crate) view: Option<view::Prepared>,
    notices: Vec<String>,
    /// Whether a mount namespace has been joined, or the root changed, so that paths are the container's.
    pub(crate) entered_files: bool,
    /// Whether the user namespace is among those to join.
    pub(crate) user: bool,
}

/// A namespace to join.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) namespace: Namespace,
    /// Its file; without one it is joined through the pidfd.
    pub(crate) file: Option<OwnedFd>,
    /// For messages.
    pub(crate) origin: String,
    /// It is ours already: joining it only resets root and working directory, and is no reason to fail.
    pub(crate) already_ours: bool,
}

impl Opened {
    /// Opens everything, and verifies at the end that the target was there all the while.
    ///
    /// # Errors
    /// Each step has its own [`Error`]; nothing has been joined yet.
    pub fn open(plan: &Plan, command: &Command) -> Result<Self, Error> {
        assert_one_thread()?;
        let mut opened = Self { process: plan.target.as_ref().map(Process::open).transpose()?, ..Self::default() };
        opened.open_namespaces(plan)?;
        if plan.user_parent {
            opened.open_user_parent()?;
        }
        if opened.namespaces.is_empty() && !plan.all {
            return Err(Error::NothingToJoin);
        }
        // In the order in which nsenter joins them, where they are not joined together.
        opened.namespaces.sort_unstable_by_key(|held| held.namespace);
        opened.user = opened.namespaces.iter().any(|held| held.namespace == Namespace::User);
        if opened.user || plan.credentials.group.is_some() || plan.identity.is_some() {
            opened.proc = Some(open_proc()?);
        }
        opened.open_folders(plan)?;
        if command.environment == Environment::Target {
            opened.environment = Some(opened.process("an environment")?.read("environ", LARGEST_ENVIRONMENT)?);
        }
        if [plan.credentials.user, plan.credentials.group].contains(&Some(Id::Follow)) {
            opened.folder = Some(opened.open_folder_of_target("")?);
        }
        if plan.join_cgroup {
            opened.cgroup = Some(opened.open_cgroup()?);
        }
        if plan.follow_context && selinux_is_on() {
            let context = opened.process("an SELinux context")?.read("attr/current", LARGEST_ENVIRONMENT)?;
            // Takes effect at exec, and in children.
            let taken = fs::write("/proc/thread-self/attr/exec", context);
            taken.map_err(Error::system("cannot take the target's SELinux context"))?;
        }
        opened.prepare(plan)?;
        if let Some(process) = &opened.process {
            process.still_there()?;
        }
        // What we were started with could be opened by path until now. Inside, it would be a way out: CVE-2024-21626.
        sys::close_all_but(&opened.descriptors());
        Ok(opened)
    }

    /// Looks up what is shown and taken on of the target.
    fn prepare(&mut self, plan: &Plan) -> Result<(), Error> {
        if let (true, Some(process)) = (plan.refuse_tracers, &self.process) {
            let sets = status::Status::of(process)?.capabilities;
            // A tool without root's capabilities may be traced by whoever takes on its user: ptrace(2).
            let is_weak = !matches!(plan.credentials.user, None | Some(Id::Number(0)));
            if is_weak || sets.is_none_or(|sets| sets.may_trace()) {
                return Err(Error::Tracers(process.pid));
            }
        }
        let needs_null = plan.streams == Streams::Relayed && stdio::has_null();
        let needs_root = plan.view.is_some() || plan.identity.is_some() || plan.streams == Streams::Terminal;
        if !needs_root && !needs_null {
            return Ok(());
        }
        // A network may have no process at all.
        let root = match self.process.as_ref().map(|_| self.open_folder_of_target("root")).transpose() {
            // Who may not look at the target may not join, either, and that is what to say.
            Err(error) if error.is_denied() => return Ok(()),
            other => other?,
        };
        if let Some(identity) = &plan.identity {
            let (process, root) = self.process.as_ref().zip(root.as_ref()).ok_or(Error::NoTarget("an identity"))?;
            let proc = self.proc.as_ref().ok_or(Error::NoProc)?;
            let folders = (root.as_fd(), proc.as_fd());
            self.identity = Some(identity::Prepared::new(identity, plan, process, folders, &mut self.notices)?);
            self.cgroups = Cgroups::open(process, &mut self.notices)?;
            if self.user {
                let uid = self.identity.as_ref().map_or(0, |identity| identity.ids.uid);
                self.owner = status::as_outside(uid, process);
            }
        }
        if needs_null {
            self.null = root.as_ref().and_then(|root| inside::null(root.as_fd()));
        }
        if plan.streams == Streams::Terminal {
            self.pty = Some(pty::Pair::open(root.as_ref().map(AsFd::as_fd), &mut self.notices)?);
        }
        if let Some(view) = &plan.view {
            self.view = Some(view::Prepared::new(view, root.as_ref().map(AsFd::as_fd), &mut self.notices)?);
        }
        Ok(())
    }

    /// What the person should know of what was opened, a sentence each.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// All that is held, sorted.
    fn descriptors(&self) -> Vec<RawFd> {
        let folders = [&self.root, &self.working_directory, &self.folder, &self.proc, &self.cgroup, &self.null];
        let process = self.process.as_ref().and_then(|process| process.pidfd.as_ref());
        let files = self.namespaces.iter().filter_map(|held| held.file.as_ref());
        let all = folders.into_iter().flatten().chain(process).chain(files);
        let mut numbers: Vec<_> = all.map(AsRawFd::as_raw_fd).collect();
        numbers.extend(self.cgroups.descriptors());
        numbers.extend(self.pty.iter().flat_map(pty::Pair::descriptors));
        numbers.sort_unstable();
        numbers
    }

    /// Notes that a namespace has been joined.
    pub(crate) fn has_joined(&mut self, held: &Held) {
        self.entered_files |= held.namespace == Namespace::Mount;
        log::info!("joined the {} namespace of {}", held.namespace.name(), held.origin);
    }

    /// Whether carrying out the plan takes a fork: the pid namespace applies to children only.
    pub(crate) fn forks(&self, plan: &Plan) -> bool {
        !plan.no_fork && self.namespaces.iter().any(|held| held.namespace == Namespace::Pid)
    }

    /// The target's pid, for messages.
    pub(crate) fn pid(&self) -> i32 {
        self.process.as_ref().map_or(0, |process| process.pid)
    }

    fn process(&self, for_what: &'static str) -> Result<&Process, Error> {
        self.process.as_ref().ok_or(Error::NoTarget(for_what))
    }

    fn open_namespaces(&mut self, plan: &Plan) -> Result<(), Error> {
        for join in &plan.joins {
            let held = self.hold(join.namespace, &join.from)?;
            self.namespaces.push(held);
        }
        if plan.all {
            let pid = self.process("namespaces")?.pid;
            for (namespace, ours) in added_by_all(plan, pid)? {
                let held = Held { already_ours: ours, ..self.hold(namespace, &Source::Target)? };
                self.namespaces.push(held);
            }
        }
        Ok(())
    }

    fn hold(&self, namespace: Namespace, from: &Source) -> Result<Held, Error> {
        let held = |file, origin| Held { namespace, file, origin, already_ours: false };
        match from {
            Source::Target => {
                let process = self.process("a namespace")?;
                let file = match process.pidfd {
                    Some(_) => None,
                    None => Some(open_of_process(process, namespace)?),
                };
                Ok(held(file, format!("process {}", process.pid)))
            }
            Source::File(path) => Ok(held(Some(open_file(path)?), path.display().to_string())),
            Source::FileOfTarget(path) => {
                let file = open_file(path)?;
                let process = self.process("a namespace")?;
                let theirs = process.path(&format!("ns/{}", namespace.file()));
                let theirs = fs::metadata(&theirs).map_err(|error| process.unreadable("ns", &error))?;
                let found = rustix::fs::fstat(&file).map_err(Error::system("cannot look at a namespace"))?;
                if (found.st_dev, found.st_ino) != (theirs.dev(), theirs.ino()) {
                    return Err(Error::OtherNamespace { path: path.clone(), pid: process.pid });
                }
                Ok(held(Some(file), path.display().to_string()))
            }
            Source::Id(id) => {
                let any = open(Path::new("/proc/self/ns/mnt"), OFlags::RDONLY)?;
                let file = sys::open_namespace_by_id(any.as_fd(), *id)
                    .map_err(|errno| Error::NamespaceId { id: *id, errno })?;
                Ok(held(Some(file), format!("ID {id}")))
            }
            Source::Socket(fd) => {
                let process = self.process("a socket")?;
                let failed = |errno| Error::Socket { fd: *fd, pid: process.pid, errno };
                // A thread has none of its own, nor has a process before Linux 5.6.
                let pidfd = process.pidfd.as_ref().ok_or_else(|| failed(Errno::EOPNOTSUPP))?;
                let socket = rustix::process::pidfd_getfd(pidfd, *fd, rustix::process::PidfdGetfdFlags::empty())
                    .map_err(|errno| failed(Failure::from(errno).0))?;
                let mode = rustix::fs::fstat(&socket).map_err(|errno| failed(Failure::from(errno).0))?.st_mode;
                if FileType::from_raw_mode(mode) != FileType::Socket {
                    return Err(failed(Errno::ENOTSOCK));
                }
                let file = sys::network_of_socket(socket.as_fd()).map_err(failed)?;
                Ok(held(Some(file), format!("descriptor {fd} of process {}", process.pid)))
            }
        }
    }

    /// Puts the parent of the target's user namespace, or of the one that was given, in its place.
    fn open_user_parent(&mut self) -> Result<(), Error> {
        let given = self.namespaces.iter().position(|held| held.namespace == Namespace::User);
        let given = given.map(|index| self.namespaces.remove(index));
        let child = match given {
            Some(Held { file: Some(file), .. }) => file,
            _ => open_of_process(self.process("a user namespace")?, Namespace::User)?,
        };
        let parent = sys::parent_of_user_namespace(child.as_fd())
            .map_err(Error::system("cannot open the parent of the user namespace"))?;
        let origin = "the parent user namespace".to_owned();
        self.namespaces.push(Held { namespace: Namespace::User, file: Some(parent), origin, already_ours: false });
        Ok(())
    }

    fn open_folders(&mut self, plan: &Plan) -> Result<(), Error> {
        self.root = match &plan.root {
            None => None,
            Some(Directory::Target) => Some(self.open_folder_of_target("root")?),
            Some(Directory::Path(path)) => Some(open(path, OFlags::PATH | OFlags::DIRECTORY)?),
        };
        self.working_directory = match &plan.working_directory {
            None | Some(WorkingDirectory::Inside(_)) => None,
            Some(WorkingDirectory::Target) => Some(self.open_folder_of_target("cwd")?),
            Some(WorkingDirectory::Path(path)) => Some(open(path, OFlags::PATH | OFlags::DIRECTORY)?),
        };
        Ok(())
    }

    fn open_folder_of_target(&self, link: &'static str) -> Result<OwnedFd, Error> {
        let process = self.process("a folder")?;
        // The kernel's own link, not one of the container's file system.
        rustix::fs::open(process.path(link), OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| process.unreadable(link, &errno.into()))
    }

    fn open_cgroup(&self) -> Result<OwnedFd, Error> {
        const MOUNT: &str = "/sys/fs/cgroup";
        let text = self.process("a cgroup")?.read("cgroup", LARGEST_ENVIRONMENT)?;
        if statfs_type(Path::new(MOUNT)) != Some(CGROUP2_MAGIC) {
            return Err(Error::CgroupVersion);
        }
        let text = String::from_utf8_lossy(&text);
        let folder = Path::new(MOUNT).join(cgroup::path_in_v2(&text).ok_or(Error::CgroupVersion)?);
        if cgroup::is_frozen(&folder) {
            return Err(Error::Frozen(folder));
        }
        open(&folder.join("cgroup.procs"), OFlags::WRONLY)
    }

    /// Moves this process, the one that becomes the program, into the target's cgroup.
    pub(crate) fn join_cgroup(&mut self) -> Result<(), Error> {
        let Some(cgroup) = self.cgroup.take() else { return Ok(()) };
        log::info!("joining the cgroup");
        // 0 is whoever writes, whatever its pid is in whichever namespace.
        rustix::io::write(&cgroup, b"0").map(drop).map_err(Error::system("cannot join the target's cgroup"))
    }
}

/// setns(2) refuses user and mount namespaces to a process of more than one thread, and would move only one thread
/// into the others.
fn assert_one_thread() -> Result<(), Error> {
    // unshare(2): undoing what one thread does not have does nothing, and with more of them it is EINVAL.
    match nix::sched::unshare(CloneFlags::CLONE_THREAD) {
        Err(Errno::EINVAL) => Err(Error::Threads),
        // A seccomp filter may forbid unshare(2): setns(2) has the last word then.
        _ => Ok(()),
    }
}

fn open_of_process(process: &Process, namespace: Namespace) -> Result<OwnedFd, Error> {
    let file = format!("ns/{}", namespace.file());
    rustix::fs::open(process.path(&file), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| process.unreadable(&file, &errno.into()))
}

/// Turns what would be joined through the pidfd into files: kernels before 5.8 join no pidfd.
pub(crate) fn open_the_rest(opened: &mut Opened) -> Result<(), Error> {
    let Some(process) = &opened.process else { return Ok(()) };
    for held in &mut opened.namespaces {
        if held.file.is_none() {
            held.file = Some(open_of_process(process, held.namespace)?);
        }
    }
    process.still_there()
}

fn open_file(path: &Path) -> Result<OwnedFd, Error> {
    // O_NONBLOCK: a FIFO in the place of a namespace must not hang us.
    let file = open(path, OFlags::RDONLY | OFlags::NONBLOCK)?;
    match rustix::fs::fstatfs(&file) {
        Ok(found) if found.f_type == NSFS_MAGIC => Ok(file),
        _ => {
            let mode = rustix::fs::fstat(&file).map_err(Error::system("cannot look at a file"))?.st_mode;
            let kind = match FileType::from_raw_mode(mode) {
                FileType::RegularFile => "a plain file",
                FileType::Directory => "a folder",
                _ => "a device, FIFO or socket",
            };
            Err(Error::NotNamespace { path: path.to_owned(), kind })
        }
    }
}

fn open(path: &Path, flags: OFlags) -> Result<OwnedFd, Error> {
    rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| Error::Open { path: PathBuf::from(path), errno: Failure::from(errno).0 })
}

fn open_proc() -> Result<OwnedFd, Error> {
    let proc = open(Path::new("/proc"), OFlags::PATH | OFlags::DIRECTORY)?;
    match rustix::fs::fstatfs(&proc) {
        Ok(found) if found.f_type == PROC_SUPER_MAGIC => Ok(proc),
        _ => Err(Error::NoProc),
    }
}

pub(crate) fn selinux_is_on() -> bool {
    statfs_type(Path::new("/sys/fs/selinux")) == Some(SELINUX_MAGIC)
}

fn statfs_type(path: &Path) -> Option<i64> {
    rustix::fs::statfs(path).ok().map(|found| found.f_type)
}
