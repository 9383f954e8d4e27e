//! Asking a running server.

use base64::Engine;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::CliError;
use super::args::RemoteArgs;

/// How a server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Without side effects.
    Get,
    /// Begins some work, or makes something.
    Post,
    /// Changes something.
    Put,
    /// Takes something away.
    Delete,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// What a server answered.
struct Answer {
    url: String,
    /// The status, for people.
    status: String,
    /// Whether that is one of success.
    good: bool,
    text: String,
}

impl Answer {
    fn failed(&self, why: impl std::fmt::Display) -> CliError {
        CliError::Remote {
            url: self.url.clone(),
            why: why.to_string(),
        }
    }

    fn json<T: DeserializeOwned>(&self) -> Result<T, CliError> {
        serde_json::from_str(&self.text).map_err(|e| self.failed(e))
    }
}

/// Asks for a JSON document.
pub fn ask<T: DeserializeOwned>(
    args: &RemoteArgs,
    server: &str,
    method: Method,
    path: &str,
) -> Result<T, CliError> {
    let answer = send(args, server, method, path, None)?;
    match answer.good {
        true => answer.json(),
        false => Err(answer.failed(format!("{}: {}", answer.status, answer.text))),
    }
}

/// Asks for something in the envelope of the generic API, and gives its data.
pub fn call(
    args: &RemoteArgs,
    server: &str,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, CliError> {
    let answer = send(args, server, method, path, body)?;
    let mut envelope: Value = match answer.json() {
        Err(_) if !answer.good => return Err(answer.failed(&answer.status)),
        envelope => envelope?,
    };
    match answer.good {
        true => Ok(envelope["data"].take()),
        false => {
            let message = envelope["message"].as_str().unwrap_or_default();
            Err(answer.failed(format!("{}: {message}", answer.status)))
        }
    }
}

fn send(
    args: &RemoteArgs,
    server: &str,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Answer, CliError> {
    let url = format!("{}{path}", server.trim_end_matches('/'));
    let failed = |why: String| CliError::Remote {
        url: url.clone(),
        why,
    };
    let credentials = format!("{}:{}", args.user, password(args)?);
    let encoded = base64::engine::general_purpose::STANDARD.encode(credentials);
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let request = ureq::http::Request::builder()
        .method(method.name())
        .uri(&url)
        .header("authorization", format!("Basic {encoded}"));
    let answer = match body {
        Some(body) => request
            .header("content-type", "application/json")
            .body(body.to_string())
            .map_err(ureq::Error::from)
            .and_then(|request| agent.run(request)),
        None => request
            .body(())
            .map_err(ureq::Error::from)
            .and_then(|request| agent.run(request)),
    };
    let mut answer = answer.map_err(|e| failed(e.to_string()))?;
    let status = answer.status();
    let text = answer.body_mut().read_to_string();
    let text = text.map_err(|e| failed(e.to_string()))?;
    Ok(Answer {
        url,
        status: status.to_string(),
        good: status.is_success(),
        text,
    })
}

fn password(args: &RemoteArgs) -> Result<String, CliError> {
    match &args.password_file {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(CliError::io(format!("reading {}", path.display())))?;
            Ok(text.trim_end().to_owned())
        }
        None => Ok(std::env::var("PACKHOLD_PASSWORD").unwrap_or_default()),
    }
}
