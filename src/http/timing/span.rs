//! The spans of a request: with `--log info` every log line that is written on its behalf has its trace. With
//! less, those have it that are about a request as such; nothing else is paid. With the feature
//! `otel` they also say what a collector wants to know; its trace is then the client's, if that sent one
//! (`traceparent`), and ours is an attribute.

use tracing::Span;
use warp::http::{HeaderMap, Method, StatusCode};

use super::Phase;
use crate::http::request::TraceId;

/// The span of a phase.
#[cfg(not(feature = "otel"))]
pub fn of(phase: Phase) -> Span {
    tracing::debug_span!("phase", name = phase.name())
}

/// The span of a phase.
#[cfg(feature = "otel")]
pub fn of(phase: Phase) -> Span {
    tracing::debug_span!("phase", otel.name = phase.name())
}

/// The span of a request.
#[derive(Debug, Clone)]
pub struct RequestSpan(pub Span);

#[cfg(not(feature = "otel"))]
impl RequestSpan {
    /// A request that just came.
    pub fn new(trace: &TraceId, _: &Method, _: &str, _: &HeaderMap) -> Self {
        // Who logs less than that pays nothing for it: a span costs as much as half of a small answer.
        Self(tracing::info_span!("request", trace = %trace.0))
    }

    /// What became of it.
    pub fn answered(&self, _: &'static str, _: StatusCode) {
        // What is logged of it says so itself.
        let Self(_span) = self;
    }
}

#[cfg(feature = "otel")]
impl RequestSpan {
    /// A request that just came.
    pub fn new(trace: &TraceId, method: &Method, path: &str, headers: &HeaderMap) -> Self {
        use opentelemetry::propagation::TextMapPropagator;
        use opentelemetry_http::HeaderExtractor;
        use opentelemetry_sdk::propagation::TraceContextPropagator;
        use tracing_opentelemetry::OpenTelemetrySpanExt;

        let span = tracing::info_span!(
            "request",
            trace = %trace.0,
            otel.kind = "server",
            otel.status_code = tracing::field::Empty,
        );
        let parent = TraceContextPropagator::new().extract(&HeaderExtractor(headers));
        // Nobody exports it: then it has no parent either.
        let _set = span.set_parent(parent);
        span.set_attribute("http.request.method", method.to_string());
        span.set_attribute("url.path", path.to_owned());
        Self(span)
    }

    /// What became of it.
    pub fn answered(&self, action: &'static str, status: StatusCode) {
        use opentelemetry::trace::TraceContextExt;
        use tracing_opentelemetry::OpenTelemetrySpanExt;

        let status = status.as_u16();
        // As a field it would come too late: the span has begun for the collector, too.
        self.0.context().span().update_name(action);
        if status >= 500 {
            self.0.record("otel.status_code", "ERROR");
        }
        self.0
            .set_attribute("http.response.status_code", i64::from(status));
    }
}
