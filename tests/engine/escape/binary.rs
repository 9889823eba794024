//! The host's own binary, as seen through `/proc/PID/exe` (CVE-2019-5736): held open by a container's process that may
//! trace, and overwritten once it no longer runs. The way through `#!/proc/self/exe` and a hostile loader is in `defects`.

use anyhow::{Result, ensure};

use super::newcomer::pass_by;
use super::{Host, Watcher, container, in_each};

/// How often the control is tried: whether what was seen was seen before the program had taken its place is luck.
const TRIES: usize = 20;

#[test]
fn who_holds_the_newcomers_binary_cannot_write_to_it() -> Result<()> {
    in_each(|kind| {
        let host = Host::new()?;
        let container = container(kind, &[])?;
        let pid = container.pid()?.to_string();
        // Where it may not trace, the kernel does not let it see the binary of a process that may do more. That is
        // nsenter's luck, and the loader's way is the control there.
        for _ in 0..if kind.traces { TRIES } else { 2 } {
            let mut watcher = Watcher::start(&container, &host, Some("overwrite"))?;
            pass_by(&mut watcher, &host.nsenter(["-m", "-p", "-t", &pid, "/bin/busybox", "cat"]))?;
            let got = watcher.finish()?;
            if !host.is_untouched("nsenter")? {
                ensure!(kind.traces && got.has("write access to /tmp/"), "{got:?}");
                break;
            }
        }
        ensure!(kind.traces != host.is_untouched("nsenter")?, "nsenter does not do what it did");

        for greeting in ["overwrite", "step"] {
            let mut watcher = Watcher::start(&container, &host, Some(greeting))?;
            for words in [&["-m", "-p"][..], &["-a"], &[]] {
                let words = [words, &[container.name(), "/bin/busybox", "cat"]].concat();
                pass_by(&mut watcher, host.cnsenter([]).args(&words))?;
            }
            let got = watcher.finish()?;
            ensure!(!got.has("write access"), "{got:?}");
            ensure!(host.is_untouched("cnsenter")?, "it was written to: {got:?}");
        }
        Ok(())
    })
}
