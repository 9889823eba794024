//! Many containers that do nothing, of which there can be more and more. What is measured beside them is the parent's.

use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};
use testbed::{Container, containerd, image};

use crate::interrupt;

/// How many processes each of Docker's has.
pub(super) const PROCESSES: usize = 10;

/// How many `docker` clients work at once.
const CLIENTS: usize = 4;

/// Removed when dropped.
#[derive(Default)]
pub(super) struct Crowd {
    containers: Vec<Container>,
    tasks: Vec<containerd::Container>,
}

impl Crowd {
    /// Starts as many of Docker's as are missing to `count`, each on Docker's own bridge.
    pub(super) fn grow(&mut self, count: usize) -> Result<()> {
        let image = image::busybox()?;
        let missing = count.saturating_sub(self.containers.len());
        self.containers
            .extend(at_once(missing, || Container::run(image, &["--pids-limit", "100"], &["sh", "-c", &program()]))?);
        Ok(())
    }

    /// Starts so many containers of containerd's.
    pub(super) fn add_tasks(&mut self, count: usize) -> Result<()> {
        let run = || containerd::Container::run(containerd::NAMESPACE, &[], &["sleep", "100000"]);
        self.tasks.extend(at_once(count, run)?);
        Ok(())
    }

    /// The full IDs of Docker's.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.containers.iter().map(Container::id)
    }
}

/// What [`PROCESSES`] processes are made of, by a shell.
pub(super) fn program() -> String {
    format!("for i in $(seq {}); do sleep 100000 & done; exec sleep 100000", PROCESSES - 1)
}

/// Makes so many, some at a time.
fn at_once<T: Send>(count: usize, make: impl Fn() -> Result<T> + Sync) -> Result<Vec<T>> {
    let part = |number: usize| -> Result<Vec<T>> {
        let mine = (0..count).filter(|at| at % CLIENTS == number);
        mine.map(|_| interrupt::check().and_then(|()| make())).collect()
    };
    let parts = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || part(number))).collect();
        let parts = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| bail!("a thread panicked")));
        // All of them are awaited before the first error is returned: each has guards to drop.
        parts.collect::<Vec<_>>()
    });
    Ok(parts.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

impl Drop for Crowd {
    fn drop(&mut self) {
        drop_at_once(std::mem::take(&mut self.containers));
        drop_at_once(std::mem::take(&mut self.tasks));
    }
}

fn drop_at_once<T: Send>(all: Vec<T>) {
    let left = Mutex::new(all.into_iter());
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| while next().is_some() {});
        }
    });
}
