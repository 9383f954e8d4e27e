//! The binary from the outside: processes, signals, exit statuses, kills.

#[path = "../support/noise.rs"]
mod noise;
#[path = "../support/wire.rs"]
mod wire;

mod commands;
mod contents;
mod damage;
mod kill;
mod load;
mod process;
mod python;
mod serve;
