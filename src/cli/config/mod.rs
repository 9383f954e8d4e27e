//! The config file, and what is made of the definitions of the flags besides: completions, man pages.
//!
//! One precedence for every setting: flag, then environment, then config file, then default. A setting
//! of the file is every flag that has a variable, under its long name. It becomes the default value of
//! that flag before anything is parsed, so that it means what the flag means and is judged alike.

mod file;
mod generate;
mod show;

pub use file::parse;
pub use generate::{completions, man};
pub use show::run;
