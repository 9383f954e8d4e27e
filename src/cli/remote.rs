//! The server that a command is to ask, and who asks it.

use std::io::Read;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde_json::Value;
use zeroize::Zeroizing;

use super::CliError;
use super::args::RemoteArgs;
use crate::client::{
    Answer, Body, Call, ClientError, Credentials, Patience, Server, Settings, netrc,
};

pub use crate::client::Method;

/// Who asks when nobody says so.
const USER: &str = "admin";
/// No netrc is longer.
const MAX_NETRC_BYTES: u64 = 1 << 20;

/// Asks for a JSON document.
pub fn ask<T: DeserializeOwned>(
    args: &RemoteArgs,
    server: &str,
    method: Method,
    path: &str,
) -> Result<T, CliError> {
    Ok(send(args, server, Call::new(method, path))?.json()?)
}

/// Asks for something in the envelope of the generic API, and gives its data.
pub fn call(
    args: &RemoteArgs,
    server: &str,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, CliError> {
    let body = body.map_or(Body::Empty, Body::Json);
    Ok(send(args, server, Call::new(method, path).body(body))?.data()?)
}

/// Asks for bytes, and gives them as they come.
pub fn fetch(args: &RemoteArgs, server: &str, path: &str) -> Result<impl Read + use<>, CliError> {
    Ok(send(args, server, Call::new(Method::Get, path))?.into_reader())
}

/// Sends bytes, as long as they come.
pub fn put(
    args: &RemoteArgs,
    server: &str,
    path: &str,
    mut bytes: &mut dyn Read,
) -> Result<(), CliError> {
    let body = Body::Bytes(&mut bytes, None, "application/octet-stream");
    send(args, server, Call::new(Method::Put, path).body(body)).map(drop)
}

fn send(args: &RemoteArgs, url: &str, call: Call<'_>) -> Result<Answer, CliError> {
    Ok(connect(args, url, Patience::Endless)?.ask(call)?)
}

/// A server that can be asked. Nothing is asked yet.
pub fn connect(args: &RemoteArgs, url: &str, patience: Patience) -> Result<Server, CliError> {
    let server = Server::new(Settings {
        url: url.to_owned(),
        credentials: credentials(args, url)?,
        ca: args.server_ca.clone(),
        patience,
    });
    server.map_err(|error| match error {
        ClientError::Invalid(why) => CliError::Usage(why),
        other => other.into(),
    })
}

/// Who asks: the password is in the file that is named, else in the variable, else in the netrc. Who
/// has none asks without saying who it is.
fn credentials(args: &RemoteArgs, url: &str) -> Result<Option<Credentials>, CliError> {
    let user = || args.user.clone().unwrap_or_else(|| USER.to_owned());
    if let Some(password) = password(args)? {
        let (user, password) = (user(), Zeroizing::new(password));
        return Ok(Some(Credentials { user, password }));
    }
    let Some(path) = netrc_path() else {
        return Ok(None);
    };
    let shown = path.display();
    let text = match std::fs::File::open(&path) {
        Ok(file) => {
            let mut text = Zeroizing::new(String::new());
            let read = file.take(MAX_NETRC_BYTES).read_to_string(&mut text);
            read.map_err(CliError::io(format!("reading {shown}")))?;
            text
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(CliError::io(format!("reading {shown}"))(error)),
    };
    let entry = netrc::find(&text, host(url), args.user.as_deref())
        .map_err(|why| CliError::Usage(format!("{shown}: {why}")))?;
    Ok(entry.and_then(|entry| {
        Some(Credentials {
            user: entry.login.unwrap_or_else(user),
            password: Zeroizing::new(entry.password?),
        })
    }))
}

fn password(args: &RemoteArgs) -> Result<Option<String>, CliError> {
    if let Some(path) = &args.password_file {
        let text = std::fs::read_to_string(path)
            .map_err(CliError::io(format!("reading {}", path.display())))?;
        return Ok(Some(text.trim_end().to_owned()));
    }
    let given = std::env::var("PACKHOLD_PASSWORD").ok();
    Ok(given.filter(|password| !password.is_empty()))
}

/// `$NETRC`, else the one at home.
fn netrc_path() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("NETRC").filter(|path| !path.is_empty()) {
        return Some(path.into());
    }
    std::env::home_dir().map(|home| home.join(".netrc"))
}

/// The name of the host in a URL, without port.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn hosts_are_found_in_urls() {
        for (url, name) in [
            ("http://a.example:8080/x", "a.example"),
            ("https://a.example", "a.example"),
            ("http://[::1]:80", "::1"),
        ] {
            assert_eq!(host(url), name);
        }
    }
}
