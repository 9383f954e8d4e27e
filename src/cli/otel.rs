//! Traces of requests, sent to a collector: OTLP, protobuf over HTTP. Only with the feature `otel`.
//!
//! Spans wait in a queue of bounded length, and a thread of its own sends them: a collector that is slow,
//! or gone, loses spans and holds up nobody.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use super::args::{Args, Command};

/// A collector may be silent for so long.
const TIMEOUT: Duration = Duration::from_secs(10);
/// More than this of an answer is nobody's concern.
const MAX_ANSWER_BYTES: u64 = 64 << 10;

/// The spans of this process. What was not sent yet is, when this is dropped.
pub struct Traces(SdkTracerProvider);

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown() {
            eprintln!("packhold: the last traces were not sent: {error}");
        }
    }
}

/// What exports the spans of this command, if it is told to where.
pub fn layer<S>(args: &Args) -> Option<(impl Layer<S> + use<S>, Traces)>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let Command::Serve(serve) = &args.command else {
        return None;
    };
    let endpoint = serve.otlp_endpoint.as_deref()?;
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .http_status_as_error(false)
        .max_redirects(0)
        .build();
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Client(agent.into()))
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .build();
    let exporter = match exporter {
        Ok(exporter) => exporter,
        Err(error) => {
            // A server that cannot be watched is better than none.
            eprintln!("packhold: no traces are sent to {endpoint}: {error}");
            return None;
        }
    };
    let resource = Resource::builder().with_service_name("packhold");
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource.build())
        .build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("packhold"))
        .with_filter(Targets::new().with_target("packhold", Level::DEBUG));
    Some((layer, Traces(provider)))
}

/// Sends what the exporter wants sent, on the exporter's own thread.
#[derive(Debug)]
struct Client(ureq::Agent);

impl Client {
    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let request = Request::from_parts(head, &body[..]);
        let (head, mut body) = self.0.run(request)?.into_parts();
        let answer = body.with_config().limit(MAX_ANSWER_BYTES).read_to_vec()?;
        Ok(Response::from_parts(head, Bytes::from(answer)))
    }
}

impl HttpClient for Client {
    fn send_bytes<'c, 'a>(
        &'c self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'a>>
    where
        'c: 'a,
        Self: 'a,
    {
        Box::pin(std::future::ready(self.send(request)))
    }
}
