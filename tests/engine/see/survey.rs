//! `survey` on real engines.
