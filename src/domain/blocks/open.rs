//! How many uploads in blocks a user has open.
//!
//! A session takes rows until it expires, hours after its last use; so nobody may have any number.
//! Sessions are counted when that is first asked for; from then on those that begin are added, and
//! those that end are not taken away. Before somebody is refused, all are counted anew.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::{PAGE, is_live};
use crate::domain::DomainError;
use crate::index::Rows;
use crate::store::Store;

/// Open sessions by user, or more; `None` until they were counted.
#[derive(Debug, Default)]
pub struct Open(Mutex<Option<HashMap<String, u64>>>);

impl Open {
    /// Counts one more session of a user, if there may be one more by what is known. Two that begin
    /// while all are counted may both be missed: the limit is about memory, not about a number.
    pub fn take(&self, user: &str, limit: u64) -> bool {
        let mut open = self.0.lock();
        let Some(open) = open.as_mut() else {
            return false;
        };
        let count = open.get(user).copied().unwrap_or(0);
        let fits = count < limit;
        if fits {
            open.insert(user.to_owned(), count + 1);
        }
        fits
    }

    /// Counts all sessions anew, and one more of a user. Reads all of them.
    ///
    /// # Errors
    /// [`DomainError::TooManySessions`].
    pub fn recount(&self, store: &Store, user: &str, limit: u64) -> Result<(), DomainError> {
        let (rows, now_ms) = (store.rows()?, store.now_ms());
        let (mut counts, mut after) = (HashMap::<String, u64>::new(), None);
        loop {
            let page = rows.sessions(after.as_ref(), PAGE)?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for session in page {
                if is_live(&session, now_ms) {
                    *counts.entry(session.created_by).or_default() += 1;
                }
            }
        }
        *self.0.lock() = Some(counts);
        match self.take(user, limit) {
            true => Ok(()),
            false => Err(DomainError::TooManySessions { limit }),
        }
    }
}
