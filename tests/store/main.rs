//! The store from the outside: real files, simulated media, crashes, damage.

#[path = "../support/mod.rs"]
mod support;

mod backups;
mod basics;
mod blocks;
mod bounds;
mod carried;
mod checkpoints;
mod compact;
mod compact_damage;
mod compact_files;
mod copies;
mod crash_images;
mod crashes;
mod damage;
mod damage_matrix;
mod error_loops;
mod failures;
mod gc;
mod gc_uploads;
mod golden;
mod golden_packages;
mod golden_trees;
mod handles;
mod heal;
mod heal_matrix;
mod histories;
mod index;
mod index_errors;
mod index_pages;
mod joined;
mod live;
mod model;
mod pack;
mod packages;
mod quota;
mod readonly;
mod reads;
mod reopened;
mod scan;
mod scrub;
mod transfers;
mod verify;
