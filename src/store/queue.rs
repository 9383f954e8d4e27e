//! What waits for the one thread that makes changes: jobs come from any thread, and it takes as many at
//! a time as wait.
//!
//! **Invariant.** A job that was taken in is handed to the work, also when the queue is closed right behind
//! it; one that comes later is given back. None is lost in between.

use std::io;
use std::time::Duration;

use crate::sync::Mutex;
use crate::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use crate::sync::thread::{self, JoinHandle};

/// Jobs handed over at once at most.
const GROUP_JOBS: usize = 1024;

enum Message<J> {
    Job(J),
    Close,
}

/// What the thread does.
pub trait Work<J> {
    /// How long nobody may ask for anything before [`Work::idle`] is called.
    fn patience(&self) -> Duration;
    /// Some jobs, in the order in which they came.
    fn group(&mut self, jobs: Vec<J>);
    /// Nobody waits.
    fn idle(&mut self);
    /// No more jobs will come.
    fn end(self);
}

/// The handle of the thread. Dropping it closes the queue.
pub struct Queue<J: Send + 'static> {
    sender: Mutex<Option<Sender<Message<J>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl<J: Send + 'static> Queue<J> {
    /// Starts the thread.
    pub fn start(name: &str, work: impl Work<J> + Send + 'static) -> io::Result<Self> {
        let (sender, jobs) = channel();
        let builder = thread::Builder::new().name(name.to_owned());
        let thread = builder.spawn(move || run(work, &jobs))?;
        Ok(Self {
            sender: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Takes a job in, or gives it back when the queue is closed.
    pub fn send(&self, job: J) -> Result<(), J> {
        // ORDER: under the lock, so that nothing comes behind the last message: it would be taken in, and
        // nobody would ever look at it.
        let sender = self.sender.lock();
        let Some(sender) = sender.as_ref() else {
            return Err(job);
        };
        match sender.send(Message::Job(job)) {
            Ok(()) => Ok(()),
            Err(lost) => match lost.0 {
                Message::Job(job) => Err(job),
                Message::Close => Ok(()),
            },
        }
    }

    /// Takes nothing in any more, and waits until all that was is done.
    pub fn close(&self) {
        if let Some(sender) = self.sender.lock().take() {
            // The thread may have ended already; then there is nothing to close.
            let _ended = sender.send(Message::Close);
        }
        let thread = self.thread.lock().take();
        // A job may drop the last handle, on the thread itself.
        let own = thread::current().id();
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != own) {
            let _ended = thread.join();
        }
    }
}

impl<J: Send + 'static> Drop for Queue<J> {
    fn drop(&mut self) {
        self.close();
    }
}

fn run<J>(mut work: impl Work<J>, jobs: &Receiver<Message<J>>) {
    loop {
        match jobs.recv_timeout(work.patience()) {
            Ok(Message::Job(first)) => {
                let (group, closed) = drain(first, jobs);
                work.group(group);
                if closed {
                    break;
                }
            }
            Err(RecvTimeoutError::Timeout) => work.idle(),
            Ok(Message::Close) | Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    work.end();
}

/// Takes what else waits; and whether the queue is closed.
fn drain<J>(first: J, jobs: &Receiver<Message<J>>) -> (Vec<J>, bool) {
    let mut group = vec![first];
    while group.len() < GROUP_JOBS {
        match jobs.try_recv() {
            Ok(Message::Job(job)) => group.push(job),
            Ok(Message::Close) => return (group, true),
            Err(_) => break,
        }
    }
    (group, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::mpsc::channel;
    use crate::sync::{explore, once};
    use std::sync::Arc;

    /// Who sent a job, and which of theirs it is.
    type Name = (u8, u8);

    /// Notes what it is handed, and tells when it ends.
    struct Recorder {
        handed: Arc<Mutex<Vec<Name>>>,
        ended: Sender<()>,
    }

    impl Work<Name> for Recorder {
        fn patience(&self) -> Duration {
            Duration::from_mins(1)
        }

        fn group(&mut self, jobs: Vec<Name>) {
            self.handed.lock().extend(jobs);
        }

        fn idle(&mut self) {}

        fn end(self) {
            self.ended.send(()).unwrap();
        }
    }

    #[test]
    fn what_is_taken_in_is_handed_over_whoever_closes_meanwhile() {
        explore(|| {
            let handed = Arc::new(Mutex::new(Vec::new()));
            let (ended, has_ended) = channel();
            let recorder = Recorder {
                handed: Arc::clone(&handed),
                ended,
            };
            let queue = Arc::new(Queue::start("queue", recorder).unwrap());
            let senders = [0, 1].map(|who| {
                let queue = Arc::clone(&queue);
                thread::spawn(move || {
                    let names = (0..2).map(|number| (who, number));
                    names.filter(|name| queue.send(*name).is_ok()).collect()
                })
            });
            queue.close();
            has_ended.recv().unwrap();
            let handed = handed.lock().clone();
            for (who, sender) in senders.into_iter().enumerate() {
                let taken: Vec<Name> = sender.join().unwrap();
                let theirs = handed.iter().filter(|name| usize::from(name.0) == who);
                assert_eq!(theirs.copied().collect::<Vec<_>>(), taken);
            }
            assert_eq!(queue.send((9, 9)), Err((9, 9)));
        });
    }

    /// What may be the last that has the queue.
    struct Last {
        _queue: Arc<Queue<Last>>,
    }

    struct Dropping(Sender<()>);

    impl Work<Last> for Dropping {
        fn patience(&self) -> Duration {
            Duration::from_mins(1)
        }

        fn group(&mut self, jobs: Vec<Last>) {
            drop(jobs);
        }

        fn idle(&mut self) {}

        fn end(self) {
            self.0.send(()).unwrap();
        }
    }

    #[test]
    fn the_last_handle_may_be_dropped_on_the_thread_itself() {
        explore(|| {
            let (ended, has_ended) = channel();
            let queue = Arc::new(Queue::start("queue", Dropping(ended)).unwrap());
            let last = Last {
                _queue: Arc::clone(&queue),
            };
            assert!(queue.send(last).is_ok());
            drop(queue);
            has_ended.recv().unwrap();
        });
    }

    /// Tells how many it is handed at once, and waits behind that.
    struct Slow {
        handed: Sender<usize>,
        go: Receiver<()>,
    }

    impl Work<usize> for Slow {
        fn patience(&self) -> Duration {
            Duration::from_mins(1)
        }

        fn group(&mut self, jobs: Vec<usize>) {
            self.handed.send(jobs.len()).unwrap();
            self.go.recv().unwrap();
        }

        fn idle(&mut self) {}

        fn end(self) {}
    }

    #[test]
    fn those_that_wait_are_handed_over_together_but_not_too_many() {
        once(|| {
            let (handed, told) = channel();
            let (let_go, go) = channel();
            let queue = Queue::start("queue", Slow { handed, go }).unwrap();
            assert_eq!(queue.send(0), Ok(()));
            assert_eq!(told.recv(), Ok(1));
            for job in 0..GROUP_JOBS + 6 {
                assert_eq!(queue.send(job), Ok(()));
            }
            for count in [GROUP_JOBS, 6] {
                let_go.send(()).unwrap();
                assert_eq!(told.recv(), Ok(count));
            }
            let_go.send(()).unwrap();
        });
    }
}
