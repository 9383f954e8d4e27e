//! `packhold key`.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::args::{At, KeyCommand};
use super::{Place, call, commit, local_time, segment, table, text};
use crate::cli::CliError;
use crate::cli::remote::Method;
use crate::domain::auth::access;
use crate::format::meta::AccessKey;

/// Runs the command.
pub fn run(command: &KeyCommand) -> Result<ExitCode, CliError> {
    match command {
        KeyCommand::Add { owner, at } => add(at, owner),
        KeyCommand::List { owner, at } => list(at, owner),
        KeyCommand::Del { key, at } => del(at, key),
    }
}

fn add(at: &At, user: &str) -> Result<ExitCode, CliError> {
    let made = match at.writable()? {
        Place::Server(at, server) => {
            let body = json!({"userId": user});
            call(at, server, Method::Post, "/packhold/keys", Some(&body))?
        }
        Place::Store(store) => {
            let pair = access::new_key(user, store.now_ms())?;
            let mut view = view(&pair);
            view["secretKey"] = pair.secret.as_str().into();
            commit(&store, move |rows| access::add_key(rows, &pair))?;
            view
        }
    };
    Ok(at.print(&made, |made| {
        println!("access key  {}", text(made, "accessKey"));
        println!("secret key  {}", text(made, "secretKey"));
    }))
}

/// A pair of keys as the API shows it: without the secret.
fn view(pair: &AccessKey) -> Value {
    json!({
        "accessKey": pair.key, "userId": pair.user, "createdAt": local_time(pair.created_ms),
    })
}

fn list(at: &At, user: &str) -> Result<ExitCode, CliError> {
    let keys = match at.readable()? {
        Place::Server(at, server) => {
            let path = format!("/packhold/keys?userId={}", segment(user));
            call(at, server, Method::Get, &path, None)?
        }
        Place::Store(store) => {
            let keys = access::keys(&store.rows()?, user)?;
            keys.iter().map(view).collect()
        }
    };
    Ok(at.print(&keys, |keys| {
        table(keys, |key| {
            format!("{}\t{}", text(key, "accessKey"), text(key, "createdAt"))
        });
    }))
}

fn del(at: &At, key: &str) -> Result<ExitCode, CliError> {
    match at.writable()? {
        Place::Server(at, server) => {
            let path = format!("/packhold/keys/{}", segment(key));
            call(at, server, Method::Delete, &path, None)?;
        }
        Place::Store(store) => {
            let key = key.to_owned();
            commit(&store, move |rows| access::delete_key(rows, &key))?;
        }
    }
    let gone = json!({"accessKey": key});
    Ok(at.print(&gone, |_| println!("key {key} is gone")))
}
