//! What the integration tests and the fuzz targets share.

pub mod blocks;
pub mod client;
pub mod crash;
pub mod history;
pub mod log;
pub mod model;
pub mod noise;
pub mod platter;
pub mod sim;
pub mod telling;
pub mod tree;
pub mod work;
