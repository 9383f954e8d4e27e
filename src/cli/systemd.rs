//! What a service manager hands over and wants to hear: the listening socket (`LISTEN_FDS`), and that
//! the server is ready or stops (`NOTIFY_SOCKET`).

use std::net::TcpListener;

use listenfd::ListenFd;
use sd_notify::NotifyState;

use super::CliError;

/// The socket that this process was given to listen on, if it was given one.
///
/// # Errors
/// [`CliError::Usage`] when it was given several, or something else.
pub fn listener() -> Result<Option<TcpListener>, CliError> {
    let mut given = ListenFd::from_env();
    if given.len() > 1 {
        let why = format!("LISTEN_FDS: {} sockets where one is served", given.len());
        return Err(CliError::Usage(why));
    }
    if given.len() == 0 {
        return Ok(None);
    }
    let listener = given.take_tcp_listener(0);
    let listener =
        listener.map_err(|error| CliError::Usage(format!("LISTEN_FDS: no TCP socket: {error}")))?;
    if let Some(listener) = &listener {
        let set = listener.set_nonblocking(true);
        set.map_err(CliError::io("preparing the socket that was handed over"))?;
    }
    Ok(listener)
}

/// Tells that requests are answered from now on.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Tells that no more are.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Who is not listened to goes on all the same.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}
