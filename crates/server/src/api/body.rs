//! Request bodies: bounded in size and time.

use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt;
use rules::error::{ApiError, ErrorKind};
use serde_json::Value;

/// The largest body that is read.
pub(super) const MAX_BYTES: usize = 1 << 20;
/// So much more is taken from the wire and dropped, because a client that is still sending would not see the answer.
const MAX_DROPPED_BYTES: usize = 16 << 20;
/// How long a body may take to arrive.
const MAX_TIME: Duration = Duration::from_secs(20);

/// The whole body.
pub(super) async fn read(body: Body) -> Result<Vec<u8>, ApiError> {
    match tokio::time::timeout(MAX_TIME, read_all(body)).await {
        Ok(result) => result,
        Err(_) => {
            let message = format!("the body did not arrive within {} s", MAX_TIME.as_secs());
            Err(ApiError::new(ErrorKind::BodyTimeout, message))
        }
    }
}

async fn read_all(mut body: Body) -> Result<Vec<u8>, ApiError> {
    let mut kept = Vec::new();
    let mut total = 0;
    while let Some(frame) = body.frame().await {
        let broken = |e| ApiError::new(ErrorKind::Unmarshal, format!("the body broke off: {e}"));
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        total += data.len();
        if total <= MAX_BYTES {
            kept.extend_from_slice(&data);
        } else {
            kept = Vec::new();
            if total > MAX_DROPPED_BYTES {
                break;
            }
        }
    }
    if total > MAX_BYTES {
        let message = format!("the body is larger than {MAX_BYTES} bytes");
        return Err(ApiError::new(ErrorKind::BodyTooLarge, message));
    }
    Ok(kept)
}

/// The JSON of a body.
pub(super) fn parse(body: &[u8]) -> Result<Value, ApiError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(ApiError::new(ErrorKind::BodyIsEmpty, "the body is empty; allowed: a JSON object"));
    }
    serde_json::from_slice(body).map_err(|e| ApiError::new(ErrorKind::Unmarshal, format!("the body is not JSON: {e}")))
}
