//! One of the parsers of foreign bytes, fed by libFuzzer. What it has to keep is in the library's `foreign.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| survey::foreign::netlink(bytes));
