//! What clients may take at most.

mod memory;
mod quota;
mod races;
mod rate;
mod size;
