//! `man` on real engines.
