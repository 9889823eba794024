//! Finding an option by how it is spelled, as getopt_long(3) does. The table itself is in `options.rs`.

use super::{OPTIONS, Opt};

/// What a long option that is spelled like this may be.
#[derive(Debug)]
pub enum Found {
    /// This one.
    One(&'static Opt),
    /// The beginning of these.
    Several(Vec<&'static Opt>),
    /// None; this one comes near.
    None(Option<&'static Opt>),
}

/// Finds `-X`.
pub fn by_short(letter: char, nsenter_only: bool) -> Option<&'static Opt> {
    known(nsenter_only).find(|option| option.short == Some(letter))
}

/// Finds `--NAME`, or what it abbreviates. nsenter's options go first, so that no option of ours takes an abbreviation
/// away from a script.
pub fn by_long(name: &str, nsenter_only: bool) -> Found {
    if let Some(option) = known(nsenter_only).find(|option| option.long == name) {
        return Found::One(option);
    }
    if name.is_empty() {
        return Found::None(None);
    }
    for of_nsenter in [true, false] {
        let begins: Vec<_> = known(nsenter_only)
            .filter(|option| option.of_nsenter == of_nsenter && option.long.starts_with(name))
            .collect();
        match begins[..] {
            [] => {}
            [option] => return Found::One(option),
            _ => return Found::Several(begins),
        }
    }
    let distance = |option: &&Opt| strsim::osa_distance(option.long, name);
    let nearest = known(nsenter_only).min_by_key(distance);
    Found::None(nearest.filter(|option| distance(option) <= 2 && distance(option) * 2 <= name.chars().count()))
}

fn known(nsenter_only: bool) -> impl Iterator<Item = &'static Opt> {
    OPTIONS.iter().filter(move |option| option.of_nsenter || !nsenter_only)
}
