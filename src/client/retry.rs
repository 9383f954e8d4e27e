//! What is asked again, and when: a lost connection, and a server that has no time (429, 502, 503,
//! 504), which may say how long it wants to be left alone. Nothing else: any other refusal stays one.

use std::thread::sleep;
use std::time::Duration;

use super::ClientError;

/// The first pause; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause that is not asked for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The longest that a server can ask for.
const LONGEST_ASKED: Duration = Duration::from_mins(5);

/// How often something is asked again.
#[derive(Debug, Clone, Copy)]
pub struct Persistence {
    /// Times, after the first.
    pub retries: u32,
}

impl Persistence {
    /// Tries until it works, is refused for good, or failed too often. An attempt that says that it
    /// got on (`*progress = true`) begins the count anew.
    ///
    /// # Errors
    /// What the last attempt failed with.
    pub fn attempt<T>(
        self,
        mut attempt: impl FnMut(&mut bool) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let mut failures = 0;
        loop {
            let mut progress = false;
            let error = match attempt(&mut progress) {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            if progress {
                failures = 0;
            }
            let Some(pause) = pause(&error, failures).filter(|_| failures < self.retries) else {
                return Err(error);
            };
            tracing::warn!(%error, pause_ms = pause.as_millis(), "is tried again");
            sleep(pause);
            failures += 1;
        }
    }
}

/// How long to wait after a failure of the moment: as long as the server wants to be left alone, if it
/// says so. `None` for any other failure.
fn pause(error: &ClientError, failures: u32) -> Option<Duration> {
    match error {
        ClientError::Lost { .. } => Some(grown(failures)),
        ClientError::Refused {
            status: 429 | 502..=504,
            retry_after,
            ..
        } => Some(retry_after.map_or_else(|| grown(failures), |asked| asked.min(LONGEST_ASKED))),
        _ => None,
    }
}

/// Half of it is left to chance: many clients that lost one server do not come back at once.
fn grown(failures: u32) -> Duration {
    let whole = FIRST_PAUSE.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX));
    let half = whole.min(LONGEST_PAUSE) / 2;
    half + half.mul_f64(f64::from(chance()) / f64::from(u32::MAX))
}

fn chance() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, retry_after: Option<Duration>) -> ClientError {
        ClientError::Refused {
            url: "u".to_owned(),
            status,
            code: String::new(),
            why: String::new(),
            retry_after,
        }
    }

    #[test]
    fn only_what_passes_is_asked_again() {
        let lost = ClientError::Lost {
            url: "u".to_owned(),
            why: String::new(),
        };
        assert!(pause(&lost, 0).is_some());
        for status in [429, 502, 503, 504] {
            assert!(pause(&refused(status, None), 0).is_some(), "{status}");
        }
        for status in [301, 400, 401, 403, 404, 409, 412, 413, 500, 501, 507] {
            assert_eq!(pause(&refused(status, None), 0), None, "{status}");
        }
        let day = Some(Duration::from_hours(24));
        assert_eq!(pause(&refused(503, day), 0), Some(LONGEST_ASKED));
    }

    #[test]
    fn pauses_grow_up_to_a_limit() {
        for failures in 0..100 {
            let pause = grown(failures);
            let whole = FIRST_PAUSE * 2_u32.pow(failures.min(7));
            let whole = whole.min(LONGEST_PAUSE);
            assert!(pause >= whole / 2 && pause <= whole, "{failures}");
        }
    }

    #[test]
    fn it_is_tried_as_often_as_wanted_and_progress_begins_the_count_anew() {
        let now = Some(Duration::ZERO);
        let persistence = Persistence { retries: 2 };
        let mut calls = 0;
        let ended = persistence.attempt(|_| -> Result<(), _> {
            calls += 1;
            Err(refused(503, now))
        });
        assert!(ended.is_err());
        assert_eq!(calls, 3);
        let mut calls = 0;
        let ended = persistence.attempt(|progress| {
            calls += 1;
            *progress = calls <= 4;
            match calls {
                7 => Ok(calls),
                _ => Err(refused(503, now)),
            }
        });
        // The fourth is the last with progress: one pause after it, and one more.
        assert!(ended.is_err(), "{ended:?}");
        assert_eq!(calls, 6);
    }
}
