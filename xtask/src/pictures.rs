//! `cargo xtask pictures`: the pictures of the README, of what cnsenter really shows on a terminal beside real
//! containers. How text becomes a picture is `picture`'s.

use std::fs;

use anyhow::{Context, Result, ensure};
use testbed::engine::docker;
use testbed::{Container, Network, PREFIX, cri, image, podman};

use crate::shell::{self, Shell};
use crate::{binary, engine, interrupt, picture, run};

/// The width of the terminal.
const COLUMNS: u16 = 124;

/// Writes them all.
pub(crate) fn run() -> Result<()> {
    interrupt::watch()?;
    engine::up()?;
    let shell = Shell::new(&binary::build()?, COLUMNS)?;
    let shop = Shop::open().context("`cargo xtask engine down` removes what a killed run left")?;
    let pictures = [("ls", list(&shell)?), ("inspect", inspect(&shell)?), ("capture", capture(&shell, &shop)?)];
    let folder = run::root().join("docs/pictures");
    fs::create_dir_all(&folder)?;
    for (name, shown) in pictures {
        print!("{shown}");
        let file = folder.join(name).with_extension("svg");
        fs::write(&file, picture::svg(&shown, COLUMNS.into())).with_context(|| format!("cannot write {name}.svg"))?;
    }
    println!("pictures: written to docs/pictures");
    Ok(())
}

/// A shop on the web, as somebody might run one. In the order in which it is taken away.
struct Shop {
    api: Container,
    _others: Vec<Container>,
    _network: Network,
    _backup: podman::Container,
    _pod: (cri::Container, cri::Pod),
    _tag: Tag,
}

impl Shop {
    fn open() -> Result<Shop> {
        let tag = Tag::put("shop/web", image::nginx()?)?;
        let network = Network::named("shop", &[])?;
        let (busybox, sleep) = (image::busybox()?, ["sleep", "100000"]);
        let limits = ["--publish", "8080:80", "--memory", "256m", "--cpus", "1.5"];
        let web = Container::run(tag.0, &[&["--name", "web", "--network", "shop"], &limits[..]].concat(), &[])?;
        web.wait_for_port(80)?;
        let api = Container::run(busybox, &["--name", "api", "--network", "shop"], &sleep)?;
        let db = Container::run(busybox, &["--name", "db", "--network", "shop"], &sleep)?;
        let metrics = Container::run(busybox, &["--name", "metrics", "--network", "container:db"], &sleep)?;
        let backup = podman::Container::run(&["--name", "backup", "--network", "host"], &sleep)?;
        let pod = cri::Pod::named("cart", "default")?;
        let app = pod.container("app", &sleep)?;
        // `metrics` before the one whose network it shares.
        let others = vec![metrics, db, web];
        Ok(Shop { api, _others: others, _network: network, _backup: backup, _pod: (app, pod), _tag: tag })
    }
}

/// Another name of an image, taken away again.
struct Tag(&'static str);

impl Tag {
    fn put(name: &'static str, image: &str) -> Result<Tag> {
        let id = |image| docker(&["image", "inspect", "--format", "{{.Id}}", image]);
        if let (Ok(theirs), ours) = (id(name), id(image)?) {
            ensure!(theirs == ours, "there is an image {name} already, which stays untouched");
        }
        docker(&["tag", image, name])?;
        Ok(Tag(name))
    }
}

impl Drop for Tag {
    fn drop(&mut self) {
        let _ = docker(&["rmi", self.0]);
    }
}

/// The containers of the shop, and no others.
fn list(shell: &Shell) -> Result<String> {
    let line = "cnsenter ls";
    let shown = shell.run(line)?;
    ensure!(!shown.contains(PREFIX), "containers of a test run here, too\nhint: when it has ended, try again");
    Ok(format!("{}{shown}", prompt(line)))
}

fn inspect(shell: &Shell) -> Result<String> {
    let line = "cnsenter inspect web";
    Ok(format!("{}{}", prompt(line), shell.run(line)?))
}

/// tcpdump in the network of `web`, while `api` asks it for a page.
fn capture(shell: &Shell, shop: &Shop) -> Result<String> {
    let line = "cnsenter --net web -- tcpdump -i eth0 -c 6 -nn port 80";
    let mut session = shell.start(line)?;
    let begun = session.expect("listening on eth0")?.replace('\r', "");
    shop.api.exec(&[], &["wget", "-qO-", "http://web/"])?;
    Ok(format!("{}{begun}{}", prompt(line), shell::finish(session)?))
}

/// A line as it was typed.
fn prompt(line: &str) -> String {
    format!("\x1b[32m#\x1b[0m \x1b[1m{line}\x1b[0m\n")
}
