//! Pieces of work that build on one another, done beside whoever brings them.
//!
//! At most one thread is at work on a line, and no thread belongs to it: behind each piece the next one goes to the
//! end of the threads' queue, so that lines take turns. A few pieces may wait; who brings more waits with them.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::sync::{Condvar, Mutex};

/// What runs the pieces.
pub(super) trait Threads: Send + Sync + 'static {
    /// Runs a job behind those that wait already. What panics in it ends the process.
    fn run(&self, job: impl FnOnce() + Send + 'static);
}

/// What the pieces build on one another.
pub(super) trait Stage<P>: Send + 'static {
    /// Takes in the next piece, in a thread of the line's.
    fn take(&mut self, piece: P);
}

/// A line. Dropping it forgets what waits.
pub(super) struct Line<S, P, T>(Arc<Shared<S, P, T>>)
where
    S: Stage<P>,
    P: Send + 'static,
    T: Threads;

struct Shared<S, P, T> {
    threads: T,
    state: Mutex<State<S, P>>,
    went_on: Condvar,
}

struct State<S, P> {
    /// `None` while it is at work.
    stage: Option<S>,
    /// Some only while it is at work.
    waiting: VecDeque<P>,
}

impl<S: Stage<P>, P: Send + 'static, T: Threads> Line<S, P, T> {
    /// A line that nothing waits in.
    pub(super) fn new(stage: S, threads: T) -> Self {
        Self(Arc::new(Shared {
            threads,
            state: Mutex::new(State {
                stage: Some(stage),
                waiting: VecDeque::new(),
            }),
            went_on: Condvar::new(),
        }))
    }

    /// Brings a piece, and waits until no more than `ahead` others wait behind the one at work.
    pub(super) fn push(&self, piece: P, ahead: usize) {
        let mut state = self.0.state.lock();
        if let Some(stage) = state.stage.take() {
            drop(state);
            return Shared::start(&self.0, stage, piece);
        }
        state.waiting.push_back(piece);
        while state.waiting.len() > ahead {
            self.0.went_on.wait(&mut state);
        }
    }

    /// Waits until all pieces are done, and does something with what they made, here.
    pub(super) fn here<R>(&self, work: impl FnOnce(&mut S) -> R) -> R {
        let mut stage = self.idle();
        let done = work(&mut stage);
        self.0.state.lock().stage = Some(stage);
        done
    }

    /// What all pieces made.
    pub(super) fn finish(self) -> S {
        self.idle()
    }

    fn idle(&self) -> S {
        let mut state = self.0.state.lock();
        loop {
            match state.stage.take() {
                Some(stage) => return stage,
                None => self.0.went_on.wait(&mut state),
            }
        }
    }
}

impl<S: Stage<P>, P: Send + 'static, T: Threads> Drop for Line<S, P, T> {
    fn drop(&mut self) {
        let forgotten = std::mem::take(&mut self.0.state.lock().waiting);
        drop(forgotten);
    }
}

impl<S: Stage<P>, P: Send + 'static, T: Threads> Shared<S, P, T> {
    fn start(shared: &Arc<Self>, stage: S, piece: P) {
        let own = Arc::clone(shared);
        shared.threads.run(move || Self::work(&own, stage, piece));
    }

    fn work(shared: &Arc<Self>, mut stage: S, piece: P) {
        stage.take(piece);
        let mut state = shared.state.lock();
        match state.waiting.pop_front() {
            None => state.stage = Some(stage),
            Some(next) => Self::start(shared, stage, next),
        }
        drop(state);
        shared.went_on.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::{explore, mpsc, thread};

    struct Spawning;

    impl Threads for Spawning {
        fn run(&self, job: impl FnOnce() + Send + 'static) {
            drop(thread::spawn(job));
        }
    }

    /// Pieces in the order they came, and who hears of each.
    struct Taken(Vec<u32>, mpsc::Sender<u32>);

    impl Stage<u32> for Taken {
        fn take(&mut self, piece: u32) {
            self.0.push(piece);
            // Nobody listens in some of the tests.
            let _heard = self.1.send(piece);
        }
    }

    #[test]
    fn pieces_are_taken_in_the_order_they_come_and_none_is_left() {
        for ahead in 0..3 {
            explore(move || {
                let (sender, _) = mpsc::channel();
                let line = Line::new(Taken(Vec::new(), sender), Spawning);
                (0..3).for_each(|piece| line.push(piece, ahead));
                line.here(|taken| taken.0.push(3));
                (4..6).for_each(|piece| line.push(piece, ahead));
                assert_eq!(line.finish().0, [0, 1, 2, 3, 4, 5]);
            });
        }
    }

    #[test]
    fn what_waits_is_bounded() {
        for ahead in 0..2 {
            explore(move || {
                let (sender, taken) = mpsc::channel();
                let line = Line::new(Taken(Vec::new(), sender), Spawning);
                for piece in 0..5 {
                    line.push(piece, ahead);
                    // One may be at work, and so many wait.
                    let begun = taken.try_iter().count();
                    let waiting = line.0.state.lock().waiting.len();
                    assert!(waiting <= ahead, "{waiting} wait, {begun} were taken");
                }
                line.finish();
            });
        }
    }

    #[test]
    fn what_nobody_waits_for_any_more_is_forgotten() {
        explore(|| {
            let (sender, taken) = mpsc::channel();
            let line = Line::new(Taken(Vec::new(), sender), Spawning);
            (0..4).for_each(|piece| line.push(piece, 3));
            drop(line);
            // Ends: the one at work lets go of the rest.
            let taken: Vec<u32> = taken.iter().collect();
            assert!((0..).zip(&taken).all(|(piece, taken)| piece == *taken));
        });
    }

    /// Tells of each piece, and is at work on it until it is let go.
    struct Held {
        taken: mpsc::Sender<u32>,
        go: mpsc::Receiver<()>,
    }

    impl Stage<u32> for Held {
        fn take(&mut self, piece: u32) {
            // Nobody listens any more when the test has failed.
            let _heard = self.taken.send(piece);
            // Who drops the other end lets go of all pieces.
            let _let_go = self.go.recv();
        }
    }

    #[test]
    fn what_waits_when_the_line_is_dropped_is_never_taken() {
        explore(|| {
            let (sender, taken) = mpsc::channel();
            let (let_go, go) = mpsc::channel();
            let line = Line::new(Held { taken: sender, go }, Spawning);
            (0..4).for_each(|piece| line.push(piece, 3));
            assert_eq!(taken.recv(), Ok(0));
            drop(line);
            drop(let_go);
            assert_eq!(taken.iter().count(), 0);
        });
    }
}
