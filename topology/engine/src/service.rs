//! A service beside the lanes: it looks again and again at what it follows, and rests longer while that cannot be done.

use crate::runtime::Stopping;
use std::fmt::Display;
use std::time::Duration;

/// Time between two looks, and longest time until a request to stop is heard.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Longest rest after looks that failed.
const LONGEST_REST: Duration = Duration::from_secs(10);

/// Looks until told to stop. An error that passes (an outage) is logged, and the rest before the next look doubled, up to
/// ten seconds; the first one that does not ends the service.
pub fn look_on<E: Display>(
    stopping: &Stopping,
    passes: impl Fn(&E) -> bool,
    mut look: impl FnMut() -> Result<(), E>,
) -> Result<(), E> {
    let mut rest = LOOK_EVERY;
    while !stopping.is_stopping() {
        match look() {
            Ok(()) => rest = LOOK_EVERY,
            Err(error) if passes(&error) => {
                rest = (rest * 2).min(LONGEST_REST);
                tracing::warn!("{error}; tried again in {} ms", rest.as_millis());
            }
            Err(error) => return Err(error),
        }
        pause(rest, stopping);
    }
    Ok(())
}

fn pause(rest: Duration, stopping: &Stopping) {
    let mut left = rest;
    while !left.is_zero() && !stopping.is_stopping() {
        let step = left.min(LOOK_EVERY);
        std::thread::sleep(step);
        left -= step;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_waited_for_and_what_does_not_ends_it() {
        let mut answers = vec![Err("broken"), Ok(()), Err("away"), Ok(())];
        let stopping = Stopping::default();
        let ended = look_on(&stopping, |error| *error == "away", || answers.pop().expect("it has ended before"));
        assert_eq!((ended, answers.len()), (Err("broken"), 0));
    }

    #[test]
    fn it_looks_no_more_when_it_is_told_to_stop_and_does_not_rest_first() {
        let stopping = Stopping::default();
        let mut looks = 0;
        let look = || {
            looks += 1;
            stopping.stop();
            Err("away")
        };
        assert_eq!((look_on(&stopping, |_| true, look), looks), (Ok(()), 1));
    }
}
