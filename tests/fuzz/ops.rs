//! Programs of puts, copies, deletes, packages, reclaims, restarts, failing disks and kills against
//! a model that says what must be there.
//!
//! Input: the program, four bytes a step.

use crate::support::model::{program, run};

/// Steps of a program: more find nothing that fewer do not, and every step is compared whole.
const STEPS: usize = 40;

/// Runs one input.
pub fn check(data: &[u8]) {
    run(&program(&data[..data.len().min(STEPS * 4)]));
}
