//! What must not be freed though no row may refer to it (yet, or any more): what uploads found and
//! wrote, contents that are being proven or joined, contents that somebody reads.
//!
//! **Order.** Who wants a chunk pins it first and asks then whether it is a victim. Reclaiming
//! publishes the victims first and collects the pins then. So of a chunk that both want at once, one
//! of them sees the other.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use roaring::{RoaringBitmap, RoaringTreemap};

use super::holds::Holds;
use crate::format::meta::ManifestRef;

/// Pins are kept by stretches of this many bytes of the pack (as a power of two), so that an upload of
/// any size needs little memory for them. The neighbours of a pinned chunk are freed another time.
const STRETCH_BITS: u32 = 16;

/// What one upload, reader or proof holds.
#[derive(Default)]
pub struct Held {
    stretches: Mutex<RoaringBitmap>,
    manifests: Mutex<Vec<ManifestRef>>,
}

/// All guards, and what must not be hit.
#[derive(Default)]
pub struct Space {
    guards: Mutex<Registry>,
    /// Payload offsets of chunks that are about to be freed.
    victims: RwLock<Option<Arc<RoaringTreemap>>>,
    /// Snapshots that are in use.
    pub holds: Holds,
}

#[derive(Default)]
struct Registry {
    next: u64,
    all: HashMap<u64, Arc<Held>>,
}

/// Keeps what it pinned from being freed, until its last clone is dropped.
#[derive(Clone)]
pub struct Pins(Arc<Guard>);

struct Guard {
    space: Arc<Space>,
    id: u64,
    held: Arc<Held>,
}

impl Space {
    /// A guard that holds nothing yet.
    pub fn guard(self: &Arc<Self>) -> Pins {
        let held = Arc::new(Held::default());
        let id = {
            let mut guards = self.guards.lock();
            let id = guards.next;
            guards.next += 1;
            guards.all.insert(id, Arc::clone(&held));
            id
        };
        let space = Arc::clone(self);
        Pins(Arc::new(Guard { space, id, held }))
    }

    /// Lookups miss these from now on; `None`: they hit everything again.
    pub fn publish(&self, victims: Option<Arc<RoaringTreemap>>) {
        *self.victims.write() = victims;
    }

    /// What all guards hold now.
    pub fn held(&self) -> Collected {
        let all: Vec<Arc<Held>> = self.guards.lock().all.values().cloned().collect();
        let mut collected = Collected::default();
        for held in all {
            collected.stretches |= &*held.stretches.lock();
            collected
                .manifests
                .extend(held.manifests.lock().iter().cloned());
        }
        collected
    }

    /// How many guards there are.
    #[cfg(test)]
    pub fn guards(&self) -> usize {
        self.guards.lock().all.len()
    }
}

/// What guards hold.
#[derive(Default)]
pub struct Collected {
    stretches: RoaringBitmap,
    /// Manifests of all that is held as a whole.
    pub manifests: Vec<ManifestRef>,
}

impl Collected {
    /// Whether what begins at a pack offset is pinned.
    pub fn pins(&self, offset: u64) -> bool {
        self.stretches.contains(stretch(offset))
    }
}

impl Pins {
    /// Pins what begins at a pack offset; `false` if that is about to be freed and must not be used.
    pub fn claim(&self, offset: u64) -> bool {
        // ORDER: pinned before the victims are looked at.
        self.pin(offset);
        let victims = self.0.space.victims.read();
        victims.as_ref().is_none_or(|all| !all.contains(offset))
    }

    /// Pins what begins at a pack offset and cannot be a victim.
    pub fn pin(&self, offset: u64) {
        self.0.held.stretches.lock().insert(stretch(offset));
    }

    /// Holds all that a manifest refers to. What it refers to must be safe now, by a row or a hold.
    pub fn hold(&self, manifest: &ManifestRef) {
        if *manifest != ManifestRef::Empty {
            self.0.held.manifests.lock().push(manifest.clone());
        }
    }
}

fn stretch(offset: u64) -> u32 {
    // Beyond 256 TiB stretches coincide: more is pinned than is needed.
    #[expect(clippy::cast_possible_truncation, reason = "said above")]
    let stretch = (offset >> STRETCH_BITS) as u32;
    stretch
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.space.guards.lock().all.remove(&self.id);
    }
}

impl fmt::Debug for Pins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pins({})", self.0.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_seen_or_refused() {
        let space = Arc::new(Space::default());
        let pins = space.guard();
        assert!(pins.claim(5_000_000));
        space.publish(Some(Arc::new([5_000_000, 9_000_000].into_iter().collect())));
        let held = space.held();
        assert!(held.pins(5_000_000) && !held.pins(9_000_000));
        assert!(!pins.claim(9_000_000));
        assert!(pins.claim(9_000_001));
        space.publish(None);
        assert!(pins.claim(9_000_000));
        let clone = pins.clone();
        drop(pins);
        assert_eq!(space.guards(), 1);
        drop(clone);
        assert_eq!(space.guards(), 0);
        assert!(!space.held().pins(5_000_000));
    }
}
