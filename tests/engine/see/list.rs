//! `list` on real engines.
