//! Asking a running server.

use std::io::Read;

use base64::Engine;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::request::Builder;
use ureq::http::{Response, StatusCode};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Body, SendBody};

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
    status: StatusCode,
    text: String,
}

impl Answer {
    fn failed(&self, why: impl std::fmt::Display) -> CliError {
        CliError::Remote {
            url: self.url.clone(),
            why: why.to_string(),
        }
    }

    /// The failure of an answer that is none of success.
    fn refusal(&self) -> CliError {
        CliError::Refused {
            url: self.url.clone(),
            status: self.status.as_u16(),
            why: format!("{}: {}", self.status, self.text),
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
    match answer.status.is_success() {
        true => answer.json(),
        false => Err(answer.refusal()),
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
        Err(_) if !answer.status.is_success() => return Err(answer.failed(answer.status)),
        envelope => envelope?,
    };
    match answer.status.is_success() {
        true => Ok(envelope["data"].take()),
        false => {
            let message = envelope["message"].as_str().unwrap_or_default();
            Err(answer.failed(format!("{}: {message}", answer.status)))
        }
    }
}

/// Asks for bytes, and gives them as they come.
pub fn fetch(args: &RemoteArgs, server: &str, path: &str) -> Result<impl Read + use<>, CliError> {
    let url = url(server, path);
    let mut answer = run(args, &url, Method::Get, None)?;
    if !answer.status().is_success() {
        return Err(answer_of(&url, &mut answer)?.refusal());
    }
    Ok(answer.into_body().into_reader())
}

/// Sends bytes, as long as they come.
pub fn put(
    args: &RemoteArgs,
    server: &str,
    path: &str,
    bytes: &mut dyn Read,
) -> Result<(), CliError> {
    let url = url(server, path);
    let (agent, request) = prepare(args, &url, Method::Put)?;
    let sent = request
        .header("content-type", "application/octet-stream")
        .body(SendBody::from_reader(&mut { bytes }))
        .map_err(ureq::Error::from)
        .and_then(|request| agent.run(request));
    let mut answer = sent.map_err(|error| failed(&url, &error))?;
    match answer.status().is_success() {
        true => Ok(()),
        false => Err(answer_of(&url, &mut answer)?.refusal()),
    }
}

fn send(
    args: &RemoteArgs,
    server: &str,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Answer, CliError> {
    let url = url(server, path);
    answer_of(&url, &mut run(args, &url, method, body)?)
}

fn url(server: &str, path: &str) -> String {
    format!("{}{path}", server.trim_end_matches('/'))
}

/// Reads the whole of an answer.
fn answer_of(url: &str, answer: &mut Response<Body>) -> Result<Answer, CliError> {
    let status = answer.status();
    let text = answer.body_mut().read_to_string();
    Ok(Answer {
        url: url.to_owned(),
        status,
        text: text.map_err(|error| failed(url, &error))?,
    })
}

fn failed(url: &str, error: &ureq::Error) -> CliError {
    CliError::Remote {
        url: url.to_owned(),
        why: error.to_string(),
    }
}

fn run(
    args: &RemoteArgs,
    url: &str,
    method: Method,
    body: Option<&Value>,
) -> Result<Response<Body>, CliError> {
    let (agent, request) = prepare(args, url, method)?;
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
    answer.map_err(|error| failed(url, &error))
}

/// What sends, and a request with credentials.
fn prepare(
    args: &RemoteArgs,
    url: &str,
    method: Method,
) -> Result<(ureq::Agent, Builder), CliError> {
    let credentials = format!("{}:{}", args.user, password(args)?);
    let encoded = base64::engine::general_purpose::STANDARD.encode(credentials);
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .tls_config(tls(args)?)
        .build()
        .into();
    let request = ureq::http::Request::builder()
        .method(method.name())
        .uri(url)
        .header("authorization", format!("Basic {encoded}"));
    Ok((agent, request))
}

/// Whose signature a server's certificate must have.
fn tls(args: &RemoteArgs) -> Result<TlsConfig, CliError> {
    let Some(path) = &args.server_ca else {
        return Ok(TlsConfig::default());
    };
    let shown = path.display();
    let pem = std::fs::read(path).map_err(CliError::io(format!("reading {shown}")))?;
    let mut roots = Vec::new();
    for item in parse_pem(&pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => roots.push(certificate),
            Ok(_) => {}
            Err(error) => return Err(CliError::Usage(format!("{shown}: {error}"))),
        }
    }
    if roots.is_empty() {
        return Err(CliError::Usage(format!("{shown}: no certificate in PEM")));
    }
    let roots = RootCerts::new_with_certs(&roots);
    Ok(TlsConfig::builder().root_certs(roots).build())
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
