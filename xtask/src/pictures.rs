//! `cargo xtask pictures`: the pictures of the README, of what cnsenter really shows on a terminal beside real
//! containers. How text becomes a picture is `picture`'s.

use std::fs;

use anyhow::{Context, Result};
use testbed::{Container, Network, image};

use crate::shell::{self, Shell};
use crate::{binary, engine, interrupt, picture, run};

/// The width of the terminal.
const COLUMNS: u16 = 112;

/// Writes them all.
pub(crate) fn run() -> Result<()> {
    interrupt::watch()?;
    engine::up()?;
    let shell = Shell::new(&binary::build()?, COLUMNS)?;
    let shop = Shop::open()?;
    let pictures = [("capture", capture(&shell, &shop)?)];
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

/// A shop on the web, as somebody might run one.
struct Shop {
    api: Container,
    _web: Container,
    _network: Network,
}

impl Shop {
    fn open() -> Result<Shop> {
        for name in ["web", "api"] {
            shell::free(name)?;
        }
        let network = Network::named("shop", &[])?;
        let on = |name: &'static str| ["--network", "shop", "--name", name];
        let web = Container::run(image::nginx()?, &on("web"), &[])?;
        web.wait_for_port(80)?;
        let api = Container::run(image::busybox()?, &on("api"), &["sleep", "100000"])?;
        Ok(Shop { api, _web: web, _network: network })
    }
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
