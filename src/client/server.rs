//! Requests to a server, and its answers. The only home of ureq.
//!
//! One [`Server`] may be used by many threads; it keeps connections open. Redirects are not
//! followed: a server that moved is told to whoever asks, and credentials go nowhere else.

use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::{HeaderMap, Response, StatusCode};
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, SendBody};
use zeroize::Zeroizing;

use super::ClientError;

/// A document from a server is no longer than this.
const MAX_DOCUMENT_BYTES: u64 = 64 << 20;
/// So much of what a server says when it refuses is told.
const MAX_TOLD_CHARS: usize = 500;
/// Bodies from this size on are announced, and go only when they are wanted.
const ANNOUNCED_BYTES: u64 = 1 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// A server may be silent for so long: completing a large upload reads it.
const READ_TIMEOUT: Duration = Duration::from_mins(10);
const WRITE_TIMEOUT: Duration = Duration::from_mins(2);

/// How a server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Without side effects.
    Get,
    /// The same without the body.
    Head,
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
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// Who asks.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The user.
    pub user: String,
    /// The password, or an access token.
    pub password: Zeroizing<String>,
}

/// How long a server may be silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// For ever: it is asked to work for hours.
    Endless,
    /// As long as transfers and their completion take.
    Transfer,
}

/// What is known of a server.
#[derive(Debug)]
pub struct Settings {
    /// What its URLs begin with.
    pub url: String,
    /// Who asks it; nobody in particular, if none.
    pub credentials: Option<Credentials>,
    /// Certificates (PEM) that its own is to be signed by; well-known ones, if none.
    pub ca: Option<PathBuf>,
    /// How long it may be silent.
    pub patience: Patience,
}

/// A server that can be asked.
#[derive(Debug)]
pub struct Server {
    base: String,
    authorization: Option<Zeroizing<String>>,
    agent: Agent,
}

/// A request.
pub struct Call<'a> {
    /// How.
    pub method: Method,
    /// Path and query, encoded.
    pub path: &'a str,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// What goes with it.
    pub body: Body<'a>,
}

/// What goes with a request.
pub enum Body<'a> {
    /// Nothing.
    Empty,
    /// A JSON document.
    Json(&'a Value),
    /// Bytes of this type, and how many; without a number as long as they come.
    Bytes(&'a mut dyn Read, Option<u64>, &'a str),
}

impl<'a> Call<'a> {
    /// One without headers and body.
    pub fn new(method: Method, path: &'a str) -> Self {
        Self {
            method,
            path,
            headers: Vec::new(),
            body: Body::Empty,
        }
    }

    /// The same with a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// The same with a body.
    #[must_use]
    pub fn body(mut self, body: Body<'a>) -> Self {
        self.body = body;
        self
    }
}

/// An answer whose body has not been read yet.
pub struct Answer {
    url: String,
    answer: Response<ureq::Body>,
}

impl Server {
    /// A server at a URL. Nothing is asked yet.
    ///
    /// # Errors
    /// [`ClientError::Invalid`] for what is no URL of a server, and for unusable certificates.
    pub fn new(settings: Settings) -> Result<Self, ClientError> {
        let base = settings.url.trim_end_matches('/').to_owned();
        let authority = base
            .strip_prefix("http://")
            .or_else(|| base.strip_prefix("https://"))
            .and_then(|rest| rest.split('/').next());
        match authority {
            None | Some("") => {
                let why = "is no URL of a server: it begins with http:// or https://";
                return Err(ClientError::Invalid(format!("`{base}` {why}")));
            }
            // It would be told with every error.
            Some(authority) if authority.contains('@') => {
                let why =
                    "a server's URL has no user and password in it: they have their own options";
                return Err(ClientError::Invalid(why.to_owned()));
            }
            Some(_) => {}
        }
        let tls = tls(settings.ca)?;
        let limit = |limit| (settings.patience == Patience::Transfer).then_some(limit);
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections_per_host(64)
            .max_idle_connections(64)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_per_read(limit(READ_TIMEOUT))
            .timeout_per_write(limit(WRITE_TIMEOUT))
            .user_agent(concat!("packhold/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build()
            .into();
        Ok(Self {
            base,
            authorization: settings.credentials.map(|credentials| basic(&credentials)),
            agent,
        })
    }

    /// What its URLs begin with.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Asks, whatever the answer is.
    ///
    /// # Errors
    /// [`ClientError::Lost`], [`ClientError::Wrong`].
    pub fn send(&self, call: Call<'_>) -> Result<Answer, ClientError> {
        let url = format!("{}{}", self.base, call.path);
        let mut request = ureq::http::Request::builder()
            .method(call.method.name())
            .uri(&url);
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization.as_str());
        }
        for (name, value) in call.headers {
            request = request.header(name, value);
        }
        let sent = match call.body {
            Body::Empty => request
                .body(())
                .map_err(ureq::Error::from)
                .and_then(|request| self.agent.run(request)),
            Body::Json(document) => request
                .header("content-type", "application/json")
                .body(document.to_string())
                .map_err(ureq::Error::from)
                .and_then(|request| self.agent.run(request)),
            Body::Bytes(mut bytes, len, kind) => {
                request = request.header("content-type", kind);
                if let Some(len) = len {
                    request = request.header("content-length", len);
                }
                if len.is_none_or(|len| len >= ANNOUNCED_BYTES) {
                    request = request.header("expect", "100-continue");
                }
                request
                    .body(SendBody::from_reader(&mut bytes))
                    .map_err(ureq::Error::from)
                    .and_then(|request| self.agent.run(request))
            }
        };
        match sent {
            Ok(answer) => Ok(Answer { url, answer }),
            Err(error) => Err(failed(url, &error)),
        }
    }

    /// Asks for something that must be given.
    ///
    /// # Errors
    /// [`ClientError::Lost`], [`ClientError::Wrong`], [`ClientError::Refused`].
    pub fn ask(&self, call: Call<'_>) -> Result<Answer, ClientError> {
        let answer = self.send(call)?;
        match answer.answer.status().is_success() {
            true => Ok(answer),
            false => Err(answer.refusal()),
        }
    }
}

/// The header of a password or access token.
fn basic(credentials: &Credentials) -> Zeroizing<String> {
    let Credentials { user, password } = credentials;
    let plain = Zeroizing::new(format!("{user}:{}", password.as_str()));
    let encoded = base64::engine::general_purpose::STANDARD.encode(plain.as_bytes());
    Zeroizing::new(format!("Basic {encoded}"))
}

impl Answer {
    /// Its status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.answer.status().as_u16()
    }

    /// A header, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.answer.headers().get(name)?.to_str().ok()
    }

    /// An answer that cannot be right.
    pub fn wrong(&self, why: impl std::fmt::Display) -> ClientError {
        ClientError::Wrong {
            url: self.url.clone(),
            why: why.to_string(),
        }
    }

    /// What becomes of an error that breaks its body off.
    pub fn lost(&self) -> impl Fn(&std::io::Error) -> ClientError + use<> {
        let url = self.url.clone();
        move |error| ClientError::Lost {
            url: url.clone(),
            why: error.to_string(),
        }
    }

    /// The body, as it comes.
    pub fn into_reader(self) -> impl Read + 'static {
        self.answer.into_body().into_reader()
    }

    /// The body as a JSON document.
    ///
    /// # Errors
    /// [`ClientError::Lost`], [`ClientError::Wrong`].
    pub fn json<T: DeserializeOwned>(mut self) -> Result<T, ClientError> {
        let text = text(&self.url, &mut self.answer)?;
        serde_json::from_str(&text).map_err(|error| self.wrong(error))
    }

    /// What the envelope in the body has as its data, in both dialects.
    ///
    /// # Errors
    /// [`ClientError::Lost`], [`ClientError::Wrong`].
    pub fn data<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        #[derive(serde::Deserialize)]
        struct Envelope<T> {
            data: T,
        }
        Ok(self.json::<Envelope<T>>()?.data)
    }

    /// The failure that an answer stands for which is none of success.
    fn refusal(mut self) -> ClientError {
        let status = self.answer.status();
        let retry_after = retry_after(self.answer.headers());
        let text = text(&self.url, &mut self.answer).unwrap_or_default();
        let envelope: Value = serde_json::from_str(&text).unwrap_or_default();
        let (code, message) = match &envelope["error"] {
            Value::Object(error) => (error.get("code"), error.get("message")),
            _ => (envelope.get("code"), envelope.get("message")),
        };
        let code = match code {
            Some(Value::String(code)) => code.clone(),
            Some(Value::Number(code)) => code.to_string(),
            _ => String::new(),
        };
        let told = match message.and_then(Value::as_str) {
            Some(message) => message.to_owned(),
            None => match self.header("location").filter(|_| status.is_redirection()) {
                Some(place) => format!("it is at {place}"),
                None => text,
            },
        };
        ClientError::Refused {
            why: refused(status, &told),
            url: self.url,
            status: status.as_u16(),
            code,
            retry_after,
        }
    }
}

/// One line, without what would steer a terminal.
fn refused(status: StatusCode, told: &str) -> String {
    let told = told.trim().chars().take(MAX_TOLD_CHARS);
    let told: String = told.map(|c| if c.is_control() { ' ' } else { c }).collect();
    match told.is_empty() {
        true => status.to_string(),
        false => format!("{status}: {told}"),
    }
}

/// Seconds, or a date, which is taken for the time from now until then.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("retry-after")?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(
        date.duration_since(std::time::SystemTime::now())
            .unwrap_or_default(),
    )
}

fn text(url: &str, answer: &mut Response<ureq::Body>) -> Result<String, ClientError> {
    let body = answer.body_mut().with_config().limit(MAX_DOCUMENT_BYTES);
    body.read_to_string()
        .map_err(|error| failed(url.to_owned(), &error))
}

/// What of a failure passes: the network, and a server that breaks off.
fn failed(url: String, error: &ureq::Error) -> ClientError {
    let why = error.to_string();
    let passes = matches!(
        error,
        ureq::Error::Io(_)
            | ureq::Error::Timeout(_)
            | ureq::Error::ConnectionFailed
            | ureq::Error::HostNotFound
    );
    match passes && !is_of_tls(error) {
        true => ClientError::Lost { url, why },
        false => ClientError::Wrong { url, why },
    }
}

/// A certificate that is refused comes as an error of reading.
fn is_of_tls(error: &ureq::Error) -> bool {
    matches!(error, ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData)
}

/// Whose signature a server's certificate must have.
fn tls(ca: Option<PathBuf>) -> Result<TlsConfig, ClientError> {
    let Some(path) = ca else {
        return Ok(TlsConfig::default());
    };
    let shown = path.display();
    let pem = std::fs::read(&path).map_err(ClientError::io(format!("reading {shown}")))?;
    let mut roots = Vec::new();
    for item in parse_pem(&pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => roots.push(certificate),
            Ok(_) => {}
            Err(error) => return Err(ClientError::Invalid(format!("{shown}: {error}"))),
        }
    }
    if roots.is_empty() {
        let why = format!("{shown}: no certificate in PEM");
        return Err(ClientError::Invalid(why));
    }
    let roots = RootCerts::new_with_certs(&roots);
    Ok(TlsConfig::builder().root_certs(roots).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> Settings {
        Settings {
            url: url.to_owned(),
            credentials: None,
            ca: None,
            patience: Patience::Transfer,
        }
    }

    #[test]
    fn what_is_no_url_is_refused_and_secrets_in_it_are_not_told() {
        for url in ["http://a", "https://a:1/b/", "http://[::1]:8080"] {
            assert!(Server::new(settings(url)).is_ok(), "{url}");
        }
        for url in ["", "a", "ftp://a", "http://", "https:///x"] {
            assert!(Server::new(settings(url)).is_err(), "{url}");
        }
        let told = Server::new(settings("http://me:secret@a")).expect_err("a password");
        assert!(!told.to_string().contains("secret"), "{told}");
    }

    #[test]
    fn what_a_server_says_is_one_line_of_bounded_length() {
        let told = refused(StatusCode::BAD_REQUEST, "a\nb\u{1b}[31m");
        assert_eq!(told, "400 Bad Request: a b [31m");
        assert!(refused(StatusCode::NOT_FOUND, &"x".repeat(10_000)).len() < 1000);
    }

    #[test]
    fn times_to_wait_are_seconds_or_dates() {
        let asked = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", value.parse().expect("a value"));
            retry_after(&headers)
        };
        assert_eq!(asked("7"), Some(Duration::from_secs(7)));
        let past = asked("Wed, 21 Oct 2015 07:28:00 GMT");
        assert_eq!(past, Some(Duration::ZERO));
        assert_eq!(asked("soon"), None);
        assert_eq!(asked("-1"), None);
    }
}
