//! Completion in real shells on real terminals: what is typed, TAB, and the words that the shell then runs.

mod hostile;
mod names;
mod shell;

use std::fs;

use anyhow::Result;
use testbed::{Container, image};

use shell::{ALL, Kind, PROGRAM, Shell, WORD};

/// What lines become, in each shell.
fn completed(shell: &mut Shell, lines: &[(&str, &[&str])]) -> Result<()> {
    for (typed, words) in lines {
        assert_eq!(shell.words(typed)?, *words, "{typed:?}");
    }
    Ok(())
}

#[test]
fn options_subcommands_and_their_words() -> Result<()> {
    for kind in [Kind::Bash, Kind::BareBash, Kind::Zsh, Kind::Fish] {
        let mut shell = Shell::start(kind)?;
        let lines: [(&str, &[&str]); 12] = [
            ("cnsenter --sandb\t", &["--sandbox"]),
            ("cnsenter --net --preserve-\t", &["--net", "--preserve-credentials"]),
            ("cnsenter --setuid fol\t", &["--setuid", "follow"]),
            ("cnsenter --setuid=fol\t", &["--setuid=follow"]),
            ("cnsenter -Sfol\t", &["-Sfollow"]),
            ("cnsenter inspe\t", &["inspect"]),
            ("cnsenter ls --state-r\t", &["ls", "--state-root"]),
            ("cnsenter ls --filter stat\tcre\t", &["ls", "--filter", "status=created"]),
            // What is there is not offered once more.
            ("cnsenter ls --filter nam\t\tweb", &["ls", "--filter", "name=web"]),
            ("cnsenter -E ZDOTD\t", &["-E", "ZDOTDIR"]),
            ("cnsenter completions fi\t", &["completions", "fish"]),
            ("cnsenter --net ls --state-r\t", &["--net", "ls", "--state-r"]),
        ];
        completed(&mut shell, &lines)?;
    }
    Ok(())
}

#[test]
fn files_are_the_shells_own() -> Result<()> {
    for kind in [Kind::Bash, Kind::BareBash, Kind::Zsh, Kind::Fish] {
        let mut shell = Shell::start(kind)?;
        fs::write(shell.home().join("some variables"), "")?;
        fs::create_dir(shell.home().join("some.folder"))?;
        assert_eq!(shell.words("cnsenter --env-file some\\ v\t")?, ["--env-file", "some variables"], "{kind:?}");
        for option in ["--mount=", "--root=", "--state-root=", "-r", "-w", "--state-root "] {
            let mut words = shell.words(&format!("cnsenter {option}./some.f\t"))?;
            // zsh takes the slash back when the line is run.
            let last = words.pop().map(|word| word.trim_end_matches('/').to_owned()).unwrap_or_default();
            assert_eq!(last, format!("{}./some.folder", option.trim_end_matches("--state-root ")), "{kind:?}");
        }
    }
    Ok(())
}

#[test]
fn the_files_of_networks() -> Result<()> {
    let web = Container::run(image::busybox()?, &[], &["sleep", "1000"])?;
    let key = web.sandbox_key()?;
    let file = key.rsplit('/').next().unwrap();
    let beginning = &file[..file.len() - 1];
    for kind in [Kind::Bash, Kind::BareBash, Kind::Zsh, Kind::Fish] {
        let mut shell = Shell::start(kind)?;
        for option in ["--net=", "-n", "-n="] {
            let typed = format!("cnsenter {option}/run/docker/netns/{beginning}\t");
            assert_eq!(shell.words(&typed)?, [format!("{option}/run/docker/netns/{file}")], "{kind:?}");
        }
        assert_eq!(shell.words(&format!("cnsenter --sandbox {beginning}\t"))?, ["--sandbox", file], "{kind:?}");
    }
    Ok(())
}

#[test]
fn after_the_target_comes_another_command_line() -> Result<()> {
    let almost = &PROGRAM[..PROGRAM.len() - 1];
    for kind in ALL {
        let mut shell = Shell::start(kind)?;
        for before in [
            "--net web",
            "--net web --",
            "-n -t docker://web",
            "--net=/run/netns/x",
            "-m/proc/self/ns/mnt --net=/proc/self/ns/net --",
        ] {
            let words: Vec<_> = before.split(' ').collect();
            assert_eq!(shell.words(&format!("cnsenter {before} {almost}\t"))?, [&words[..], &[PROGRAM]].concat());
            let own = [&words[..], &[PROGRAM, WORD]].concat();
            assert_eq!(shell.words(&format!("cnsenter {before} {PROGRAM} alpha\t"))?, own, "{kind:?}");
        }
    }
    let mut bare = Shell::start(Kind::BareBash)?;
    assert_eq!(bare.words(&format!("cnsenter --net web {almost}\t"))?, ["--net", "web", PROGRAM]);
    Ok(())
}
