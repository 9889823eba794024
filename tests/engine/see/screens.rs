//! `screens` on real engines.
