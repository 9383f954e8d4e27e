//! Asking a running server.

use base64::Engine;
use serde::de::DeserializeOwned;

use super::CliError;
use super::args::RemoteArgs;

/// How a server is asked.
pub enum Method {
    /// Without side effects.
    Get,
    /// Begins some work.
    Post,
}

/// Asks for a JSON document.
pub fn ask<T: DeserializeOwned>(
    args: &RemoteArgs,
    server: &str,
    method: &Method,
    path: &str,
) -> Result<T, CliError> {
    let url = format!("{}{path}", server.trim_end_matches('/'));
    let failed = |why: String| CliError::Remote {
        url: url.clone(),
        why,
    };
    let credentials = format!("{}:{}", args.user, password(args)?);
    let encoded = base64::engine::general_purpose::STANDARD.encode(credentials);
    let authorization = format!("Basic {encoded}");
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let answer = match method {
        Method::Get => agent
            .get(&url)
            .header("authorization", &authorization)
            .call(),
        Method::Post => agent
            .post(&url)
            .header("authorization", &authorization)
            .send_empty(),
    };
    let mut answer = answer.map_err(|e| failed(e.to_string()))?;
    let status = answer.status();
    let body = answer.body_mut();
    let text = body.read_to_string().map_err(|e| failed(e.to_string()))?;
    if !status.is_success() {
        return Err(failed(format!("{status}: {text}")));
    }
    serde_json::from_str(&text).map_err(|e| failed(e.to_string()))
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
