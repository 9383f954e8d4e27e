//! `packhold config check` and `packhold config show`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use serde::Serialize;

use super::file::{Config, Origin, each, is_setting};
use crate::cli::CliError;
use crate::cli::args::ConfigCommand;
use crate::cli::report::print_json;

/// A setting, its value, and where that comes from.
#[derive(Debug, Serialize)]
struct Setting {
    name: String,
    value: Option<String>,
    from: String,
}

/// Runs the command.
pub fn run(command: &ConfigCommand) -> Result<ExitCode, CliError> {
    let config = Config::of(std::env::args_os())?;
    if let Some(fault) = config.fault() {
        return Err(CliError::Usage(fault));
    }
    match command {
        ConfigCommand::Check => {
            match &config.path {
                Some(path) => println!("{} is fine", path.display()),
                None => println!("there is no config file"),
            }
            Ok(ExitCode::SUCCESS)
        }
        ConfigCommand::Show { json, command } => show(&config, *json, command),
    }
}

fn show(config: &Config, json: bool, typed: &[OsString]) -> Result<ExitCode, CliError> {
    let mut command = config.command();
    command.build();
    let matches = match typed {
        [] => None,
        typed => {
            let whole = [OsString::from("packhold")].into_iter();
            let whole = whole.chain(typed.iter().cloned());
            let parsed = command.clone().try_get_matches_from(whole);
            Some(parsed.map_err(|error| CliError::Usage(error.to_string()))?)
        }
    };
    let mut found = BTreeMap::new();
    match &matches {
        None => each(&command, &mut |command| {
            collect(config, command, None, &mut found);
        }),
        Some(matches) => {
            let (mut command, mut matches) = (&command, matches);
            collect(config, command, Some(matches), &mut found);
            while let Some((name, below)) = matches.subcommand()
                && let Some(subcommand) = command.find_subcommand(name)
            {
                (command, matches) = (subcommand, below);
                collect(config, command, Some(matches), &mut found);
            }
        }
    }
    let settings: Vec<Setting> = found.into_values().collect();
    if json {
        print_json(&settings);
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(path) = &config.path {
        println!("# {}", path.display());
    }
    for setting in &settings {
        let Setting { name, value, from } = setting;
        let value = value.as_deref().unwrap_or("-");
        println!("{name:32} {value:32} {from}");
    }
    Ok(ExitCode::SUCCESS)
}

/// The settings of a command.
fn collect(
    config: &Config,
    command: &Command,
    matches: Option<&ArgMatches>,
    found: &mut BTreeMap<String, Setting>,
) {
    for arg in command.get_arguments().filter(|arg| is_setting(arg)) {
        let (Some(name), Some(variable)) = (arg.get_long(), arg.get_env()) else {
            continue;
        };
        let id = arg.get_id().as_str();
        let source = matches.and_then(|matches| matches.value_source(id));
        let typed = matches.filter(|_| source == Some(ValueSource::CommandLine));
        let (value, from) = if let Some(matches) = typed {
            let raw = matches.get_raw(id).and_then(|mut values| values.next());
            let raw = raw.map(|value| value.to_string_lossy().into_owned());
            (raw.or_else(|| Some("true".to_owned())), "flag".to_owned())
        } else if let Some(value) = std::env::var_os(variable) {
            let from = format!("environment: {}", variable.to_string_lossy());
            (Some(value.to_string_lossy().into_owned()), from)
        } else if let Some((value, origin)) = config.settings.get(name) {
            let from = match origin {
                Origin::File => "file".to_owned(),
                Origin::Profile(profile) => format!("file, profile {profile}"),
            };
            (Some(value.clone()), from)
        } else {
            let value = arg.get_default_values().first();
            let value = value.map(|value| value.to_string_lossy().into_owned());
            (value, "default".to_owned())
        };
        let setting = Setting {
            name: name.to_owned(),
            value,
            from,
        };
        found.entry(name.to_owned()).or_insert(setting);
    }
}
