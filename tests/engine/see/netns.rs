//! `netns` on real engines.
