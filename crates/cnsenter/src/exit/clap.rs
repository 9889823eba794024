//! What clap has to say of a subcommand's command line, in our words: its help, or what is wrong.

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::OWN;
use crate::cli::UsageError;

/// Shows the help that was asked for, or says what is wrong; the exit status.
pub(crate) fn clap(subcommand: &str, error: &clap::Error) -> u8 {
    if !error.use_stderr() {
        return if error.print().is_ok() { 0 } else { OWN };
    }
    super::usage(&usage(subcommand, error))
}

fn usage(subcommand: &str, error: &clap::Error) -> UsageError {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    };
    // As help shows it, `--timeout <DURATION>`: the option alone.
    let arg = context(ContextKind::InvalidArg);
    let option = arg.split(' ').next().unwrap_or_default();
    let value = context(ContextKind::InvalidValue);
    let cause = error.source().and_then(|cause| cause.downcast_ref::<UsageError>());
    let message = match error.kind() {
        ErrorKind::UnknownArgument if option.starts_with('-') => format!("unknown option {option}"),
        ErrorKind::UnknownArgument => format!("{subcommand} takes no such word: {arg}"),
        ErrorKind::MissingRequiredArgument => format!("{subcommand} needs {arg}"),
        ErrorKind::InvalidValue if value.is_empty() => format!("{option} needs a value"),
        ErrorKind::TooManyValues => format!("{option} takes no value"),
        ErrorKind::ArgumentConflict => {
            let prior = context(ContextKind::PriorArg);
            format!("{option} does not go with {}", prior.split(' ').next().unwrap_or_default())
        }
        ErrorKind::ValueValidation | ErrorKind::InvalidValue => match (cause, error.source()) {
            (Some(cause), _) => cause.message.clone(),
            (None, Some(cause)) => format!("{option} {value:?}: {cause}"),
            (None, None) => format!("{option} does not take {value:?}"),
        },
        kind => format!("{subcommand}: {kind}"),
    };
    let suggested = context(ContextKind::SuggestedArg);
    let valid = context(ContextKind::ValidValue);
    let hint = match cause.and_then(|cause| cause.hint.clone()) {
        Some(hint) => hint,
        None if !suggested.is_empty() => format!("did you mean {suggested}?"),
        None if !valid.is_empty() => format!("it takes {valid}"),
        None if matches!((subcommand, option), ("inspect" | "netns" | "who", "-f" | "--format")) => {
            format!("cnsenter {subcommand} --json has every field, for jq; cnsenter ls takes --format")
        }
        // As many a listing takes a name.
        None if error.kind() == ErrorKind::UnknownArgument && !option.starts_with('-') => {
            format!("cnsenter inspect {arg} shows a container, cnsenter {subcommand} --help lists the options")
        }
        None => format!("cnsenter {subcommand} --help lists the options"),
    };
    UsageError { message, hint: Some(hint), as_nsenter: false }
}
