//! Reading the config file, and parsing with it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};
use toml::{Table, Value};

use crate::cli::CliError;
use crate::cli::args::Args;

/// No config file is longer.
const MAX_BYTES: u64 = 1 << 20;
/// The table with the tables of profiles.
const PROFILES: &str = "profiles";
/// The flag that says which file, and so cannot be in it.
pub const CONFIG: &str = "config";
/// The flag that says which profile.
const PROFILE: &str = "profile";

/// Where a value of the file stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// At its top.
    File,
    /// In this profile.
    Profile(String),
}

/// A config file.
#[derive(Debug, Default)]
pub struct Config {
    /// Where it is, if it is there.
    pub path: Option<PathBuf>,
    /// Settings by the long name of their flag; those of the profile win.
    pub settings: BTreeMap<String, (String, Origin)>,
    /// Settings of each profile.
    pub profiles: BTreeMap<String, BTreeMap<String, String>>,
}

/// The arguments of this process, and those that the config file has for them.
pub fn parse() -> Result<Args, CliError> {
    let config = Config::of(std::env::args_os())?;
    let matches = config
        .command()
        .try_get_matches()
        .unwrap_or_else(|error| match config.fault() {
            // The file is at fault, and not what was typed.
            Some(fault) if is_of_value(&error) => {
                eprintln!("packhold: {fault}");
                std::process::exit(2)
            }
            _ => error.exit(),
        });
    Args::from_arg_matches(&matches).map_err(|error| error.exit())
}

/// Whether an error is one of a value that is none for its flag.
fn is_of_value(error: &clap::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation
    )
}

/// Whether an argument can be set in the file: each that has a variable, but for the file's own name.
pub fn is_setting(arg: &Arg) -> bool {
    arg.get_env().is_some() && arg.get_long().is_some_and(|long| long != CONFIG)
}

/// A command and all below it.
pub fn each<'c>(command: &'c Command, visit: &mut dyn FnMut(&'c Command)) {
    visit(command);
    command
        .get_subcommands()
        .for_each(|command| each(command, visit));
}

impl Config {
    /// The file that a command line and the environment name, or the usual one.
    ///
    /// # Errors
    /// [`CliError::Usage`] for a file that cannot be used, and for one that is named and not there.
    pub fn of(args: impl Iterator<Item = OsString>) -> Result<Self, CliError> {
        let command = Args::command().ignore_errors(true);
        let matches = match command.try_get_matches_from(args) {
            Ok(matches) => matches,
            // Help and version need no file.
            Err(error) => error.exit(),
        };
        let given: Option<&PathBuf> = named(&matches, CONFIG);
        let profile: Option<&String> = named(&matches, PROFILE);
        let path = match given {
            Some(path) => Some(path.clone()),
            None => usual().filter(|path| path.exists()),
        };
        match path {
            Some(path) => Self::read(path, profile.map(String::as_str)),
            None => match profile {
                Some(profile) => Err(CliError::Usage(format!(
                    "no config file, and so no profile {profile}"
                ))),
                None => Ok(Self::default()),
            },
        }
    }

    fn read(path: PathBuf, profile: Option<&str>) -> Result<Self, CliError> {
        let shown = path.display();
        let mut text = String::new();
        let read = std::fs::File::open(&path)
            .and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text));
        read.map_err(|error| CliError::Usage(format!("reading {shown}: {error}")))?;
        if text.len() as u64 > MAX_BYTES {
            return Err(CliError::Usage(format!("{shown} is longer than 1 MiB")));
        }
        let parsed = Self::of_text(&text, profile);
        let mut config = parsed.map_err(|why| CliError::Usage(format!("{shown}: {why}")))?;
        config.path = Some(path);
        Ok(config)
    }

    /// What a text says, with a profile that is wanted.
    fn of_text(text: &str, profile: Option<&str>) -> Result<Self, String> {
        let mut table: Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map(|span| {
                let before = text.get(..span.start).unwrap_or_default();
                before.matches('\n').count() + 1
            });
            let place = line.map(|line| format!("line {line}: "));
            format!("{}{}", place.unwrap_or_default(), error.message())
        })?;
        let kinds = kinds();
        let mut profiles = BTreeMap::new();
        match table.remove(PROFILES) {
            None => {}
            Some(Value::Table(tables)) => {
                for (name, value) in tables {
                    let place = format!("{PROFILES}.{name}");
                    let Value::Table(table) = value else {
                        return Err(format!("`{place}` is no table"));
                    };
                    if table.contains_key(PROFILE) {
                        return Err(format!("`{place}.{PROFILE}`: a profile has none"));
                    }
                    profiles.insert(name, settings(table, &format!("{place}."), &kinds)?);
                }
            }
            Some(_) => return Err(format!("`{PROFILES}` is no table")),
        }
        let top = settings(table, "", &kinds)?;
        let wanted = profile
            .map(str::to_owned)
            .or_else(|| top.get(PROFILE).cloned());
        let with = |origin: Origin| move |(name, value)| (name, (value, origin.clone()));
        let mut all: BTreeMap<_, _> = top.into_iter().map(with(Origin::File)).collect();
        if let Some(name) = wanted {
            let found = profiles.get(&name).cloned();
            let found = found.ok_or_else(|| format!("there is no profile {name}"))?;
            all.extend(found.into_iter().map(with(Origin::Profile(name))));
        }
        Ok(Self {
            path: None,
            settings: all,
            profiles,
        })
    }

    /// The command line, with what the file has as default values.
    pub fn command(&self) -> Command {
        self.apply(Args::command())
    }

    fn apply(&self, mut command: Command) -> Command {
        command = command.mut_args(|arg| {
            let setting = arg.get_long().and_then(|long| self.settings.get(long));
            match setting {
                Some((value, _)) if is_setting(&arg) => arg.default_value(value.clone()),
                _ => arg,
            }
        });
        command.mut_subcommands(|command| self.apply(command))
    }

    /// The first setting that is no value of its flag, in the file's name.
    pub fn fault(&self) -> Option<String> {
        let path = self.path.as_deref().unwrap_or(Path::new("the config file"));
        let top = self.settings.iter();
        let top = top.filter(|(_, (_, origin))| *origin == Origin::File);
        let top = top.map(|(name, (value, _))| (String::new(), name, value));
        let profiles = self.profiles.iter().flat_map(|(profile, settings)| {
            let place = format!("{PROFILES}.{profile}.");
            let settings = settings.iter();
            settings.map(move |(name, value)| (place.clone(), name, value))
        });
        top.chain(profiles).find_map(|(place, name, value)| {
            let why = judge(name, value)?;
            Some(format!("{}: `{place}{name}`: {why}", path.display()))
        })
    }
}

fn named<'m, T: Clone + Send + std::marker::Sync + 'static>(
    matches: &'m ArgMatches,
    id: &str,
) -> Option<&'m T> {
    matches.try_get_one(id).ok().flatten()
}

/// `$XDG_CONFIG_HOME/packhold/config.toml`, by default below `~/.config`.
fn usual() -> Option<PathBuf> {
    let given = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let folder = given
        .filter(|path| path.is_absolute())
        .or_else(|| std::env::home_dir().map(|home| home.join(".config")))?;
    Some(folder.join("packhold/config.toml"))
}

/// The long names of all settings, and whether they are flags without a value.
fn kinds() -> BTreeMap<String, bool> {
    let mut kinds = BTreeMap::new();
    each(&Args::command(), &mut |command| {
        for arg in command.get_arguments().filter(|arg| is_setting(arg)) {
            let long = arg.get_long().unwrap_or_default().to_owned();
            kinds.insert(long, matches!(arg.get_action(), ArgAction::SetTrue));
        }
    });
    kinds
}

/// A table as texts that flags could have.
fn settings(
    table: Table,
    place: &str,
    kinds: &BTreeMap<String, bool>,
) -> Result<BTreeMap<String, String>, String> {
    let mut settings = BTreeMap::new();
    for (name, value) in table {
        let Some(is_switch) = kinds.get(&name) else {
            return Err(format!("`{place}{name}`: there is no such setting"));
        };
        let text = match (value, is_switch) {
            (Value::Boolean(value), _) => value.to_string(),
            (_, true) => return Err(format!("`{place}{name}` must be true or false")),
            (Value::String(text), false) => text,
            (Value::Integer(number), false) => number.to_string(),
            (Value::Float(number), false) => number.to_string(),
            (_, false) => return Err(format!("`{place}{name}` must be a text or a number")),
        };
        settings.insert(name, text);
    }
    Ok(settings)
}

/// Why a text is no value of a flag, in whichever commands have it.
fn judge(name: &str, value: &str) -> Option<String> {
    let command = Args::command();
    let mut fault = None;
    let mut seen = BTreeSet::new();
    each(&command, &mut |command| {
        let args = command.get_arguments();
        for arg in args.filter(|arg| arg.get_long() == Some(name) && is_setting(arg)) {
            if !seen.insert(arg.get_id().as_str()) || fault.is_some() {
                continue;
            }
            // Only this argument: whatever goes with it is nobody's concern here.
            let alone = Arg::new("value")
                .long("value")
                .action(ArgAction::Set)
                .value_parser(arg.get_value_parser().clone());
            let alone = Command::new("packhold").arg(alone);
            let typed = ["packhold".to_owned(), format!("--value={value}")];
            if let Err(error) = alone.try_get_matches_from(typed) {
                fault = Some(told(&error, value));
            }
        }
    });
    fault
}

/// What is wrong, without the flag that nobody typed.
fn told(error: &clap::Error, value: &str) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    match first.split_once("--value <value>': ") {
        Some((_, why)) => format!("{value:?}: {why}"),
        None => format!("{value:?} is no value of it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "listen = '127.0.0.1:0'\nno-auth = true\njobs = 7\nprofile = 'ci'\n\
        max-connections = 12\n[profiles.ci]\nserver = 'http://ci'\njobs = 9\n\
        [profiles.me]\nuser = 'me'\n";

    fn config(text: &str, profile: Option<&str>) -> Result<Config, String> {
        Config::of_text(text, profile)
    }

    #[test]
    fn what_the_file_says_is_what_flags_would() {
        let config = config(TEXT, None).expect("it is fine");
        assert_eq!(config.fault(), None);
        let jobs = &config.settings["jobs"];
        assert_eq!(*jobs, ("9".to_owned(), Origin::Profile("ci".to_owned())));
        let typed = |args: &[&str]| {
            let matches = config.command().try_get_matches_from(args);
            Args::from_arg_matches(&matches.expect("it can be parsed")).expect("it is sound")
        };
        let serve = typed(&["packhold", "serve", "--max-connections", "13"]);
        let shown = format!("{serve:?}");
        for told in [
            "listen: 127.0.0.1:0",
            "no_auth: true",
            "max_connections: 13",
        ] {
            assert!(shown.contains(told), "{told}: {shown}");
        }
        let shown = format!("{:?}", typed(&["packhold", "ls", "-j3"]));
        for told in ["server: Some(\"http://ci\")", "jobs: 3"] {
            assert!(shown.contains(told), "{told}: {shown}");
        }
    }

    #[test]
    fn profiles_are_chosen() {
        let me = config(TEXT, Some("me")).expect("it is fine");
        assert_eq!(me.settings["user"].0, "me");
        assert_eq!(me.settings["jobs"].0, "7");
        assert!(!me.settings.contains_key("server"));
        let told = config(TEXT, Some("none")).expect_err("there is none");
        assert!(told.contains("none"), "{told}");
    }

    #[test]
    fn what_is_wrong_is_told_by_its_name() {
        for (text, told) in [
            ("listen =", "line 1"),
            ("a = 1\n b = = 2", "line 2"),
            ("unknown = 1", "`unknown`"),
            ("config = 'x'", "`config`"),
            ("json = true", "`json`"),
            ("no-auth = 'yes'", "`no-auth` must be true or false"),
            ("listen = [1]", "`listen` must be"),
            ("listen = 1979-05-27", "`listen` must be"),
            ("profiles = 1", "`profiles`"),
            ("[profiles]\nx = 1", "`profiles.x`"),
            ("[profiles.x]\nprofile = 'y'", "`profiles.x.profile`"),
            ("[profiles.x]\nunknown = 1", "`profiles.x.unknown`"),
            ("profile = 'x'", "no profile x"),
        ] {
            let why = config(text, None).expect_err(text);
            assert!(why.contains(told), "{text}: {why}");
        }
    }

    #[test]
    fn values_that_are_none_are_found_in_every_profile() {
        for (text, told) in [
            ("listen = 'nowhere'", "`listen`"),
            ("max-connections = 0", "must not be 0"),
            ("log-format = 'loud'", "`log-format`"),
            ("[profiles.a]\njobs = 65", "`profiles.a.jobs`"),
        ] {
            let fault = config(text, None).expect("its form is fine").fault();
            let fault = fault.expect(text);
            assert!(fault.contains(told), "{text}: {fault}");
        }
    }
}
