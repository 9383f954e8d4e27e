//! Waiting for one's turn.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::format::Sha256;

type Queues = Arc<Mutex<HashMap<Sha256, Arc<AsyncMutex<()>>>>>;

/// Queues, each known by a digest: at the head of one is one at a time, first come, first served.
/// Only those exist that somebody stands in.
#[derive(Default)]
pub struct Turns(Queues);

/// The place at the head of a queue, until it is dropped.
pub struct Turn {
    // ORDER: given up before the queue is looked at, which is gone when nobody else stands in it.
    _head: OwnedMutexGuard<()>,
    _place: Place,
}

impl Turns {
    /// Waits in a queue.
    pub async fn of(&self, key: Sha256) -> Turn {
        let queue = Arc::clone(self.0.lock().entry(key).or_default());
        // Before the wait: who gives up leaves nothing behind either.
        let place = Place {
            queues: Arc::clone(&self.0),
            queue: Arc::clone(&queue),
            key,
        };
        Turn {
            _head: queue.lock_owned().await,
            _place: place,
        }
    }
}

/// Somebody stands in a queue.
struct Place {
    queues: Queues,
    queue: Arc<AsyncMutex<()>>,
    key: Sha256,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut queues = self.queues.lock();
        // The table's and this one: the last who stands here.
        if Arc::strong_count(&self.queue) <= 2 {
            queues.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn queues_go_when_nobody_stands_in_them() {
        let turns = Turns::default();
        let first = turns.of([1; 32]).await;
        let other = turns.of([2; 32]).await;
        let gave_up = tokio::time::timeout(Duration::from_millis(5), turns.of([1; 32])).await;
        assert!(gave_up.is_err(), "one at a time");
        assert_eq!(turns.0.lock().len(), 2);
        drop(other);
        drop(first);
        assert_eq!(turns.0.lock().len(), 0);
        let _again = turns.of([1; 32]).await;
    }
}
