//! `packhold serve`.

use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use jiff::tz::TimeZone;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

use super::CliError;
use super::args::{self, AuditArg, StoreArgs};
use super::descriptors;
use super::report::progress;
use super::systemd;
use crate::domain::auth;
use crate::http::{App, Audit, Config, Tls, serve};
use crate::store::{Access, Options, Store};

/// Threads that may wait for the disk or compute digests at once; none waits for another, and none
/// for a client.
const BLOCKING_THREADS: usize = 64;

/// How a command opens its store.
pub fn options(args: &StoreArgs, access: Access) -> Options {
    Options {
        access,
        index_cache_bytes: usize::try_from(args.index_cache).unwrap_or(usize::MAX),
        progress: progress(),
        ..Options::default()
    }
}

/// Runs the command.
pub fn run(args: &args::Serve) -> Result<ExitCode, CliError> {
    let given = systemd::listener()?;
    let address = match &given {
        Some(socket) => socket
            .local_addr()
            .map_err(CliError::io("asking for the own address"))?,
        None => args.listen,
    };
    if args.no_auth && !address.ip().is_loopback() {
        return Err(CliError::Usage(format!(
            "--no-auth is refused on {address}: everybody who reaches it would be administrator"
        )));
    }
    let zone = zone(args.time_zone.as_deref())?;
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(cert), Some(key)) => Some(Arc::new(Tls::load(cert, key)?)),
        (None, None) => None,
        // Of the config file: it would be served without TLS.
        _ => {
            let why = "--tls-cert and --tls-key go together";
            return Err(CliError::Usage(why.to_owned()));
        }
    };
    let access = match args.as_of {
        None => Access::Create,
        Some(_) => Access::ReadOnly,
    };
    let store = Store::open(
        &args.store.store,
        Options {
            ingest_memory_bytes: args.ingest_memory,
            as_of: args.as_of,
            ..options(&args.store, access)
        },
    )?;
    warn_of_damage(&store);
    if !auth::has_admin(&store)? {
        make_admin(&store, &args.store.store)?;
    }
    let config = Config {
        no_auth: args.no_auth,
        auto_create: args.auto_create,
        zone,
        gc_at: args.gc_at,
        // What was given back since would look damaged in a state of the past.
        scrub_every: args.scrub_every.0.filter(|_| args.as_of.is_none()),
        scrub_file: Some(beside(&args.store.store, ".scrub")),
        public_url: args.public_url.clone(),
        behind_proxy: args.trust_proxy,
        limits: args.limits.limits(),
        failed_logins: args.limits.failed_logins(),
        audit: match args.audit {
            AuditArg::Off => Audit::Off,
            AuditArg::Changes => Audit::Changes,
            AuditArg::Reads => Audit::Reads,
        },
        slow_request: args.slow_request.0,
        connections: descriptors::within(args.connections.limits()),
        pack: Some(args.store.store.clone()),
        tls: tls.clone(),
        ..Config::default()
    };
    let app = Arc::new(App::new(store, config)?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .map_err(CliError::io("starting the runtime"))?;
    let store = runtime.block_on(listen(address, given, app, tls))?;
    // Readers and uploads that were cut off may still run on blocking threads; what they do is not
    // visible, and the store does not wait for them.
    runtime.shutdown_background();
    store.close();
    Ok(ExitCode::SUCCESS)
}

async fn listen(
    address: SocketAddr,
    given: Option<std::net::TcpListener>,
    app: Arc<App>,
    tls: Option<Arc<Tls>>,
) -> Result<Store, CliError> {
    let listener = match given {
        Some(socket) => TcpListener::from_std(socket),
        None => TcpListener::bind(address).await,
    };
    let listener = listener.map_err(CliError::io(format!("listening on {address}")))?;
    let address = listener
        .local_addr()
        .map_err(CliError::io("asking for the own address"))?;
    let mut terminate =
        signal(SignalKind::terminate()).map_err(CliError::io("waiting for signals"))?;
    let mut interrupt =
        signal(SignalKind::interrupt()).map_err(CliError::io("waiting for signals"))?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    if let Some(tls) = tls {
        reload_on_hangup(tls)?;
    }
    let mut out = std::io::stdout();
    writeln!(out, "listening on {scheme}://{address}")
        .and_then(|()| out.flush())
        .map_err(CliError::io("writing to standard output"))?;
    systemd::ready();
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        systemd::stopping();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            // Asked twice: at once. What was acknowledged is durable either way.
            std::process::exit(1);
        });
    };
    Ok(serve(app, listener, stop).await)
}

/// Reads the certificate and its key again whenever that is asked for.
fn reload_on_hangup(tls: Arc<Tls>) -> Result<(), CliError> {
    let mut hangup = signal(SignalKind::hangup()).map_err(CliError::io("waiting for signals"))?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            let tls = Arc::clone(&tls);
            let reloaded = tokio::task::spawn_blocking(move || tls.reload());
            match reloaded.await {
                Ok(Ok(())) => tracing::info!("the certificate was read again"),
                Ok(Err(error)) => tracing::error!(%error, "the certificate stays as it was"),
                Err(error) => tracing::error!(%error, "reading the certificate again"),
            }
        }
    });
    Ok(())
}

fn zone(name: Option<&str>) -> Result<TimeZone, CliError> {
    match name {
        None => Ok(TimeZone::system()),
        Some(name) => TimeZone::get(name)
            .map_err(|error| CliError::Usage(format!("--time-zone {name}: {error}"))),
    }
}

fn warn_of_damage(store: &Store) {
    let report = store.open_report();
    for damage in &report.corrupt {
        eprintln!(
            "packhold: damaged: at offset {}: {}",
            damage.offset, damage.reason
        );
    }
    if !report.corrupt.is_empty() {
        eprintln!("packhold: the pack is damaged; it is served for reading only");
    }
}

/// Makes the user `admin` of a new store.
fn make_admin(store: &Store, pack: &Path) -> Result<(), CliError> {
    let given = std::env::var("PACKHOLD_ADMIN_PASSWORD").ok();
    let given = given.map(Zeroizing::new);
    if let Some(password) = given.filter(|password| !password.is_empty()) {
        return Ok(auth::put_admin(store, &password)?);
    }
    let password = auth::random_password()?;
    let path = beside(pack, ".admin-password");
    // ORDER: on the disk before the password counts, so that it is never lost.
    write_secret(&path, &password).map_err(CliError::io(format!("writing {}", path.display())))?;
    auth::put_admin(store, &password)?;
    eprintln!("packhold: the password of `admin` is in {}", path.display());
    Ok(())
}

/// A file beside the pack.
fn beside(pack: &Path, ending: &str) -> PathBuf {
    let mut name = pack.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn write_secret(path: &Path, secret: &str) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{secret}")?;
    file.sync_all()
}
