//! User, groups and capabilities that the program has.

use anyhow::{Result, ensure};

use crate::spellings::sides::{NOBODY, Sides, Target, each, same_below};

/// A caller with supplementary groups, which an option may drop or keep.
const WITH_GROUPS: &[&str] = &["setpriv", "--groups=0,4,24", "--"];

/// Every option, alone and together; `--keep-caps` with `-U` is in `defects`.
const LINES: [&str; 19] = [
    "-U -t {pid} {probe}",
    "-U -n -t {pid} {probe}",
    "-U -t {pid} -S 0 {probe}",
    "-U -t {pid} -G 0 {probe}",
    "-U -t {pid} -S 0 -G 0 {probe}",
    "-U -t {pid} -S 1000 -G 1000 {probe}",
    "-U -t {pid} -S 1000 {probe}",
    "-U -t {pid} -S follow -G follow {probe}",
    "-U -t {pid} --preserve-credentials {probe}",
    "-U -t {pid} --preserve-credentials -S 0 {probe}",
    "-n -t {pid} {probe}",
    "-n -t {pid} -S 33 {probe}",
    "-n -t {pid} -G 33 {probe}",
    "-n -t {pid} -S 33 -G 33 {probe}",
    "-n -t {pid} -S follow {probe}",
    "-n -t {pid} -G follow {probe}",
    "-n -t {pid} -S follow -G follow {probe}",
    "-n -t {pid} --keep-caps {probe}",
    "-n -t {pid} --preserve-credentials -S 33 -G 33 {probe}",
];

/// Every line on this target, for these callers: what the program is, and whether it is reached, is the same.
fn the_same(target: &Target, callers: &[&[&str]]) -> Result<()> {
    let sides = Sides::new()?;
    let pid = target.pid().to_string();
    let mut reached = 0;
    for caller in callers {
        each(&LINES, |line| same_below(sides.three(), caller, line, &[("{pid}", &pid)]).map(drop))?;
        for line in LINES {
            let ours = same_below(&sides.three()[1..2], caller, line, &[("{pid}", &pid)])?;
            reached += i32::from(ours.success() && ours.stdout.contains("uid="));
        }
    }
    ensure!(reached > 5, "only {reached} programs were reached");
    Ok(())
}

#[test]
fn in_a_user_namespace_of_one_user() -> Result<()> {
    // unshare --map-root-user denies setgroups, whoever calls it.
    let target = Target::unshared("--user --map-root-user --net")?;
    ensure!(std::fs::read_to_string(format!("/proc/{}/setgroups", target.pid()))?.trim_end() == "deny");
    the_same(&target, &[WITH_GROUPS, NOBODY])
}

#[test]
fn in_a_user_namespace_of_many_users() -> Result<()> {
    let target = Target::unshared("--user --net")?;
    for map in ["uid_map", "gid_map"] {
        std::fs::write(format!("/proc/{}/{map}", target.pid()), "0 0 65536")?;
    }
    the_same(&target, &[WITH_GROUPS, NOBODY])
}

#[test]
fn in_a_user_namespace_of_an_ordinary_user() -> Result<()> {
    let unshare = ["unshare", "--fork", "--kill-child", "--user", "--map-root-user", "--net"];
    let target = Target::start(&[NOBODY, &unshare].concat())?;
    // What that user can do themselves is in `namespaces`.
    the_same(&target, &[WITH_GROUPS])
}

#[test]
fn in_a_user_namespace_without_a_map() -> Result<()> {
    let target = Target::unshared("--user --net")?;
    the_same(&target, &[WITH_GROUPS])
}

#[test]
fn of_a_target_that_is_another_user() -> Result<()> {
    let target = Target::start(&["unshare", "--net", "setpriv", "--reuid=33", "--regid=33", "--clear-groups"])?;
    the_same(&target, &[WITH_GROUPS])
}
