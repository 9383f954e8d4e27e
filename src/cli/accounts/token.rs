//! `packhold token`.

use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::args::{At, TokenCommand};
use super::{Place, call, commit, local_time, segment, table, text};
use crate::cli::CliError;
use crate::cli::remote::Method;
use crate::domain::auth::access;
use crate::format::meta::AccessToken;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Runs the command.
pub fn run(command: &TokenCommand) -> Result<ExitCode, CliError> {
    match command {
        TokenCommand::Add {
            owner,
            name,
            days,
            at,
        } => add(at, owner, name, *days),
        TokenCommand::List { owner, at } => list(at, owner),
        TokenCommand::Del { owner, name, at } => del(at, owner, name),
    }
}

fn path(user: &str, name: &str) -> String {
    format!("/auth/api/user/token/{}/{}", segment(user), segment(name))
}

fn add(at: &At, user: &str, name: &str, days: Option<u32>) -> Result<ExitCode, CliError> {
    let lasts_ms = days.map(|days| u64::from(days) * DAY_MS);
    let made = match at.writable()? {
        Place::Server(at, server) => {
            let now_ms = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0);
            let query =
                lasts_ms.map(|lasts_ms| format!("?expiredAt={}", moment(now_ms + lasts_ms)));
            let path = path(user, name) + &query.unwrap_or_default();
            call(at, server, Method::Post, &path, None)?
        }
        Place::Store(store) => {
            let now_ms = store.now_ms();
            let expires_ms = lasts_ms.map(|lasts_ms| now_ms.saturating_add(lasts_ms));
            let made = access::new_token(user, name, expires_ms, now_ms)?;
            let mut view = view(&made.token);
            view["id"] = made.secret.into();
            commit(&store, move |rows| {
                access::add_token(rows, &made.token, now_ms)
            })?;
            view
        }
    };
    // Nothing else: a script can take it as it is.
    Ok(at.print(&made, |made| println!("{}", text(made, "id"))))
}

/// A time that needs no zone, in a query.
fn moment(unix_ms: u64) -> String {
    let ms = i64::try_from(unix_ms).unwrap_or(i64::MAX);
    let timestamp = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX);
    timestamp.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// A token as the API shows it.
fn view(token: &AccessToken) -> Value {
    json!({
        "name": token.name, "createdAt": local_time(token.created_ms),
        "expiredAt": token.expires_ms.map(local_time),
    })
}

fn list(at: &At, user: &str) -> Result<ExitCode, CliError> {
    let tokens = match at.readable()? {
        Place::Server(at, server) => {
            let path = format!("/auth/api/user/list/token/{}", segment(user));
            call(at, server, Method::Get, &path, None)?
        }
        Place::Store(store) => {
            let tokens = access::tokens(&store.rows()?, user)?;
            tokens.iter().map(view).collect()
        }
    };
    Ok(at.print(&tokens, |tokens| {
        table(tokens, |token| {
            let until = token["expiredAt"].as_str().unwrap_or("never");
            format!(
                "{}\t{}\texpires {until}",
                text(token, "name"),
                text(token, "createdAt")
            )
        });
    }))
}

fn del(at: &At, user: &str, name: &str) -> Result<ExitCode, CliError> {
    match at.writable()? {
        Place::Server(at, server) => {
            call(at, server, Method::Delete, &path(user, name), None)?;
        }
        Place::Store(store) => {
            let (user, name) = (user.to_owned(), name.to_owned());
            commit(&store, move |rows| access::delete_token(rows, &user, &name))?;
        }
    }
    let gone = json!({"userId": user, "name": name});
    Ok(at.print(&gone, |_| println!("token {name} of {user} is gone")))
}
