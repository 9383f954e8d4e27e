//! `packhold rm`.

use std::process::ExitCode;

use super::watch::Watch;
use crate::cli::CliError;
use crate::cli::args;
use crate::client::{node, remove_file, remove_tree};

/// Code of the envelope: the folder is not empty.
const CODE_NOT_EMPTY: &str = "251009";

/// Runs the command.
pub fn run(args: &args::Rm) -> Result<ExitCode, CliError> {
    let server = args.transfer.connect()?;
    let persistence = args.transfer.persistence();
    let watch = Watch::new(args.transfer.telling());
    for place in &args.places {
        let (address, name) = (&place.address, place.to_string());
        if address.path.is_root() {
            watch.fault(&name, &"a whole repository is not deleted like that");
            continue;
        }
        let removed = match args.recursive {
            true => match node(&server, persistence, address) {
                Ok(Some(_)) => remove_tree(&server, persistence, address).map(|()| true),
                other => other.map(|_| false),
            },
            false => remove_file(&server, persistence, address),
        };
        match removed {
            Ok(true) => watch.deleted(),
            Ok(false) if args.force => {}
            Ok(false) => watch.fault(&name, &"is not there"),
            Err(error) if error.has_code(CODE_NOT_EMPTY) => {
                watch.fault(
                    &name,
                    &"is a folder with files; --recursive deletes it with them",
                );
            }
            Err(error) => watch.failed(&name, &error),
        }
        if watch.is_given_up() {
            break;
        }
    }
    Ok(watch.finish_removal())
}
