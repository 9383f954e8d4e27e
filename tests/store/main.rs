//! The store from the outside: real files, simulated media, crashes, damage.

#[path = "../support/mod.rs"]
mod support;

mod basics;
