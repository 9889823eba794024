//! `ls` on real engines.
