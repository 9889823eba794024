//! What the subcommands show on a real terminal of 80 and of 160 columns, to the letter but for what varies, and that
//! nothing is wider than the terminal, nor coloured in a pipe. What the words mean is tested beside each subcommand.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use regex_lite::Regex;
use testbed::pty::Session;
use testbed::{Container, image};

use crate::run::{cnsenter, on_default_engine, run};

/// A shop whose names are always as long, and that nobody else has: what is cut or left out depends on it.
struct Shop {
    mark: String,
    containers: Vec<Container>,
}

impl Shop {
    fn open() -> Result<Shop> {
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos() as u64;
        let mark = format!("{:011x}", (nanos ^ u64::from(std::process::id()) << 30) & 0xfff_ffff_ffff);
        let mut shop = Shop { mark, containers: Vec::new() };
        let image = image::busybox()?;
        let sleep = ["sleep", "100000"];
        shop.add("web", image, &["--publish", "80"], &sleep)?;
        let of_web = format!("container:{}", shop.name("web"));
        shop.add("ad", image, &["--network", &of_web], &sleep)?;
        shop.add("stats", image, &["--network", "host", "--pid", "host"], &sleep)?;
        shop.add("db", image, &["--network", "none"], &sleep)?;
        shop.containers[3].docker(&["pause"])?;
        shop.add("crash", image, &["--network", "none"], &["sh", "-c", "exit 3"])?;
        shop.containers[4].docker(&["wait"])?;
        Ok(shop)
    }

    fn add(&mut self, role: &str, image: &str, args: &[&str], program: &[&str]) -> Result<()> {
        let (name, label) = (self.name(role), format!("shop={}", self.mark));
        let args = [&["--name", &name, "--label", &label], args].concat();
        self.containers.push(Container::run(image, &args, program)?);
        Ok(())
    }

    fn name(&self, role: &str) -> String {
        format!("shop-{role}-{}", self.mark)
    }

    fn filter(&self) -> String {
        format!("label=shop={}", self.mark)
    }

    /// A screen without what is another one each time: the same lengths, where they are the same each time.
    fn steady(&self, screen: &str) -> Result<String> {
        let mut text = screen.replace(&self.mark, "00000000000");
        for container in &self.containers {
            let pid = container.pid()?;
            if pid != 0 {
                text = Regex::new(&format!(r"\b{pid}\b"))?.replace_all(&text, "PID").into_owned();
            }
        }
        for (varies, steady) in [
            (r"\b[0-9a-f]{64}\b", "0".repeat(64).as_str()),
            (r"\b[0-9a-f]{12}\b", "000000000000"),
            (r"\bveth[0-9a-f]{7}\b", "veth0000000"),
            (r"\b4[0-9]{9}\b", "4026530000"),
            (r"\b[0-9]{4}-[0-9-]{5}T[0-9:]{8}Z", "2026-01-01T00:00:00Z"),
            (r"\b172\.[0-9]+\.[0-9]+\.[0-9]+\b", "172.17.0.2"),
            (r"\b02:42(:[0-9a-f]{2}){4}\b", "02:42:ac:11:00:02"),
            (r":[0-9]{5}\b", ":32768"),
            (r"made-of=[0-9a-f]+", "made-of=0"),
            (r"\b[0-9]+[smh]\b", "0s"),
            (r" {2,}", "  "),
        ] {
            text = Regex::new(varies)?.replace_all(&text, steady).into_owned();
        }
        Ok(text)
    }
}

/// What a command shows on a terminal of its own; colours only if they are wanted.
fn screen(columns: u16, colours: bool, words: &[&str]) -> Result<String> {
    // The size is set before the program can ask for it.
    let script = format!("stty cols {columns} && exec \"$@\"");
    let mut command = on_default_engine(Command::new("sh"));
    command.args(["-c", &script, "sh"]).arg(crate::cnsenter().get_program()).args(words);
    command.env("TERM", "xterm").env("NO_COLOR", if colours { "" } else { "1" });
    let (status, shown) = Session::spawn(&mut command)?.finish()?;
    assert_eq!(status, 0, "{words:?}: {shown}");
    Ok(shown.replace("\r\n", "\n"))
}

/// Of a screen, what is wider than it.
fn too_wide(screen: &str, columns: u16) -> Vec<&str> {
    screen.lines().filter(|line| line.chars().count() > usize::from(columns)).collect()
}

#[test]
fn ls() -> Result<()> {
    let shop = Shop::open()?;
    let filter = shop.filter();
    for (name, words) in [("ls", &[][..]), ("ls_all", &["--all"]), ("ls_tree", &["--tree", "--all"])] {
        for columns in [80, 160] {
            let shown = screen(columns, false, &[&["ls", "--filter", &filter], words].concat())?;
            assert!(too_wide(&shown, columns).is_empty(), "{shown}");
            insta::assert_snapshot!(format!("{name}_{columns}"), shop.steady(&shown)?);
        }
    }
    // All of it, however wide.
    let wide = screen(80, false, &["ls", "--wide", "--all", "--filter", &filter])?;
    insta::assert_snapshot!("ls_wide", shop.steady(&wide)?);
    let template = "table {{.name}}\\t{{.state}}\\t{{.namespaces.net}}";
    let table = screen(80, false, &["ls", "--all", "--filter", &filter, "--format", template])?;
    insta::assert_snapshot!("ls_format_table", shop.steady(&table)?);
    let narrow = screen(20, false, &["ls", "--filter", &filter])?;
    assert!(too_wide(&narrow, 20).is_empty(), "{narrow}");
    Ok(())
}

#[test]
fn only_a_terminal_that_wants_it_gets_colours_and_pipes_get_everything() -> Result<()> {
    let shop = Shop::open()?;
    let filter = shop.filter();
    for words in [&["ls", "--filter", &filter][..], &["ls", "--tree"], &["ls", "--wide"]] {
        let coloured = screen(160, true, words)?;
        assert!(coloured.starts_with("\x1b[1m") && coloured.matches('\x1b').count() == 2, "{coloured:?}");
    }
    for words in [&["ls"][..], &["ls", "--tree"], &["ls", "--wide"], &["ls", "--json"], &["inspect", &shop.name("web")]]
    {
        let piped = run(words)?;
        assert!(piped.success() && !piped.stdout.contains('\x1b'), "{piped:?}");
        assert!(!words.contains(&"ls") || piped.stdout.contains(&shop.name("stats")), "{piped:?}");
        assert!(!piped.stdout.contains('…'), "{piped:?}");
    }
    // Whatever the terminal is: it is not what is written to.
    let mut command = cnsenter(["ls", "--filter", &filter]);
    let output = testbed::output::run(command.env("COLUMNS", "20").env("TERM", "xterm"))?;
    assert!(output.stdout.contains(&format!("{}:net", shop.name("web"))), "{output:?}");
    Ok(())
}

#[test]
fn who() -> Result<()> {
    let shop = Shop::open()?;
    let web = shop.containers.first().context("no container")?;
    let (pid, net) = (web.pid()?.to_string(), format!("net:[{}]", web.netns()?));
    for columns in [80, 160] {
        let shown = screen(columns, false, &["who", &pid, &net, &shop.name("db"), web.short_id()])?;
        assert!(too_wide(&shown, columns).is_empty(), "{shown}");
        insta::assert_snapshot!(format!("who_{columns}"), shop.steady(&shown)?);
    }
    Ok(())
}

/// The same on both, but for where its lines are broken: what is to be copied never is.
#[test]
fn inspect() -> Result<()> {
    let shop = Shop::open()?;
    let mut shown = Vec::new();
    for columns in [80, 160] {
        let screen = screen(columns, false, &["inspect", &shop.name("web")])?;
        let copied = |line: &&&str| line.trim_start().contains("nsenter ") || line.split_whitespace().count() <= 2;
        assert!(too_wide(&screen, columns).iter().all(|line| copied(&line)), "{screen}");
        shown.push(screen);
    }
    let joined = |screen: &str| -> Result<String> { Ok(Regex::new(r"\s+")?.replace_all(screen, " ").into_owned()) };
    let steady = |screen: &str| -> Result<String> {
        let mut text = shop.steady(screen)?;
        for (varies, steady) in [
            // How a machine's cgroups are arranged, and which DNS it has, is its own affair.
            (r"(?m)^(cgroup|dns) .*\n", ""),
            (r"(?m)^namespaces .*(\n  .*)*\n", ""),
            (r"[0-9.]+ [KM]iB", "0 KiB"),
            (r"[0-9.]+ s used", "0.0 s used"),
            (r"(?s)overlay,\s+/\S+", "overlay, /FOLDER/merged"),
        ] {
            text = Regex::new(varies)?.replace_all(&text, steady).into_owned();
        }
        Ok(text)
    };
    insta::assert_snapshot!("inspect_160", steady(&shown[1])?);
    assert_eq!(joined(&steady(&shown[0])?)?, joined(&steady(&shown[1])?)?);
    Ok(())
}

/// It lists the whole host, whose other rows decide what is cut: the own row is there, and what varies is not compared.
#[test]
fn netns() -> Result<()> {
    let shop = Shop::open()?;
    let web = shop.containers.first().context("no container")?;
    let inode = web.netns()?.to_string();
    let owners = ["web", "ad"].map(|role| format!("docker://{}", shop.name(role)));
    let row = |shown: &str| -> Result<Vec<String>> {
        let line = shown.lines().find(|line| line.starts_with(&inode)).context("no row of the container's network")?;
        Ok(line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect())
    };
    for columns in [80, 160] {
        let shown = screen(columns, false, &["netns"])?;
        assert!(too_wide(&shown, columns).is_empty(), "{shown}");
        let cell = row(&shown)?.get(1).cloned().unwrap_or_default();
        // As far as it is cut, which is up to the other rows.
        let beginning: String = cell.trim_end_matches('…').chars().take("docker://shop-".len()).collect();
        assert!(beginning.len() > "docker://".len() && "docker://shop-".starts_with(&beginning), "{shown}");
    }
    let piped = run(["netns"])?.stdout;
    let whole = row(&piped)?.get(1).cloned().unwrap_or_default();
    assert!(owners.iter().all(|owner| whole.contains(owner)), "{piped}");
    assert!(!piped.contains('\x1b') && !piped.contains('…'), "{piped}");
    Ok(())
}
