//! Where the time of a request goes, and its spans.
//!
//! Whatever waits on behalf of a request says for what, with [`phase`] or [`whole`]; the request's task
//! adds it up, and a slow request is told of with all of it. Phases are spans, too, for who exports them.
//! What runs outside of a request (sweeping, reclaiming) adds nothing up, and needs not know.

mod span;

use std::cell::Cell;
use std::fmt::Write;
use std::time::{Duration, Instant};

use tracing::Instrument;

pub use span::{RequestSpan, of as span_of};

tokio::task_local! {
    static SPENT: Spent;
}

/// What a request waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Another store to take the place of the present one.
    Store,
    /// Who is asking to be found out.
    Login,
    /// The client to send its bytes.
    Client,
    /// A thread, or its turn.
    Turn,
    /// The disk, or something to be computed.
    Work,
    /// A change to be durable.
    Commit,
}

const PHASES: [(Phase, &str); 6] = [
    (Phase::Store, "store"),
    (Phase::Login, "login"),
    (Phase::Client, "client"),
    (Phase::Turn, "turn"),
    (Phase::Work, "work"),
    (Phase::Commit, "commit"),
];

impl Phase {
    fn name(self) -> &'static str {
        PHASES[self as usize].1
    }
}

/// What was waited for so far, by phase.
struct Spent {
    began: Instant,
    by_phase: Cell<[Duration; PHASES.len()]>,
}

impl Spent {
    fn add(&self, phase: Phase, time: Duration) {
        let mut all = self.by_phase.get();
        all[phase as usize] += time;
        self.by_phase.set(all);
    }

    fn sum(&self) -> Duration {
        self.by_phase.get().iter().sum()
    }
}

/// Answers a request, and adds up what it waits for meanwhile.
pub async fn timed<F: Future>(answering: F) -> F::Output {
    let spent = Spent {
        began: Instant::now(),
        by_phase: Cell::default(),
    };
    SPENT.scope(spent, answering).await
}

/// How long the request has been running.
pub fn elapsed() -> Duration {
    SPENT
        .try_with(|spent| spent.began.elapsed())
        .unwrap_or_default()
}

/// Notes that the request waited.
pub fn add(phase: Phase, time: Duration) {
    // Who is no request waits for itself.
    let _noted = SPENT.try_with(|spent| spent.add(phase, time));
}

/// Waits. What phases within this one took is theirs.
pub async fn phase<F: Future>(phase: Phase, waiting: F) -> F::Output {
    let sum = || SPENT.try_with(Spent::sum).unwrap_or_default();
    let (began, before) = (Instant::now(), sum());
    let output = waiting.instrument(span::of(phase)).await;
    let within = sum().saturating_sub(before);
    add(phase, began.elapsed().saturating_sub(within));
    output
}

/// Waits. What phases within this one took is its own.
pub async fn whole<F: Future>(phase: Phase, waiting: F) -> F::Output {
    let (began, before) = (
        Instant::now(),
        SPENT.try_with(|spent| spent.by_phase.get()).ok(),
    );
    let output = waiting.instrument(span::of(phase)).await;
    // Nobody else changed it meanwhile: a request waits for one thing at a time.
    let _noted = SPENT.try_with(|spent| {
        if let Some(before) = before {
            spent.by_phase.set(before);
        }
        spent.add(phase, began.elapsed());
    });
    output
}

/// What a request took, if that is too much. The time that the client took to send is no fault of ours.
#[derive(Debug, PartialEq, Eq)]
pub struct Slow {
    /// All of it.
    pub took: Duration,
    /// What it waited for, longest first, and what is left: `work=812ms commit=40ms other=1ms`.
    pub spent: String,
}

/// Whether the request took as long as `limit` or longer.
pub fn slow(limit: Option<Duration>) -> Option<Slow> {
    let limit = limit?;
    let (took, by_phase) = SPENT
        .try_with(|spent| (spent.began.elapsed(), spent.by_phase.get()))
        .ok()?;
    judge(limit, took, by_phase)
}

fn judge(limit: Duration, took: Duration, by_phase: [Duration; PHASES.len()]) -> Option<Slow> {
    let client = by_phase[Phase::Client as usize];
    if took.saturating_sub(client) < limit {
        return None;
    }
    let other = took.saturating_sub(by_phase.iter().sum());
    let mut all: Vec<(&str, Duration)> = PHASES
        .iter()
        .map(|(phase, name)| (*name, by_phase[*phase as usize]))
        .chain([("other", other)])
        .filter(|(_, time)| time.as_millis() > 0)
        .collect();
    all.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
    let mut spent = String::new();
    for (at, (name, time)) in all.into_iter().enumerate() {
        let blank = if at == 0 { "" } else { " " };
        // Writing to a string does not fail.
        let _written = write!(spent, "{blank}{name}={}ms", time.as_millis());
    }
    Some(Slow { took, spent })
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn by(phases: &[(Phase, u64)]) -> [Duration; PHASES.len()] {
        let mut all = [Duration::ZERO; PHASES.len()];
        for (phase, n) in phases {
            all[*phase as usize] = ms(*n);
        }
        all
    }

    #[test]
    fn phases_stand_in_order() {
        for (at, (phase, name)) in PHASES.iter().enumerate() {
            assert_eq!((*phase as usize, phase.name()), (at, *name));
        }
    }

    #[test]
    fn what_is_slow() {
        let spent = by(&[(Phase::Work, 800), (Phase::Commit, 40)]);
        let slow = judge(ms(900), ms(900), spent).expect("it is");
        assert_eq!(slow.spent, "work=800ms other=60ms commit=40ms");
        assert_eq!(slow.took, ms(900));
        assert_eq!(judge(ms(901), ms(900), spent), None);
        // Of ten seconds nine were the client's.
        let spent = by(&[(Phase::Client, 9_000)]);
        assert_eq!(judge(ms(1_001), ms(10_000), spent), None);
        assert!(judge(ms(1_000), ms(10_000), spent).is_some());
    }

    #[tokio::test]
    async fn inner_phases_are_their_own_or_the_whole_s() {
        let inner = || phase(Phase::Work, async { add(Phase::Commit, ms(5)) });
        let (apart, together) = timed(async {
            phase(Phase::Turn, inner()).await;
            let apart = SPENT.with(|spent| spent.by_phase.get());
            whole(Phase::Login, inner()).await;
            (apart, SPENT.with(|spent| spent.by_phase.get()))
        })
        .await;
        assert_eq!(apart[Phase::Commit as usize], ms(5));
        assert_eq!(
            together[Phase::Commit as usize],
            ms(5),
            "the login's are not"
        );
        assert_eq!(
            together[Phase::Work as usize],
            apart[Phase::Work as usize],
            "nor this"
        );
    }

    #[tokio::test]
    async fn outside_of_requests_nothing_is_added_up() {
        assert_eq!(phase(Phase::Work, async { 1 }).await, 1);
        assert_eq!(whole(Phase::Login, async { 2 }).await, 2);
        assert_eq!(
            (elapsed(), slow(Some(Duration::ZERO))),
            (Duration::ZERO, None)
        );
    }
}
