//! The memory that all uploads together may buffer.
//!
//! A grant is never waited for: who gets none goes on with its guaranteed share, one largest
//! chunk, in smaller steps. So memory is bounded and nobody starves.

use std::sync::Arc;

use crate::sync::atomic::{AtomicU64, Ordering};

/// A shared budget in bytes.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit_bytes: u64,
    used_bytes: AtomicU64,
}

/// Some of the budget; given back when dropped.
#[derive(Debug)]
pub struct Grant {
    budget: Budget,
    bytes: u64,
}

impl Budget {
    /// A budget of so many bytes.
    #[must_use]
    pub fn new(limit_bytes: u64) -> Self {
        Self(Arc::new(Shared {
            limit_bytes,
            used_bytes: AtomicU64::new(0),
        }))
    }

    /// Grants `bytes`, unless the budget is spent.
    #[must_use]
    pub fn grant(&self, bytes: u64) -> Option<Grant> {
        let fits = |used: u64| used.checked_add(bytes).filter(|n| *n <= self.0.limit_bytes);
        self.0
            .used_bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .ok()?;
        Some(Grant {
            budget: self.clone(),
            bytes,
        })
    }

    /// Bytes granted now.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.0.used_bytes.load(Ordering::Relaxed)
    }

    /// Whether more than three quarters are spent: time to let go of what is buffered.
    #[must_use]
    pub fn is_tight(&self) -> bool {
        self.used_bytes() > self.0.limit_bytes / 4 * 3
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.budget
            .0
            .used_bytes
            .fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::{explore, once, thread};

    #[test]
    fn grants_end_at_the_limit_and_come_back() {
        once(|| {
            let budget = Budget::new(100);
            let first = budget.grant(60).unwrap();
            assert!(budget.grant(41).is_none());
            let second = budget.grant(40).unwrap();
            assert!(budget.is_tight());
            drop(first);
            assert_eq!(budget.used_bytes(), 40);
            drop(second);
            assert!(!budget.is_tight() && budget.grant(100).is_some());
            assert!(budget.grant(u64::MAX).is_none());
        });
    }

    #[test]
    fn never_is_more_granted_than_there_is() {
        explore(|| {
            let budget = Budget::new(100);
            let takers = [60, 60, 40].map(|bytes| {
                let budget = budget.clone();
                thread::spawn(move || {
                    let grant = budget.grant(bytes);
                    assert!(budget.used_bytes() <= 100);
                    drop(grant);
                })
            });
            takers.into_iter().for_each(|taker| taker.join().unwrap());
            assert_eq!(budget.used_bytes(), 0);
        });
    }

    #[test]
    fn it_is_tight_when_more_than_three_quarters_are_spent() {
        once(|| {
            let budget = Budget::new(80);
            let _most = budget.grant(60).unwrap();
            assert!(!budget.is_tight());
            let _more = budget.grant(1).unwrap();
            assert!(budget.is_tight());
        });
    }
}
