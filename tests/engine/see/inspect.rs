//! `inspect` on real engines.
