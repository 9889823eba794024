//! Waiting for what sends no event: a daemon's socket, a file of `/proc`. Always bounded, never a bare sleep.
//! Where an event exists (a pipe's end, a pidfd, inotify), wait for that instead.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Asks `ready` again and again until it gives a value; an error once `limit` has passed.
pub fn until<T>(limit: Duration, what: &str, mut ready: impl FnMut() -> Option<T>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = ready() {
            return Ok(value);
        }
        if start.elapsed() > limit {
            bail!("waited {limit:?} in vain for {what}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
