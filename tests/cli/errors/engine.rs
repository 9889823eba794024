//! Engines that cannot be asked: on another machine, not there, named wrongly, or not listening. All are found out
//! without an engine, and before anything is joined: 125.

use std::os::unix::net::UnixListener;

use testbed::Scratch;

use super::{fails, fails_in};

const LOCAL: &str = "run cnsenter on that machine, or name a local engine: -H unix:///var/run/docker.sock";
const SOCKET: &str = "an engine of this machine is unix:///PATH/OF/ITS/SOCKET";
const NO_SOCKET: &str = "is Docker running? For another socket: -H unix://PATH; for a process: -t PID";
const CONTEXTS: &str = "docker context ls lists them";
const DEAD: &str = "the engine is not running: systemctl status docker";

#[track_caller]
fn with_variables(folder: &Scratch, variables: &[(&str, &str)], message: &str, hint: &str) {
    let here = |text: &str| text.replace("DIR", folder.path().to_str().unwrap());
    let prepare = |command: &mut std::process::Command| {
        command.envs(variables.iter().map(|(name, value)| (name, here(value))));
    };
    fails_in(folder, prepare, &[("--net nginx ip a", 125, message, hint)]);
}

/// A folder as the Docker client's, with contexts and their hosts.
fn client(config: &str, contexts: &[(&str, &str)]) -> Scratch {
    let folder = Scratch::new().unwrap();
    std::fs::write(folder.path().join("config.json"), config).unwrap();
    for (name, host) in contexts {
        let meta = folder.path().join("contexts/meta").join(name);
        std::fs::create_dir_all(&meta).unwrap();
        let text = format!(r#"{{"Name":"{name}","Endpoints":{{"docker":{{"Host":"{host}"}}}}}}"#);
        std::fs::write(meta.join("meta.json"), text).unwrap();
    }
    folder
}

#[test]
fn on_another_machine() {
    let elsewhere = |origin: &str| format!("the engine at {origin} is on another machine, where its processes are too");
    fails(&[
        ("-H tcp://10.0.0.5:2375 --net nginx ip a", 125, &elsewhere("tcp://10.0.0.5:2375 (-H)"), LOCAL),
        ("--sandbox -H 10.0.0.5:2375 nginx", 125, &elsewhere("10.0.0.5:2375 (-H)"), LOCAL),
    ]);
    let folder = Scratch::new().unwrap();
    let over_there = "run it there: ssh -t ssh://ops@db1 cnsenter --net nginx ip a";
    for (host, hint) in
        [("tcp://db1:2375", LOCAL), ("https://db1", LOCAL), ("localhost:2375", LOCAL), ("ssh://ops@db1", over_there)]
    {
        let message = elsewhere(&format!("{host} (DOCKER_HOST)"));
        with_variables(&folder, &[("DOCKER_HOST", host)], &message, hint);
    }
}

/// Over there the engine is not on another machine: the line must not say so again.
#[test]
fn on_another_machine_that_was_named_by_an_option() {
    let message = "the engine at ssh://ops@db1 (-H) is on another machine, where its processes are too";
    for line in [
        "--net -H ssh://ops@db1 nginx ip a",
        "--net -Hssh://ops@db1 nginx ip a",
        "--timeout 5s --host ssh://ops@db1 --net nginx ip a",
        "-t nginx --host=ssh://ops@db1 --net ip a",
    ] {
        let hint = "run it there, without -H and --context: ssh -t ssh://ops@db1";
        fails(&[(line, 125, message, hint)]);
    }
}

#[test]
fn by_a_context() {
    let far = client(r#"{"currentContext":"far"}"#, &[("far", "tcp://db1:2375"), ("near", "unix:///nonexistent")]);
    let at = |origin: &str| format!("the engine at {origin} is on another machine, where its processes are too");
    let config = ("DOCKER_CONFIG", "DIR");
    let current = at("tcp://db1:2375 (context far, currentContext of the Docker client)");
    with_variables(&far, &[config], &current, LOCAL);
    let named = at("tcp://db1:2375 (context far, DOCKER_CONTEXT)");
    with_variables(&far, &[config, ("DOCKER_CONTEXT", "far")], &named, LOCAL);
    let near = "cannot ask Docker at /nonexistent (context near, DOCKER_CONTEXT): there is no socket";
    with_variables(&far, &[config, ("DOCKER_CONTEXT", "near")], near, NO_SOCKET);
    with_variables(&far, &[config, ("DOCKER_CONTEXT", "no")], "no such Docker context: no (DOCKER_CONTEXT)", CONTEXTS);
    with_variables(
        &client(r#"{"currentContext":"gone"}"#, &[]),
        &[config],
        "no such Docker context: gone (currentContext of the Docker client)",
        CONTEXTS,
    );
    fails_in(
        &far,
        |command| {
            command.env("DOCKER_CONFIG", far.path());
        },
        &[
            ("--context no --net nginx", 125, "no such Docker context: no (--context)", CONTEXTS),
            ("--context far --net nginx", 125, &at("tcp://db1:2375 (context far, --context)"), LOCAL),
        ],
    );
}

#[test]
fn a_client_configuration_that_is_broken() {
    with_variables(
        &client("{", &[]),
        &[("DOCKER_CONFIG", "DIR")],
        "cannot read DIR/config.json: EOF while parsing an object at line 1 column 1",
        "-H unix:///var/run/docker.sock does without it",
    );
    // By the home folder as well.
    let home = Scratch::new().unwrap();
    std::fs::create_dir(home.path().join(".docker")).unwrap();
    std::fs::write(home.path().join(".docker/config.json"), "[]x").unwrap();
    with_variables(
        &home,
        &[("HOME", "DIR")],
        "cannot read DIR/.docker/config.json: trailing characters at line 1 column 3",
        "-H unix:///var/run/docker.sock does without it",
    );
}

#[test]
fn an_address_that_is_none() {
    fails(&[
        ("-H garbage --net nginx", 125, "garbage (-H) is not the address of an engine", SOCKET),
        ("-H unix://relative --net nginx", 125, "unix://relative (-H) is not the address of an engine", SOCKET),
        ("-H npipe:////./pipe/x --net nginx", 125, "npipe:////./pipe/x (-H) is not the address of an engine", SOCKET),
    ]);
    let folder = Scratch::new().unwrap();
    let message = "fd:// (DOCKER_HOST) is not the address of an engine";
    with_variables(&folder, &[("DOCKER_HOST", "fd://")], message, SOCKET);
}

#[test]
fn a_socket_that_is_not_there_or_deaf() {
    let folder = Scratch::new().unwrap();
    drop(UnixListener::bind(folder.path().join("dead")).unwrap());
    std::fs::write(folder.path().join("file"), "").unwrap();
    let at = |socket: &str, what: &str| format!("cannot ask Docker at {socket} (-H): {what}");
    let (missing, deaf) = ("there is no socket", "nobody listens on the socket");
    fails_in(
        &folder,
        |_| {},
        &[
            ("-H unix:///nonexistent --net nginx", 125, &at("/nonexistent", missing), NO_SOCKET),
            ("-H /nonexistent --sandbox nginx", 125, &at("/nonexistent", missing), NO_SOCKET),
            ("-H unix:///nonexistent docker://nginx", 125, &at("/nonexistent", missing), NO_SOCKET),
            ("-H unix:///nonexistent --print nginx", 125, &at("/nonexistent", missing), NO_SOCKET),
            ("-H unix://DIR/dead --net nginx", 125, &at("DIR/dead", deaf), DEAD),
            ("-H unix://DIR/file --net nginx", 125, &at("DIR/file", deaf), DEAD),
        ],
    );
    let message = "cannot ask Docker at /nonexistent (DOCKER_HOST): there is no socket";
    with_variables(&folder, &[("DOCKER_HOST", "unix:///nonexistent")], message, NO_SOCKET);
}

/// A time that cannot be added to now.
#[test]
fn the_longest_timeout_is_no_panic() {
    let message = "cannot ask Docker at /nonexistent (-H): there is no socket";
    for timeout in ["1e19", "9e9", "500000000000y", "18446744073709550000"] {
        fails(&[(&format!("--timeout {timeout} -H /nonexistent --net nginx"), 125, message, NO_SOCKET)]);
    }
}

/// The flag goes before the variables, and these before the client's files, as for `docker`.
#[test]
fn the_first_that_names_an_engine_counts() {
    let folder = client("{", &[]);
    let broken = |command: &mut std::process::Command| {
        command.env("DOCKER_CONFIG", folder.path()).env("DOCKER_HOST", "tcp://db1:1").env("DOCKER_CONTEXT", "no");
    };
    fails_in(
        &folder,
        broken,
        &[
            ("-H /nonexistent --net x", 125, "cannot ask Docker at /nonexistent (-H): there is no socket", NO_SOCKET),
            ("--context no --net x", 125, "no such Docker context: no (--context)", CONTEXTS),
            (
                "--net x",
                125,
                "the engine at tcp://db1:1 (DOCKER_HOST) is on another machine, where its processes are too",
                LOCAL,
            ),
        ],
    );
}
