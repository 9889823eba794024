//! `completions` on real engines.
