//! What cannot be told before all options are known: the TARGET, and what excludes what. Single options and their values
//! belong in `parse.rs`.

use enter::{Directory, Id as UserOrGroup, Namespace, WorkingDirectory};

use super::parse::{hinted, reference};
use super::{Action, Args, CalledAs, TargetWord, UsageError};

/// What helps who types `exec NAME PROGRAM`, as docker wants it.
pub(crate) const EXEC: &str = "docker's word exec is left out here: cnsenter TARGET PROGRAM";

/// What cannot be told before all options are known: the TARGET, and what excludes what.
pub(super) fn check(args: &mut Args) -> Result<(), UsageError> {
    if args.action != Action::Enter && args.action != Action::Print {
        return Ok(());
    }
    if args.host.is_some() && args.context.is_some() {
        return Err(hinted("options --host and --context exclude each other", "a context has its host"));
    }
    args.namespaces.sort_by_key(|(namespace, _)| *namespace);
    if args.target.is_none() && needs_target(args) {
        first_word_is_target(args)?;
    }
    if args.sandbox {
        check_sandbox(args)?;
    }
    if args.wait.is_some() && !matches!(args.target, Some(TargetWord::Reference(_))) {
        return Err(hinted("option --wait goes with a container", "name one: a process or a file is there, or is not"));
    }
    let process = matches!(args.target, Some(TargetWord::Process { .. }));
    if process && args.names_none() {
        return Err(hinted("no namespace specified", "name some, --net say, or take -a for all"));
    }
    check_identity(args)
}

/// What a container's own user, rights and terminal go with.
fn check_identity(args: &Args) -> Result<(), UsageError> {
    let whole = "name a container and no namespace, so that all of it is entered";
    if args.user.is_some() && !args.enters_whole() {
        return Err(hinted("option --as goes with a container that is entered as a whole", whole));
    }
    if args.privileged && !args.enters_whole() {
        return Err(hinted("option --privileged goes with a container that is entered as a whole", whole));
    }
    if args.user.is_some() && (args.credentials.user.is_some() || args.credentials.group.is_some()) {
        return Err(hinted("options --as and --setuid or --setgid exclude each other", "--as takes numbers as well"));
    }
    if args.pty == Some(true) && (!args.may_have_terminal() || args.no_fork) {
        return Err(hinted(
            "option --pty goes with a container whose files or processes are entered",
            "without --pty the program has the caller's own terminal",
        ));
    }
    Ok(())
}

/// Whether something was asked for that has no file of its own.
pub(crate) fn needs_target(args: &Args) -> bool {
    let credentials = [args.credentials.user, args.credentials.group];
    args.names_none()
        || args.all
        || args.sandbox
        || args.namespaces.iter().any(|(_, given)| given.is_none())
        || args.user_parent
        || args.net_socket.is_some()
        || args.root == Some(Directory::Target)
        || args.working_directory == Some(WorkingDirectory::Target)
        || args.env_of_target
        || args.join_cgroup
        || credentials.contains(&Some(UserOrGroup::Follow))
}

fn first_word_is_target(args: &mut Args) -> Result<(), UsageError> {
    if args.called_as == CalledAs::Nsenter {
        return Err(hinted("no target PID specified", "-t PID names it"));
    }
    if args.words.is_empty() {
        return Err(hinted("no target: nothing says what to enter", "name a container, or a process with -t PID"));
    }
    if args.dashes_first {
        return Err(hinted("no target before --", "name a container there, or a process with -t PID"));
    }
    let word = args.words.remove(0);
    args.target = Some(reference(&word.to_string_lossy())?);
    match args.words.first().map(|word| word.to_string_lossy().into_owned()) {
        Some(word) if word == "--" => drop(args.words.remove(0)),
        Some(option) if option.starts_with('-') => {
            let hint = match word == *"exec" {
                true => EXEC,
                false => "options come before TARGET; a program of that name comes after --",
            };
            return Err(hinted(format!("option {option} stands after the target"), hint));
        }
        _ => {}
    }
    Ok(())
}

fn check_sandbox(args: &Args) -> Result<(), UsageError> {
    if matches!(args.target, Some(TargetWord::Process { .. })) {
        return Err(hinted(
            "option --sandbox goes with a container, not with a process",
            "--net -t PID joins its network",
        ));
    }
    let file = args.namespaces.iter().any(|(namespace, given)| *namespace == Namespace::Net && given.is_some());
    if file || args.net_socket.is_some() {
        return Err(hinted("two networks: --sandbox names one, and another option a second", "leave out one of them"));
    }
    Ok(())
}
