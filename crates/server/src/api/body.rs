//! Request bodies: bounded in size, all together and each, and in time.

use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt;
use rules::error::{ApiError, ErrorKind};
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

/// The largest body that is read.
pub(super) const MAX_BYTES: usize = 1 << 20;
/// The bytes of all bodies in memory. A count of bodies would let a few clients that trickle theirs keep all others out.
pub(super) const MAX_BYTES_IN_ALL: usize = 128 << 20;
/// So much more is taken from the wire and dropped, because a client that is still sending would not see the answer.
const MAX_DROPPED_BYTES: usize = 16 << 20;
/// How long a body may take to arrive.
const MAX_TIME: Duration = Duration::from_secs(20);

/// A whole body, and its share of the memory for bodies.
pub(super) struct Received<'a> {
    pub bytes: Vec<u8>,
    share: Option<SemaphorePermit<'a>>,
}

impl<'a> Received<'a> {
    fn add(&mut self, data: &[u8], memory: &'a Semaphore) -> Result<(), ApiError> {
        let full = |_| ApiError::new(ErrorKind::ReachRateLimit, "too many bodies are in hand already; try again");
        let more = memory.try_acquire_many(data.len() as u32).map_err(full)?;
        match &mut self.share {
            Some(share) => share.merge(more),
            none => *none = Some(more),
        }
        self.bytes.extend_from_slice(data);
        Ok(())
    }
}

/// The whole body; `memory` has a permit for each byte.
pub(super) async fn read(body: Body, memory: &Semaphore) -> Result<Received<'_>, ApiError> {
    match tokio::time::timeout(MAX_TIME, read_all(body, memory)).await {
        Ok(result) => result,
        Err(_) => {
            let message = format!("the body did not arrive within {} s", MAX_TIME.as_secs());
            Err(ApiError::new(ErrorKind::BodyTimeout, message))
        }
    }
}

async fn read_all(mut body: Body, memory: &Semaphore) -> Result<Received<'_>, ApiError> {
    let nothing = || Received { bytes: Vec::new(), share: None };
    let mut kept = nothing();
    let mut total = 0;
    while let Some(frame) = body.frame().await {
        let broken = |e| ApiError::new(ErrorKind::Unmarshal, format!("the body broke off: {e}"));
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        total += data.len();
        if total <= MAX_BYTES {
            kept.add(&data, memory)?;
        } else {
            kept = nothing();
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
