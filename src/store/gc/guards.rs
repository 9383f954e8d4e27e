//! What must not be freed though no row may refer to it (yet, or any more): what uploads found and
//! wrote, contents that are being proven or joined, contents that somebody reads.
//!
//! **Order.** Who wants a chunk pins it first and asks then whether it is a victim. Reclaiming
//! publishes the victims first and collects the pins then. So of a chunk that both want at once, one
//! of them sees the other.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use roaring::{RoaringBitmap, RoaringTreemap};

use super::holds::Holds;
use crate::format::meta::ManifestRef;
use crate::sync::{Mutex, RwLock};

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
    use crate::sync::atomic::{AtomicBool, Ordering};
    use crate::sync::{explore, once, thread};
    use std::time::Duration;

    const CHUNK: u64 = 5_000_000;

    fn victims(all: impl IntoIterator<Item = u64>) -> Arc<RoaringTreemap> {
        Arc::new(all.into_iter().collect())
    }

    #[test]
    fn a_claim_is_seen_or_refused() {
        once(|| {
            let space = Arc::new(Space::default());
            let pins = space.guard();
            assert!(pins.claim(CHUNK));
            space.publish(Some(victims([CHUNK, 9_000_000])));
            let held = space.held();
            assert!(held.pins(CHUNK) && !held.pins(9_000_000));
            assert!(!pins.claim(9_000_000));
            assert!(pins.claim(9_000_001));
            space.publish(None);
            assert!(pins.claim(9_000_000));
            let clone = pins.clone();
            drop(pins);
            assert_eq!(space.guards(), 1);
            drop(clone);
            assert_eq!(space.guards(), 0);
            assert!(!space.held().pins(CHUNK));
        });
    }

    #[test]
    fn a_manifest_is_held_as_long_as_its_guard_lives() {
        once(|| {
            let space = Arc::new(Space::default());
            let root = ManifestRef::Root {
                offset: CHUNK,
                tag: 1,
                entries: 1,
            };
            let pins = space.guard();
            // Nothing is to be held for this one.
            pins.hold(&ManifestRef::Empty);
            pins.hold(&root);
            assert_eq!(space.held().manifests, [root]);
            drop(pins);
            assert!(space.held().manifests.is_empty());
        });
    }

    #[test]
    fn what_lies_side_by_side_takes_the_room_of_one() {
        once(|| {
            let space = Arc::new(Space::default());
            let pins = space.guard();
            let chunks: Vec<u64> = (0..64).map(|n| CHUNK + n * 4096).collect();
            chunks.iter().for_each(|chunk| pins.pin(*chunk));
            let held = space.held();
            assert!(chunks.iter().all(|chunk| held.pins(*chunk)));
            // 256 KiB, which may begin and end within a stretch.
            assert!(held.stretches.len() <= 5);
        });
    }

    /// A chunk that nothing refers to, and its row.
    struct Chunk {
        space: Arc<Space>,
        has_row: AtomicBool,
        is_freed: AtomicBool,
    }

    impl Chunk {
        /// As an upload: what it holds, if it shares the chunk.
        fn share(&self) -> Option<Pins> {
            let pins = self.space.guard();
            let hold = self.space.holds.hold();
            let is_found = self.has_row.load(Ordering::SeqCst);
            let claimed = is_found && pins.claim(CHUNK);
            drop(hold);
            // Whoever holds the pins: the upload hands them on.
            let kept = pins.clone();
            drop(pins);
            claimed.then_some(kept)
        }

        /// As a run that found nothing which refers to it.
        fn reclaim(&self) {
            let patience = Duration::from_mins(1);
            self.space.publish(Some(victims([CHUNK])));
            assert!(self.space.holds.wait(patience));
            if !self.space.held().pins(CHUNK) {
                self.has_row.store(false, Ordering::SeqCst);
                self.is_freed.store(true, Ordering::SeqCst);
            }
            assert!(self.space.holds.wait(patience));
            self.space.publish(None);
        }
    }

    #[test]
    fn a_chunk_is_shared_or_freed_but_never_both() {
        explore(|| {
            let chunk = Arc::new(Chunk {
                space: Arc::default(),
                has_row: AtomicBool::new(true),
                is_freed: AtomicBool::new(false),
            });
            let uploads = [(); 2].map(|()| {
                let chunk = Arc::clone(&chunk);
                thread::spawn(move || chunk.share())
            });
            chunk.reclaim();
            let shared = uploads.map(|upload| upload.join().unwrap());
            let is_shared = shared.iter().any(Option::is_some);
            assert!(!(is_shared && chunk.is_freed.load(Ordering::SeqCst)));
            drop(shared);
            assert_eq!(chunk.space.guards(), 0);
        });
    }

    // Without a hold, which would keep the run waiting meanwhile: the order of the claim alone.
    #[test]
    fn a_claim_beside_a_run_is_seen_or_refused() {
        explore(|| {
            let space = Arc::new(Space::default());
            let claims = [(); 2].map(|()| {
                let pins = space.guard();
                thread::spawn(move || pins.claim(CHUNK).then_some(pins))
            });
            space.publish(Some(victims([CHUNK])));
            let is_seen = space.held().pins(CHUNK);
            for claim in claims {
                assert!(claim.join().unwrap().is_none() || is_seen);
            }
        });
    }
}
