//! The terminal, if there is one.

use std::ffi::CString;

use crate::kernel::{self, close, getpgid, ioctl, open, tcgetpgrp};
use crate::{Facts, files, link, read};

const TCGETS: u64 = 0x5401;
const TIOCGWINSZ: u64 = 0x5413;

pub(crate) fn all(facts: &mut Facts) {
    let path = CString::new("/dev/tty").unwrap_or_default();
    // SAFETY: the path is a string that ends in a zero byte.
    let terminal = unsafe { open(path.as_ptr(), 2 | 0o400) };
    facts.add("terminal.opens", kernel::outcome(terminal));
    // SAFETY: the descriptor has just been opened here; without one, it fails.
    unsafe { close(terminal) };
    let stat = read("/proc/self/stat");
    // The name before it may hold spaces and parentheses.
    let device = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(4)).unwrap_or_default().to_owned();
    facts.add("terminal.controls", device);
    // SAFETY: 0 is the standard input, and this process.
    let (foreground, group) = unsafe { (tcgetpgrp(0), getpgid(0)) };
    let in_front = if foreground < 0 { kernel::name(kernel::errno()) } else { (foreground == group).to_string() };
    facts.add("terminal.in_front", in_front);
    let mut size = [0_u16; 4];
    // SAFETY: the kernel writes four numbers.
    let result = unsafe { ioctl(0, TIOCGWINSZ, &mut size) };
    facts.add("terminal.size", if result < 0 { kernel::name(kernel::errno()) } else { format!("{size:?}") });
    // Four words of flags, the line discipline and 19 characters; the C library's own structure is larger.
    let mut settings = [0_u32; 16];
    // SAFETY: the kernel writes 36 bytes.
    let result = unsafe { ioctl(0, TCGETS, &mut settings) };
    facts.add("terminal.settings", if result < 0 { kernel::name(kernel::errno()) } else { format!("{settings:x?}") });
    let is_terminal = result >= 0;
    facts.add("terminal.name", if is_terminal { link("/proc/self/fd/0") } else { "none".to_owned() });
    facts.add("terminal.owner", if is_terminal { files::owner("/proc/self/fd/0") } else { "none".to_owned() });
}
