//! Things that people name by the beginning of their id.

use crate::error::Error;

/// Fewest characters of an id that stand for it.
const LEAST: usize = 4;

/// The one of some things, given with their ids, whose id begins so. What they are called and the command that lists them
/// are for the errors.
pub(super) fn one<'i, T>(
    things: impl Iterator<Item = (&'i str, T)>,
    beginning: &str,
    (called, listed): (&str, &str),
) -> Result<T, Error> {
    if beginning.len() < LEAST {
        return Err(Error::Usage(format!("{beginning:?}: at least {LEAST} characters of an id are needed")));
    }
    let mut fitting = things.filter(|(id, _)| id.starts_with(beginning)).map(|(_, thing)| thing);
    match (fitting.next(), fitting.next()) {
        (Some(thing), None) => Ok(thing),
        (None, _) => {
            Err(Error::Unwell(format!("no {called}'s id begins with {beginning}; `bellbuoy {listed}` shows them")))
        }
        (Some(_), Some(_)) => {
            Err(Error::Usage(format!("several {called}s' ids begin with {beginning}; give more of it")))
        }
    }
}
