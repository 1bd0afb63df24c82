//! The canonical form of a request: the text whose hash is signed.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use super::Request;

/// Splits a raw query into decoded parameters; `+` means space, a broken escape stands for itself.
pub fn decode_query(raw: &str) -> Vec<(String, String)> {
    raw.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

/// Writes parameters as a query, sorted and escaped as signatures want it.
pub fn encode_query(query: &[(String, String)]) -> String {
    let mut pairs: Vec<_> = query.iter().map(|(name, value)| (encode(name), encode(value))).collect();
    pairs.sort_unstable();
    let pairs: Vec<_> = pairs.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while let Some(&byte) = bytes.get(i) {
        let escaped = bytes.get(i + 1..i + 3).filter(|_| byte == b'%').and_then(|digits| {
            let mut out = [0];
            hex::decode_to_slice(digits, &mut out).ok().map(|()| out[0])
        });
        decoded.push(match (escaped, byte) {
            (Some(value), _) => value,
            (None, b'+') => b' ',
            (None, other) => other,
        });
        i += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a string cannot fail");
        }
    }
    encoded
}

/// Signed headers in canonical form.
#[derive(Debug, Clone)]
pub(super) struct HeaderBlock {
    names: String,
    lines: String,
}

impl HeaderBlock {
    /// What signers of the query form put where headers would stand: an empty line.
    pub fn blank_line() -> Self {
        Self { names: String::new(), lines: "\n".to_owned() }
    }
}

/// The blocks a client may have signed for the headers it names. There are two when the host ends in port 80 or
/// 443, which some clients strip before they sign.
pub(super) fn canonical_headers(request: &Request<'_>, names: &[String]) -> Vec<HeaderBlock> {
    let block = |host: Option<&str>| {
        let mut lines = String::new();
        for name in names {
            let value = request.header(name).unwrap_or_default();
            let value = host.filter(|_| name == "host").unwrap_or(value);
            lines.push_str(&format!("{name}:{}\n", value.trim()));
        }
        HeaderBlock { names: names.join(";"), lines }
    };
    let stripped = request
        .header("host")
        .filter(|_| names.iter().any(|n| n == "host"))
        .and_then(|host| host.strip_suffix(":80").or_else(|| host.strip_suffix(":443")));
    let mut blocks = vec![block(None)];
    blocks.extend(stripped.map(|host| block(Some(host))));
    blocks
}

/// The text whose hash is signed.
pub(super) fn canonical_request(
    request: &Request<'_>,
    query: &[(String, String)],
    headers: &HeaderBlock,
    body: &[u8],
) -> String {
    let path: Vec<_> = request.path.split('/').map(|segment| encode(&decode_segment(segment))).collect();
    let path = path.join("/");
    let HeaderBlock { names, lines } = headers;
    let hash = hex::encode(Sha256::digest(body));
    format!("{}\n{path}\n{}\n{lines}\n{names}\n{hash}", request.method, encode_query(query))
}

/// Like a query's text, except that `+` is a plus.
fn decode_segment(segment: &str) -> String {
    decode(&segment.replace('+', "%2B"))
}
