//! OCP's software-package API. Source: seeds 000 to 002, and the package contract.

pub mod packages;
mod query;
pub mod service;
pub mod upload;
pub mod view;

use percent_encoding::percent_decode_str;

/// Whether a path, as it came, belongs to OCP's API, whose clients expect its envelope.
pub fn speaks(raw_path: &str) -> bool {
    let path = percent_decode_str(raw_path).decode_utf8_lossy();
    let mut words = path.split('/').filter(|word| !word.is_empty());
    words.next() == Some("api") && matches!(words.next(), Some("v2" | "status"))
}

#[cfg(test)]
mod tests {
    use super::speaks;

    #[test]
    fn the_envelope_goes_by_the_path_as_it_is_dispatched() {
        for path in ["/api/v2/info", "//api//status", "/%61pi%2Fv2/x", "/api/v2"] {
            assert!(speaks(path), "{path}");
        }
        for path in ["/api/generic/v2/x", "/v2/info", "/api", "/web/api/v2/info"] {
            assert!(!speaks(path), "{path}");
        }
    }
}
