//! Command lines of subcommands that make no sense: said as those of entering are.

use super::fails;
use crate::{cnsenter, text};

const KEYS: &str = "a filter is KEY=VALUE, with the keys name, id, label, status, health, network, runtime, image, ancestor, pod, exited";
const FIELDS: &str = "write {{.name}}, {{json .ports}} or --json for all; the fields are runtime, namespace, id, name, reference, state, \
                      exit_code, health, pid, image, created, started, labels, networks, ports, namespaces, host_namespaces, shares, \
                      interfaces";

#[test]
fn options_that_are_none_or_lack_a_value() {
    fails(&[
        ("ls --bogus", 125, "unknown option --bogus", "cnsenter ls --help lists the options"),
        ("ls -z", 125, "unknown option -z", "cnsenter ls --help lists the options"),
        ("ls --jsom", 125, "unknown option --jsom", "did you mean --json?"),
        ("netns --jsom", 125, "unknown option --jsom", "did you mean --json?"),
        ("ls --timeout", 125, "--timeout needs a value", "cnsenter ls --help lists the options"),
        ("ls --timeout=3x", 125, "\"3x\" is not a duration", "write it like 500ms, 2s or 1m"),
        ("ls --json=1", 125, "--json takes no value", "cnsenter ls --help lists the options"),
        ("ls --json --tree", 125, "--json does not go with --tree", "cnsenter ls --help lists the options"),
        ("ls -q --format {{.name}}", 125, "--quiet does not go with --format", "cnsenter ls --help lists the options"),
        (
            "ls web",
            125,
            "ls takes no such word: web",
            "cnsenter inspect web shows a container, cnsenter ls --help lists the options",
        ),
        (
            "inspect -f {{.State.Pid}} web",
            125,
            "unknown option -f",
            "cnsenter inspect --json has every field, for jq; cnsenter ls takes --format",
        ),
        ("inspect", 125, "inspect needs <TARGET>...", "cnsenter inspect --help lists the options"),
        ("who", 125, "who needs <WHAT>...", "cnsenter who --help lists the options"),
    ]);
}

#[test]
fn filters_that_are_none() {
    let states = "it is one of created, running, paused, restarting, removing, exited, dead, stopped, gone";
    let runtimes = "it is one of docker, podman, containerd, cri-o, oci, lxc, nspawn";
    let pattern = "^ and $ are start and end, . any letter, * + ? say how often, | is or, \\ takes the next as it is";
    fails(&[
        ("ls --filter nme=web", 125, "no such filter: nme", KEYS),
        ("ls -f web", 125, "filter \"web\" has no value", KEYS),
        ("ls -f name=web -f status=up", 125, "filter status: \"up\" is none", states),
        ("ls -f runtime=rkt", 125, "filter runtime: \"rkt\" is none", runtimes),
        ("ls -f exited=bad", 125, "filter exited: \"bad\" is none", "it is an exit status, such as 137"),
        ("ls -f 'name=w[eo]b'", 125, "\"w[eo]b\" is more of a regular expression than filters know: '['", pattern),
    ]);
}

#[test]
fn templates_that_are_none() {
    fails(&[
        ("ls --format {{.Names}}", 125, "a container has no field .Names", FIELDS),
        ("ls --format json", 125, "\"json\" names no field", FIELDS),
        ("ls --format '{{.name'", 125, "\"{{.name\" has no }} for its {{", FIELDS),
        ("ls --format '{{upper .name}}'", 125, "{{upper .name}} is no field", FIELDS),
        ("ls --format 'table {{.nam}}'", 125, "a container has no field .nam", FIELDS),
    ]);
}

#[test]
fn engines_that_are_none() {
    fails(&[
        (
            "ls -H tcp://192.0.2.1:2375",
            125,
            "the engine at tcp://192.0.2.1:2375 (-H) is on another machine, where its processes are too",
            "run cnsenter on that machine, or name a local engine: -H unix:///var/run/docker.sock",
        ),
        ("ls --context nowhere", 125, "no such Docker context: nowhere (--context)", "docker context ls lists them"),
    ]);
}

/// What helps depends on who asks: root is told of folders, others of sudo.
#[test]
fn an_engine_that_is_not_there_is_named_with_the_reason() {
    let output = cnsenter().args(["ls", "-H", "unix:///nonexistent.sock"]).output().unwrap();
    let said =
        "cnsenter: no runtime of this host could be asked\n    docker: /nonexistent.sock (-H): there is no socket\n";
    assert!(text(output.stderr).starts_with(said), "another reason");
    assert_eq!((output.status.code(), text(output.stdout).as_str()), (Some(125), ""));
}
