//! The protocols between threads, in thousands of orders that a scheduler chooses.
//!
//! These are the files of `src` with their own tests. What they take from `crate::sync` comes from here: so
//! every lock, every wait and every message is a step at which another thread may go on, and an order in
//! which all wait is found as well as one in which a test fails. The same orders are tried every time.

#![expect(
    dead_code,
    reason = "others use more of these files than their tests do"
)]

mod sync;

use packhold::{format, metrics};

#[path = "../../src/pack"]
mod pack {
    mod syncer;

    mod sink {
        pub use packhold::pack::Sink;
    }
    use packhold::pack::PackError;
}

#[path = "../../src/store"]
mod store {
    mod budget;
    mod generation;
    mod line;
    mod queue;

    mod gc {
        mod guards;
        mod holds;

        pub use guards::Space;
    }
}
