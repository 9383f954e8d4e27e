//! The generic API from the outside: a server in this process, real sockets, exact bytes.

#[path = "../support/certificate.rs"]
mod certificate;
#[path = "../support/multipart.rs"]
mod multipart;
#[path = "../support/noise.rs"]
mod noise;
#[path = "../support/rpms.rs"]
mod rpms;
#[path = "../support/sim.rs"]
#[expect(dead_code, reason = "the store's tests use more of it")]
mod sim;
#[path = "../support/wire.rs"]
mod wire;

mod accounts;
mod acting;
mod auth;
mod batch;
mod blocks;
mod clients;
mod compact;
mod concurrent;
mod conditions;
mod connection_limits;
mod connections;
mod consistency;
mod damage;
mod delete;
mod download;
mod folders;
mod full;
mod heal;
mod hot;
mod http2;
mod limits;
mod metadata;
mod nodes;
mod openapi;
mod operations;
mod packages;
mod paths;
mod policy;
mod ranges;
mod service;
mod tls;
mod upload;
mod watching;
mod web;
