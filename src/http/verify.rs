//! `POST /packhold/verify`: checking the store beside its clients.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use warp::http::StatusCode;
use warp::reply::Response;

use super::app::{App, blocking};
use super::error::ApiError;
use super::ops::administrator;
use super::params::{query_flag, query_value};
use super::request::Request;
use super::view::json;
use crate::store::{Rate, Sample, SampleSize, Stop, VerifyOptions};

/// Ends the work of a handler when nobody waits for it any more: it may take days.
struct UntilDropped(Arc<AtomicBool>);

impl Drop for UntilDropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl UntilDropped {
    fn new() -> Self {
        Self(Arc::default())
    }

    /// Also when the service ends.
    fn stop(&self, app: &Arc<App>) -> Stop {
        let (gone, app) = (Arc::clone(&self.0), Arc::clone(app));
        Arc::new(move || gone.load(Ordering::Relaxed) || app.is_ending.load(Ordering::Relaxed))
    }
}

/// `POST /packhold/verify?repair=true`: the same document as `packhold verify --json`. `&sample=5%25` or
/// a number of bytes with `&seed=` for a part of it, `&rate=` for bytes in a second at most.
///
/// # Errors
/// [`ApiError`].
pub async fn verify(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    administrator(&app, &request).await?;
    let asked = UntilDropped::new();
    let options = VerifyOptions {
        repair: query_flag(&request.query, "repair"),
        sample: sample(&request.query)?,
        rate: parsed::<Rate>(&request.query, "rate")?,
        stop: asked.stop(&app),
    };
    let report = blocking(move || Ok(app.store.verify_with(&options)?)).await?;
    Ok(json(StatusCode::OK, &request.trace, &report))
}

fn sample(query: &str) -> Result<Option<Sample>, ApiError> {
    let seed = parsed(query, "seed")?;
    let size: Option<SampleSize> = parsed(query, "sample")?;
    match (size, seed) {
        (Some(size), seed) => Ok(Some(Sample::new(size, seed)?)),
        (None, Some(_)) => Err(ApiError::Missing("sample")),
        (None, None) => Ok(None),
    }
}

fn parsed<T: FromStr>(query: &str, name: &'static str) -> Result<Option<T>, ApiError> {
    let value = query_value(query, name).map(|value| value.parse());
    value.transpose().map_err(|_| ApiError::Parameter(name))
}
