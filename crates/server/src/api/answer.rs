//! The envelope around every answer.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use rules::error::ApiError;
use rules::request::Version;
use rules::sign::date;
use serde_json::{Value, json};

/// Told until a signature names another.
const DEFAULT_REGION: &str = "cn-north-1";

/// What `ResponseMetadata` says about a request.
pub(super) struct Envelope {
    request_id: String,
    action: String,
    version: String,
    region: String,
}

impl Envelope {
    /// For a request that came at `unix_s` with `query`; `random` makes its id unique.
    pub fn new(unix_s: i64, random: u64, query: &[(String, String)]) -> Self {
        let digits: String = date::format(unix_s).chars().filter(char::is_ascii_digit).collect();
        // What the caller wrote is echoed, though not at any length.
        let echo = |name: &str| {
            let value = query.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value.as_str());
            value.chars().take(64).collect()
        };
        Self {
            request_id: format!("{digits}{random:016X}"),
            action: echo("Action"),
            version: echo("Version"),
            region: DEFAULT_REGION.to_owned(),
        }
    }

    /// The region of the caller's credential.
    pub fn set_region(&mut self, region: &str) {
        self.region = region.chars().take(64).collect();
    }

    /// The answer to the caller, and a line in the log.
    pub fn answer(self, outcome: Result<Value, ApiError>) -> Response<Body> {
        let version = Version::from_name(&self.version).unwrap_or(Version::V2023_11_01);
        let mut document = json!({ "ResponseMetadata": {
            "RequestId": self.request_id,
            "Action": self.action,
            "Version": self.version,
            "Service": "rtc",
            "Region": self.region,
        } });
        let status = match outcome {
            Ok(result) => {
                tracing::info!(request = self.request_id, action = self.action, "answered");
                document["Result"] = result;
                StatusCode::OK
            }
            Err(error) => {
                let code = error.kind.code();
                tracing::info!(
                    request = self.request_id,
                    action = self.action,
                    code,
                    message = error.message,
                    "refused"
                );
                let mut fields = json!({ "Code": code, "Message": error.message });
                if let Some(number) = error.kind.code_n() {
                    fields["CodeN"] = json!(number);
                }
                document["ResponseMetadata"]["Error"] = fields;
                StatusCode::from_u16(error.kind.status(version)).expect("the table has HTTP statuses only")
            }
        };
        let mut response = Response::new(Body::from(document.to_string()));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}
