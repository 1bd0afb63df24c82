//! Bodies of the fuzz targets: requests as a stranger may send them. The ordinary tests run them too, so that they never
//! rot. Not for use outside tests.

use serde_json::Value;

use crate::request::{GetRecordTask, StartRecord, StopRecord, UpdateRecord, Version};
use crate::sign::{Claim, Request, decode_query};

/// A body of the OpenAPI in every version.
pub fn body(data: &[u8]) {
    let Ok(body) = serde_json::from_slice::<Value>(data) else { return };
    for version in Version::ALL {
        if let Ok(start) = StartRecord::parse(version, &body) {
            let stored = serde_json::to_value(&start).expect("a request is JSON");
            assert_eq!(serde_json::from_value::<StartRecord>(stored).expect("and reads back"), start);
        }
        _ = UpdateRecord::parse(version, &body);
        _ = StopRecord::parse(version, &body);
    }
}

/// A signed request: a line of query, then lines of headers, then the body.
pub fn signature(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.lines();
    let query = decode_query(lines.next().unwrap_or_default());
    let header = |line: &str| line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
    let headers: Vec<(String, String)> = lines.map_while(header).collect();
    let request = Request { method: "POST", path: "/", query: &query, headers: &headers, body: data };
    if let Ok(claim) = Claim::read(&request) {
        _ = claim.verify(&request, "secret", 1_700_000_000);
    }
    _ = GetRecordTask::parse(&query);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_survived(text in ".{0,300}", day in "[0-9TZ]{0,18}", names in "[a-z;-]{0,40}") {
            body(text.as_bytes());
            signature(text.as_bytes());
            let signed = format!(
                "Action=StartRecord&Version=2023-11-01&X-Expires={day}\nx-date: {day}\nauthorization: HMAC-SHA256 \
                 Credential=AK/{day}/r/rtc/request, SignedHeaders={names}, Signature={text}\n\n{text}"
            );
            signature(signed.as_bytes());
        }
    }
}
