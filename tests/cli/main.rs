//! The binary from the outside: processes, signals, exit statuses, kills.

#[path = "../support/certificate.rs"]
mod certificate;
#[path = "../support/multipart.rs"]
#[expect(dead_code, reason = "the tests of the API use more of it")]
mod multipart;
#[path = "../support/noise.rs"]
mod noise;
#[path = "../support/rpms.rs"]
#[expect(dead_code, reason = "the tests of the API use more of it")]
mod rpms;
#[path = "../support/wire.rs"]
mod wire;

mod accounts;
mod audit;
mod backup;
mod client;
mod commands;
mod compact;
mod config;
mod contents;
mod damage;
mod dedup;
mod docs;
mod full_disk;
mod heal;
mod hostile;
mod kill;
mod load;
mod logs;
#[cfg(feature = "otel")]
mod otel;
mod packages;
mod process;
mod proxy;
mod python;
mod selftest;
mod serve;
mod systemd;
mod tls;
