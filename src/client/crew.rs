//! Several files at once.

use std::sync::mpsc::sync_channel;

use parking_lot::{Condvar, Mutex};

/// Hands what `produce` gives to threads that work on it. No more is produced ahead than the
/// threads can begin; an item that finds no thread (none can be started) is worked on here.
pub fn crew<T: Send>(
    threads: usize,
    produce: impl FnOnce(&mut dyn FnMut(T)),
    work: impl Fn(T) + Sync,
) {
    let (sender, receiver) = sync_channel::<T>(threads);
    let receiver = Mutex::new(receiver);
    let worker = || {
        loop {
            let next = receiver.lock().recv();
            match next {
                Ok(item) => work(item),
                Err(_) => return,
            }
        }
    };
    std::thread::scope(|scope| {
        let mut started = 0;
        for _ in 0..threads {
            let builder = std::thread::Builder::new().name("transfer".to_owned());
            started += usize::from(builder.spawn_scoped(scope, worker).is_ok());
        }
        produce(&mut |item| {
            if started == 0 {
                return work(item);
            }
            // Nobody hangs up before this ends.
            if let Err(lost) = sender.send(item) {
                work(lost.0);
            }
        });
        drop(sender);
    });
}

/// Lets so many through at once.
#[derive(Debug)]
pub struct Gate {
    free: Mutex<usize>,
    changed: Condvar,
}

impl Gate {
    /// For so many.
    #[must_use]
    pub fn new(places: usize) -> Self {
        Self {
            free: Mutex::new(places.max(1)),
            changed: Condvar::new(),
        }
    }

    /// Does something when there is a place for it.
    pub fn pass<T>(&self, work: impl FnOnce() -> T) -> T {
        let _place = self.enter();
        work()
    }

    fn enter(&self) -> Entered<'_> {
        let mut free = self.free.lock();
        while *free == 0 {
            self.changed.wait(&mut free);
        }
        *free -= 1;
        Entered(self)
    }
}

struct Entered<'g>(&'g Gate);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        *self.0.free.lock() += 1;
        self.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn all_is_worked_on_once_and_no_more_at_once_than_may_be() {
        let (gate, sum) = (Gate::new(2), AtomicUsize::new(0));
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        crew(
            8,
            |give| (1..=1000).for_each(&mut *give),
            |item: usize| {
                gate.pass(|| {
                    most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    sum.fetch_add(item, Ordering::SeqCst);
                    inside.fetch_sub(1, Ordering::SeqCst);
                });
            },
        );
        assert_eq!(sum.into_inner(), 500_500);
        assert!(most.into_inner() <= 2);
    }
}
