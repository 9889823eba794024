//! `who` on real engines.
