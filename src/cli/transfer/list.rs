//! `packhold ls`.

use std::io::Write;
use std::process::ExitCode;

use indicatif::HumanBytes;
use serde_json::{Value, json};

use super::TIME_CHARS;
use super::watch::{Telling, shown};
use crate::cli::CliError;
use crate::cli::args;
use crate::client::{Call, Listing, Method, Persistence, Place, RemoteNode, Server, node};

/// Runs the command.
pub fn run(args: &args::Ls) -> Result<ExitCode, CliError> {
    let server = args.transfer.connect()?;
    let persistence = args.transfer.persistence();
    let mut rows = Rows::new(args.transfer.telling() == Telling::Json);
    let text = args.place.as_deref().unwrap_or_default();
    match text.split_once('/').map(|(_, rest)| !rest.is_empty()) {
        Some(true) => {
            let place = text.parse::<Place>();
            let place = place.map_err(|why| CliError::Usage(format!("{text}: {why}")))?;
            nodes(&server, persistence, &place, args.recursive, &mut rows)?;
        }
        _ => {
            let project = text.trim_end_matches('/');
            if !project.is_empty() && !crate::domain::path::valid_name(project) {
                return Err(CliError::Usage(format!("{project}: no name of a project")));
            }
            let path = match project.is_empty() {
                true => "/repository/api/project/list".to_owned(),
                false => format!("/repository/api/repo/list/{project}"),
            };
            let named: Vec<Value> = persistence.attempt(|_| {
                let answer = server.ask(Call::new(Method::Get, &path))?;
                answer.data()
            })?;
            for row in &named {
                let name = row["name"].as_str().unwrap_or_default();
                rows.print(&json!({ "name": name }), || format!("{}/", shown(name)))?;
            }
        }
    }
    rows.finish()?;
    Ok(ExitCode::SUCCESS)
}

fn nodes(
    server: &Server,
    persistence: Persistence,
    place: &Place,
    recursive: bool,
    rows: &mut Rows,
) -> Result<(), CliError> {
    let missing = || CliError::Usage(format!("{place} is not there"));
    let top = node(server, persistence, &place.address)?.ok_or_else(missing)?;
    if !top.folder {
        let name = place.address.path.name().unwrap_or_default();
        return rows.node(name, &top);
    }
    for listed in Listing::new(server, persistence, &place.address, recursive) {
        let (name, _, node) = listed?;
        rows.node(&name, &node)?;
    }
    Ok(())
}

/// Rows that are printed as they come: one a line, or as one JSON list.
pub struct Rows {
    json: bool,
    printed: bool,
    out: std::io::BufWriter<std::io::Stdout>,
}

impl Rows {
    /// None yet.
    pub fn new(json: bool) -> Self {
        Self {
            json,
            printed: false,
            out: std::io::BufWriter::new(std::io::stdout()),
        }
    }

    fn node(&mut self, name: &str, node: &RemoteNode) -> Result<(), CliError> {
        let row = json!({
            "name": name, "folder": node.folder, "size": node.size, "sha256": node.sha256,
            "modified": node.last_modified_date,
        });
        self.print(&row, || {
            let modified: String = node.last_modified_date.chars().take(TIME_CHARS).collect();
            let (size, slash) = match node.folder {
                true => (String::new(), "/"),
                false => (HumanBytes(node.size).to_string(), ""),
            };
            format!(
                "{size:>12}  {:19}  {}{slash}",
                shown(&modified),
                shown(name)
            )
        })
    }

    /// One more.
    pub fn print(&mut self, row: &Value, line: impl FnOnce() -> String) -> Result<(), CliError> {
        let written = match self.json {
            true => {
                let before = if self.printed { ",\n" } else { "[\n" };
                write!(self.out, "{before}{row}")
            }
            false => writeln!(self.out, "{}", line()),
        };
        self.printed = true;
        written.map_err(CliError::io("writing to standard output"))
    }

    /// There are no more.
    pub fn finish(mut self) -> Result<(), CliError> {
        let written = match (self.json, self.printed) {
            (true, true) => writeln!(self.out, "\n]"),
            (true, false) => writeln!(self.out, "[]"),
            (false, _) => Ok(()),
        };
        written
            .and_then(|()| self.out.flush())
            .map_err(CliError::io("writing to standard output"))
    }
}
