//! `packhold package`.

use std::process::ExitCode;

use indicatif::HumanBytes;
use serde_json::json;

use super::TIME_CHARS;
use super::list::Rows;
use super::sessions;
use super::watch::{Telling, Watch, shown};
use crate::cli::CliError;
use crate::cli::args::{PackageCommand, PackageLs, PackagePush, PackageRm};
use crate::client::{
    ClientError, Gate, Package, Packages, Persistence, Push, Server, crew, push_package,
    remove_package,
};

/// Runs the command.
pub fn run(command: &PackageCommand) -> Result<ExitCode, CliError> {
    match command {
        PackageCommand::Push(args) => push(args),
        PackageCommand::Ls(args) => ls(args),
        PackageCommand::Rm(args) => rm(args),
    }
}

fn push(args: &PackagePush) -> Result<ExitCode, CliError> {
    let server = args.transfer.connect()?;
    let watch = Watch::new(args.transfer.telling());
    let threads = args.transfer.threads();
    let (gate, sessions) = (Gate::new(threads), sessions());
    let with = Push {
        server: &server,
        persistence: args.transfer.persistence(),
        gate: &gate,
        threads,
        block_bytes: u64::MAX,
        overwrite: false,
        sessions: &sessions,
        observer: &watch,
    };
    let produce = |give: &mut dyn FnMut(_)| {
        for path in &args.files {
            match std::fs::metadata(path) {
                Ok(about) => {
                    watch.found(about.len());
                    give((path, about.len()));
                }
                Err(error) => watch.fault(&path.display().to_string(), &error),
            }
        }
    };
    crew(threads, produce, |(path, bytes)| {
        if !watch.is_given_up() {
            let outcome = push_package(&with, path);
            watch.ended(&path.display().to_string(), bytes, outcome);
        }
    });
    Ok(watch.finish("sent"))
}

fn ls(args: &PackageLs) -> Result<ExitCode, CliError> {
    let server = args.transfer.connect()?;
    let mut filter = Vec::new();
    for (name, value) in [
        ("keyword", &args.keyword),
        ("type", &args.kind),
        ("version", &args.package_version),
        ("operatingSystem", &args.os),
        ("architecture", &args.arch),
    ] {
        filter.extend(value.clone().map(|value| (name, value)));
    }
    let mut rows = Rows::new(args.transfer.telling() == Telling::Json);
    for package in Packages::new(&server, args.transfer.persistence(), &filter) {
        let package = package?;
        rows.print(&json!(package), || {
            let time: String = package.create_time.chars().take(TIME_CHARS).collect();
            format!(
                "{:>8}  {:>12}  {:19}  {}",
                package.id,
                HumanBytes(package.size).to_string(),
                shown(&time),
                shown(&package.file_name)
            )
        })?;
    }
    rows.finish()?;
    Ok(ExitCode::SUCCESS)
}

fn rm(args: &PackageRm) -> Result<ExitCode, CliError> {
    let server = args.transfer.connect()?;
    let persistence = args.transfer.persistence();
    let watch = Watch::new(args.transfer.telling());
    for name in &args.packages {
        let removed = match id(&server, persistence, name) {
            Ok(Some(id)) => remove_package(&server, persistence, id),
            Ok(None) if args.force => continue,
            Ok(None) => {
                watch.fault(name, &"is not there");
                continue;
            }
            Err(error) => Err(error),
        };
        match removed {
            Ok(()) => watch.deleted(),
            Err(error) if args.force && error.has_code("PKG10014") => {}
            Err(error) => watch.failed(name, &error),
        }
        if watch.is_given_up() {
            break;
        }
    }
    Ok(watch.finish_removal())
}

/// What the server calls a package that is named by its id or its file name.
fn id(server: &Server, persistence: Persistence, name: &str) -> Result<Option<u64>, ClientError> {
    if let Ok(id) = name.parse() {
        return Ok(Some(id));
    }
    let filter = [("keyword", name.to_owned())];
    for package in Packages::new(server, persistence, &filter) {
        let Package { id, file_name, .. } = package?;
        if file_name == name {
            return Ok(Some(id));
        }
    }
    Ok(None)
}
