//! `GET /packhold/pack`: the pack itself, for backups and standbys.
//!
//! `?after={commit}&chain={hex}` name the last commit of a copy, by the offset of its frame and the chain
//! value behind it: the answer is what the copy lacks, up to the last commit that is durable. Without
//! them it is the whole pack. `&wait={seconds}` waits so long for something to come, or until the service
//! ends. A copy that this pack's history does not have is 409.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};
use warp::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use warp::reply::Response;

use super::app::{App, blocking};
use super::error::ApiError;
use super::ops::administrator;
use super::params::query_value;
use super::request::Request;
use super::stream::{self, Steps};
use super::view::RID;
use crate::domain::DomainError;
use crate::store::{CopyEnd, Stretch};

/// The longest time that somebody waits for something to come.
const MAX_WAIT_S: u64 = 60;
/// How often it is looked whether something came.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Answers with what a copy lacks.
///
/// # Errors
/// [`ApiError::OtherHistory`]; those of who is no administrator.
pub async fn lacking(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    administrator(&app, &request).await?;
    let copy = copy_of(&request.query)?;
    let wait_s = number(&request.query, "wait")?.unwrap_or(0).min(MAX_WAIT_S);
    let until = Instant::now() + Duration::from_secs(wait_s);
    loop {
        let stretch = {
            let app = Arc::clone(&app);
            blocking(move || Ok(app.store.lacking(copy.as_ref())?)).await?
        };
        let stretch = stretch.ok_or(ApiError::OtherHistory)?;
        let is_over = Instant::now() >= until || app.is_ending.load(Ordering::Relaxed);
        if stretch.left() > 0 || is_over {
            return Ok(answer(&request, stretch));
        }
        // Nothing can be punched while it lives.
        drop(stretch);
        sleep(LOOK_EVERY).await;
    }
}

fn answer(request: &Request, stretch: Stretch) -> Response {
    let bytes = HeaderValue::from(stretch.left());
    let mut response = stream::respond(Pieces(stretch));
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, bytes);
    let kind = HeaderValue::from_static("application/octet-stream");
    headers.insert(CONTENT_TYPE, kind);
    if let Ok(trace) = HeaderValue::try_from(request.trace.0.as_str()) {
        headers.insert(RID, trace);
    }
    response
}

struct Pieces(Stretch);

impl Steps for Pieces {
    fn step(&mut self) -> Result<Option<Bytes>, ApiError> {
        Ok(self.0.next().transpose()?)
    }
}

fn copy_of(query: &str) -> Result<Option<CopyEnd>, ApiError> {
    let Some(commit) = number(query, "after")? else {
        return Ok(None);
    };
    let chain = query_value(query, "chain").ok_or(ApiError::Missing("chain"))?;
    let mut bytes = [0; 32];
    hex::decode_to_slice(&chain, &mut bytes).map_err(|_| invalid("chain", &chain))?;
    let chain = bytes;
    Ok(Some(CopyEnd { commit, chain }))
}

fn number(query: &str, name: &'static str) -> Result<Option<u64>, ApiError> {
    let Some(text) = query_value(query, name) else {
        return Ok(None);
    };
    let number = text.parse().map_err(|_| invalid(name, &text))?;
    Ok(Some(number))
}

fn invalid(what: &'static str, value: &str) -> ApiError {
    let shown: String = value.chars().take(80).collect();
    let why = format!("`{shown}` is not possible");
    DomainError::Invalid { what, why }.into()
}
