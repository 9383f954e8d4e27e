//! What can be typed.

mod connections;
mod limits;
mod transfer;
mod verify;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand, ValueEnum};

use super::accounts::args::{KeyCommand, TokenCommand, UserCommand};
use super::dedup::args::Dedup;
use super::selftest::Selftest;
use crate::http::public_url;
use crate::store::{AsOf, GcAt};

pub use connections::ConnectionArgs;
pub use limits::LimitArgs;
pub use transfer::{
    BlockArgs, Export, Import, LocalArgs, Ls, PackageCommand, PackageLs, PackagePush, PackageRm,
    Pull, Push, Rm, Sync, TransferArgs,
};
pub use verify::{Period, Verify};

/// An embedded, single-file, content-addressed artifact store with an HTTP façade.
#[derive(Debug, Parser)]
#[command(name = "packhold", version)]
pub struct Args {
    /// How log lines on standard error look.
    #[arg(
        long,
        global = true,
        env = "PACKHOLD_LOG_FORMAT",
        default_value = "text"
    )]
    pub log_format: LogFormat,
    /// What is logged: error, warn, info, debug, trace, or a tracing filter.
    #[arg(long, global = true, env = "PACKHOLD_LOG", default_value = "warn")]
    pub log: String,
    /// The config file, TOML; whatever can be set in the environment can be set there
    /// [default: ~/.config/packhold/config.toml, if it is there].
    #[arg(long, global = true, env = "PACKHOLD_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The profile of the config file whose settings come before the others.
    #[arg(long, global = true, env = "PACKHOLD_PROFILE", value_name = "NAME")]
    pub profile: Option<String>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the store over HTTP.
    Serve(Serve),
    /// Tell how much is stored, and how well.
    Stats(Stats),
    /// Check every checksum, digest and row.
    Verify(Verify),
    /// Give back the space of what nothing needs any more.
    Gc(Gc),
    /// Rewrite the pack into a new one that holds only what is needed, and put that in its place.
    Compact(Compact),
    /// Tell how files would be stored, and what they share, without storing them.
    Dedup(Dedup),
    /// Throw the index away and build it anew from the pack.
    Reindex(Reindex),
    /// Bring a copy of the store up to date, or make one; what is served goes on being served.
    Backup(Backup),
    /// Keep a copy of a running server's store up to date until told to stop.
    Follow(Follow),
    /// Make a store of a backup.
    Restore(Restore),
    /// Try on this disk whether what was acknowledged survives crashes.
    Selftest(Selftest),
    /// Send files and folders to a server.
    Push(Push),
    /// Fetch files and folders from a server.
    Pull(Pull),
    /// List what a server has.
    Ls(Ls),
    /// Delete files and folders at a server.
    Rm(Rm),
    /// Make a folder at a server like one here, or the other way round.
    Sync(Sync),
    /// Send, list and delete software packages (RPMs) at a server.
    #[command(subcommand)]
    Package(PackageCommand),
    /// Take the files of a folder into a closed store.
    Import(Import),
    /// Write the files of a closed store into a folder.
    Export(Export),
    /// Make, list, change and delete users, and say what they may do.
    #[command(subcommand)]
    User(UserCommand),
    /// Make, list and delete access tokens, which stand for a user's password.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Make, list and delete access keys, with which programs sign requests.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Check the config file, or show where every setting comes from.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the guide, or another page: how to deploy, secure, back up, watch and recover.
    Doc {
        /// Which page.
        #[arg(default_value = "guide")]
        page: Page,
    },
    /// Print what makes a shell complete these arguments.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the man page, or write those of all commands into a folder.
    Man {
        /// The folder.
        dir: Option<PathBuf>,
    },
}

/// `packhold config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Say what is wrong with the config file, in all its profiles.
    Check,
    /// Show every setting, its value, and where that comes from: a flag, the environment, the file,
    /// or by default.
    Show {
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
        /// A command with its arguments, which is not run; all settings without.
        #[arg(
            trailing_var_arg = true,
            allow_hyphen_values = true,
            value_name = "COMMAND"
        )]
        command: Vec<std::ffi::OsString>,
    },
}

/// A page of the documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Page {
    /// How to deploy, secure, back up, watch, grow, upgrade, reclaim and recover.
    Guide,
    /// The API, with a curl line for every call.
    Api,
    /// Whether one wants something else.
    Comparison,
}

/// The store of a command.
#[derive(Debug, Clone, clap::Args)]
pub struct StoreArgs {
    /// The pack file; its index lies beside it.
    #[arg(long, env = "PACKHOLD_STORE", default_value = "./packhold.pack")]
    pub store: PathBuf,
    /// Memory for pages of the index (K, M, G are powers of 1024).
    #[arg(long, env = "PACKHOLD_INDEX_CACHE", default_value = "128M", value_parser = bytes)]
    pub index_cache: u64,
}

/// `packhold serve`.
#[derive(Debug, clap::Args)]
pub struct Serve {
    /// The store; created if it is not there.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Address and port; port 0 takes a free one.
    #[arg(long, env = "PACKHOLD_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Serve the store, closed, as it was at a time (RFC 3339, like 2026-01-31T12:00:00Z) or at a
    /// sequence number, for reading only.
    #[arg(long, env = "PACKHOLD_AS_OF", value_name = "TIME|SEQ", value_parser = as_of)]
    pub as_of: Option<AsOf>,
    /// Any or no credentials are those of the administrator; only on a loopback address.
    #[arg(long, env = "PACKHOLD_NO_AUTH", action = ArgAction::SetTrue)]
    pub no_auth: bool,
    /// A write creates what is missing of project and repository.
    #[arg(long, env = "PACKHOLD_AUTO_CREATE", default_value_t = true, action = ArgAction::Set)]
    pub auto_create: bool,
    /// Memory that all uploads together may buffer (K, M, G are powers of 1024).
    #[arg(long, env = "PACKHOLD_INGEST_MEMORY", default_value = "256M", value_parser = bytes)]
    pub ingest_memory: u64,
    /// Zone of the times in answers, by its IANA name, like Asia/Shanghai [default: the system's].
    #[arg(long, env = "PACKHOLD_TIME_ZONE")]
    pub time_zone: Option<String>,
    /// What links in answers begin with, like <https://repo.example.com> [default: the Host asked].
    #[arg(long, env = "PACKHOLD_PUBLIC_URL", value_parser = public_url)]
    pub public_url: Option<String>,
    /// Speak TLS with this certificate, and those that vouch for it, in PEM; read again on SIGHUP.
    #[arg(
        long,
        env = "PACKHOLD_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    pub tls_cert: Option<PathBuf>,
    /// The private key of the certificate, in PEM; read again on SIGHUP.
    #[arg(
        long,
        env = "PACKHOLD_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    pub tls_key: Option<PathBuf>,
    /// What connections may cost.
    #[command(flatten)]
    pub connections: ConnectionArgs,
    /// Give space back by itself once so much of the chunk bytes is reclaimable: a share like 10%, a
    /// number of bytes, or off.
    #[arg(long, env = "PACKHOLD_GC_AT", default_value = "10%", value_parser = gc_at)]
    pub gc_at: GcAt,
    /// Read and check the whole pack once in this time, beside clients: like 30d or 12h, or off.
    #[arg(long, env = "PACKHOLD_SCRUB_EVERY", value_name = "PERIOD", default_value = "30d", value_parser = verify::period)]
    pub scrub_every: Period,
    /// A proxy stands in front: X-Forwarded-For, -Host and -Proto are believed, the last word of each.
    #[arg(long, env = "PACKHOLD_TRUST_PROXY", action = ArgAction::SetTrue)]
    pub trust_proxy: bool,
    /// What clients may take.
    #[command(flatten)]
    pub limits: LimitArgs,
    /// Warn of requests that take so long, with where the time went: like 1s or 500ms, or off. The time
    /// that a client takes to send does not count.
    #[arg(long, env = "PACKHOLD_SLOW_REQUEST", value_name = "PERIOD", default_value = "off", value_parser = verify::short_period)]
    pub slow_request: Period,
    /// Send traces of requests to this collector (OTLP over HTTP), like <http://127.0.0.1:4318>.
    #[cfg(feature = "otel")]
    #[arg(long, env = "PACKHOLD_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
    /// What the audit trail has: log lines with the target `audit`, whatever else is logged.
    #[arg(long, env = "PACKHOLD_AUDIT", default_value = "changes")]
    pub audit: AuditArg,
}

/// What the audit trail has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AuditArg {
    /// Nothing.
    Off,
    /// What changes something, and what is refused.
    Changes,
    /// Downloads and all other requests, too.
    Reads,
}

/// Where the store is, and how the answer looks.
#[derive(Debug, clap::Args)]
pub struct At {
    /// The store, closed.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Ask the server with this URL instead.
    #[command(flatten)]
    pub remote: RemoteArgs,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// `packhold backup`.
#[derive(Debug, clap::Args)]
pub struct Backup {
    /// The copy, a pack; made if it is not there.
    pub dest: PathBuf,
    /// Where the store is, and how the answer looks.
    #[command(flatten)]
    pub at: At,
}

/// `packhold follow`.
#[derive(Debug, clap::Args)]
pub struct Follow {
    /// The copy, a pack; made if it is not there. `packhold serve` on it makes it a store of its own.
    pub dest: PathBuf,
    /// The server.
    #[command(flatten)]
    pub remote: RemoteArgs,
}

/// `packhold restore`.
#[derive(Debug, clap::Args)]
pub struct Restore {
    /// The backup, a pack.
    pub backup: PathBuf,
    /// The store to be made; there must be none yet.
    #[arg(long, env = "PACKHOLD_STORE", default_value = "./packhold.pack")]
    pub store: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// `packhold stats`.
#[derive(Debug, clap::Args)]
pub struct Stats {
    /// Where the store is, and how the answer looks.
    #[command(flatten)]
    pub at: At,
    /// Also tell what each repository holds, what they share, and how large chunks are.
    #[arg(long)]
    pub dedup: bool,
    /// Write that as one page with plots, which needs nothing beside it.
    #[arg(long, value_name = "OUT")]
    pub html: Option<PathBuf>,
}

/// `packhold gc`.
#[derive(Debug, clap::Args)]
pub struct Gc {
    /// Where the store is, and how the answer looks.
    #[command(flatten)]
    pub at: At,
    /// Only tell what would be freed.
    #[arg(long)]
    pub dry_run: bool,
}

/// `packhold compact`.
#[derive(Debug, clap::Args)]
pub struct Compact {
    /// Where the store is, and how the answer looks.
    #[command(flatten)]
    pub at: At,
}

/// A running server to ask.
#[derive(Debug, Clone, clap::Args)]
pub struct RemoteArgs {
    /// URL of a running server, like <http://127.0.0.1:8080>.
    #[arg(long, env = "PACKHOLD_SERVER")]
    pub server: Option<String>,
    /// User at that server [default: whom the netrc names, else admin].
    #[arg(long, env = "PACKHOLD_USER")]
    pub user: Option<String>,
    /// File with the password at that server [default: the variable `PACKHOLD_PASSWORD`, else ~/.netrc].
    #[arg(long, env = "PACKHOLD_PASSWORD_FILE")]
    pub password_file: Option<PathBuf>,
    /// File with certificates (PEM) that this server's is to be signed by [default: well-known ones].
    #[arg(long, env = "PACKHOLD_SERVER_CA")]
    pub server_ca: Option<PathBuf>,
}

/// `packhold reindex`.
#[derive(Debug, clap::Args)]
pub struct Reindex {
    /// The store, closed.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Go on with a pack from which acknowledged changes are missing.
    #[arg(long)]
    pub accept_rollback: bool,
}

/// A share, a number of bytes with or without unit, or `off`.
fn gc_at(text: &str) -> Result<GcAt, String> {
    bytes(text).map(GcAt::Bytes).or_else(|_| text.parse())
}

/// A time, or a sequence number.
fn as_of(text: &str) -> Result<AsOf, String> {
    if let Ok(seq) = text.parse() {
        return Ok(AsOf::Seq(seq));
    }
    let time: jiff::Timestamp = text
        .parse()
        .map_err(|_| "neither a time, like 2026-01-31T12:00:00Z, nor a number".to_owned())?;
    let ms = u64::try_from(time.as_millisecond()).map_err(|_| "before 1970".to_owned())?;
    Ok(AsOf::Time(ms))
}

/// A number of bytes: `1048576`, `1024K`, `1M`.
fn bytes(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 'K' | 'k')) => (&text[..at], 1 << 10),
        Some((at, 'M' | 'm')) => (&text[..at], 1 << 20),
        Some((at, 'G' | 'g')) => (&text[..at], 1 << 30),
        _ => (text, 1),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| "not a number of bytes".to_owned())?;
    number
        .checked_mul(unit)
        .ok_or_else(|| "too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definitions_are_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn byte_counts() {
        assert_eq!(bytes("17"), Ok(17));
        assert_eq!(bytes("4k"), Ok(4096));
        assert_eq!(bytes("256M"), Ok(256 << 20));
        assert!(bytes("M").is_err() && bytes("-1").is_err() && bytes("").is_err());
        assert!(bytes("99999999999999999G").is_err());
    }
}
