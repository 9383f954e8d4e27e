//! Deleting at a server.

use super::ClientError;
use super::place::target;
use super::retry::Persistence;
use super::server::{Call, Method, Server};
use crate::domain::Address;

/// Deletes a file, or a folder without files; says whether there was one. Asked again after a lost
/// answer it may say that there was none.
///
/// # Errors
/// [`ClientError`]; a folder with files is refused.
pub fn remove_file(
    server: &Server,
    persistence: Persistence,
    at: &Address,
) -> Result<bool, ClientError> {
    match delete(server, persistence, &target("/generic", at)) {
        Ok(()) => Ok(true),
        Err(error) if error.has_status(404) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Deletes a file, or a folder with all that is below it; where nothing is, nothing.
///
/// # Errors
/// [`ClientError`].
pub fn remove_tree(
    server: &Server,
    persistence: Persistence,
    at: &Address,
) -> Result<(), ClientError> {
    delete(
        server,
        persistence,
        &target("/repository/api/node/delete", at),
    )
}

fn delete(server: &Server, persistence: Persistence, target: &str) -> Result<(), ClientError> {
    persistence.attempt(|_| server.ask(Call::new(Method::Delete, target)).map(drop))
}
