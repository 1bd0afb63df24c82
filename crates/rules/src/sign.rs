//! The signature of OpenAPI requests, HMAC-SHA256 in header and query form: made and verified.
//!
//! What is signed is worked out from the decoded query and from exactly the headers the client names; the body is
//! always hashed here, whatever `X-Content-Sha256` says.

mod canonical;
pub mod date;
mod make;

#[cfg(test)]
mod tests;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

pub use canonical::{decode_query, encode_query};
pub use make::Signer;

use crate::error::{ApiError, ErrorKind};
use canonical::{HeaderBlock, canonical_headers, canonical_request};

/// The only algorithm.
const ALGORITHM: &str = "HMAC-SHA256";
/// The service of the credential scope.
const SERVICE: &str = "rtc";
/// The end of the credential scope.
const TERMINATOR: &str = "request";

/// How long a signature is valid unless `X-Expires` says otherwise, in seconds.
pub const DEFAULT_EXPIRES_S: i64 = 900;
/// The most that `X-Expires` can ask for, in seconds.
pub const MAX_EXPIRES_S: i64 = 7 * 86_400;
/// How far the client's clock may be ahead of ours, in seconds. The vendor does not document its limit.
pub const MAX_AHEAD_S: i64 = 900;

/// A request as it takes part in a signature.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Upper case.
    pub method: &'a str,
    /// Path without query, not decoded.
    pub path: &'a str,
    /// Decoded parameters in any order; see [`decode_query`].
    pub query: &'a [(String, String)],
    /// Names in lower case; for a repeated name the first counts.
    pub headers: &'a [(String, String)],
    /// The whole body.
    pub body: &'a [u8],
}

impl<'a> Request<'a> {
    fn header(&self, name: &str) -> Option<&'a str> {
        find(self.headers, name)
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        find(self.query, name)
    }
}

fn find<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}

/// What a request says about its own signature; nothing of it is proven before [`Claim::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    access_key: String,
    region: String,
    date: String,
    expires_s: i64,
    signed_headers: Vec<String>,
    signature: Vec<u8>,
    form: Form,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    /// In the `Authorization` header; the whole query is signed.
    Header,
    /// In the query; of it only the listed parameters are signed, and of the body nothing.
    Query { signed: Vec<String> },
}

impl Claim {
    /// Finds the signature of a request, in its header or else in its query.
    pub fn read(request: &Request<'_>) -> Result<Claim, ApiError> {
        let token = request.header("x-security-token").or_else(|| request.parameter("X-Security-Token"));
        if token.is_some_and(|t| !t.is_empty()) {
            let message = "temporary credentials are not issued by this server";
            return Err(ApiError::new(ErrorKind::InvalidSecretToken, message));
        }
        if let Some(authorization) = request.header("authorization") {
            Self::in_header(request, authorization)
        } else if request.parameter("X-Credential").is_some() || request.parameter("X-Signature").is_some() {
            Self::in_query(request)
        } else {
            let message = "the request has neither an Authorization header nor X-Credential in its query";
            Err(ApiError::new(ErrorKind::MissingAuthenticationToken, message))
        }
    }

    fn in_header(request: &Request<'_>, authorization: &str) -> Result<Claim, ApiError> {
        let malformed = || {
            let form = "HMAC-SHA256 Credential=.., SignedHeaders=.., Signature=..";
            ApiError::new(ErrorKind::InvalidAuthorization, format!("Authorization: allowed: {form}"))
        };
        let fields = authorization.trim().strip_prefix(ALGORITHM).ok_or_else(malformed)?;
        let field = |name: &str| fields.split(',').find_map(|f| f.trim().strip_prefix(name)?.strip_prefix('='));
        let date = request.header("x-date").ok_or_else(|| missing(ErrorKind::MissingRequestInfo, "X-Date"))?;
        let signature = field("Signature").ok_or_else(|| missing(ErrorKind::MissingSignature, "Signature"))?;
        Self::assemble(
            field("Credential").ok_or_else(malformed)?,
            date.trim(),
            request.parameter("X-Expires"),
            field("SignedHeaders").ok_or_else(malformed)?,
            signature,
            Form::Header,
        )
    }

    fn in_query(request: &Request<'_>) -> Result<Claim, ApiError> {
        let need = |name: &str| request.parameter(name).ok_or_else(|| missing(ErrorKind::MissingRequestInfo, name));
        if let Some(other) = request.parameter("X-Algorithm").filter(|a| *a != ALGORITHM) {
            let message = format!("X-Algorithm: {other:?} is not allowed; allowed: {ALGORITHM}");
            return Err(ApiError::new(ErrorKind::InvalidAuthorization, message));
        }
        let signature =
            request.parameter("X-Signature").ok_or_else(|| missing(ErrorKind::MissingSignature, "X-Signature"))?;
        let signed: Vec<String> = names(need("X-SignedQueries")?);
        // An unlisted parameter could be changed by anyone who sees the address.
        let unsigned = request
            .query
            .iter()
            .find(|(name, _)| !signed.contains(name) && !matches!(name.as_str(), "X-Signature" | "X-SignedQueries"));
        if let Some((name, _)) = unsigned {
            let message = format!("the query parameter {name:?} is not listed in X-SignedQueries");
            return Err(ApiError::new(ErrorKind::SignatureDoesNotMatch, message));
        }
        Self::assemble(
            need("X-Credential")?,
            need("X-Date")?,
            request.parameter("X-Expires"),
            request.parameter("X-SignedHeaders").unwrap_or_default(),
            signature,
            Form::Query { signed },
        )
    }

    fn assemble(
        credential: &str,
        date: &str,
        expires: Option<&str>,
        signed_headers: &str,
        signature: &str,
        form: Form,
    ) -> Result<Claim, ApiError> {
        let bad_scope = || {
            let message = format!("Credential: allowed: <access key>/<day of X-Date>/<region>/{SERVICE}/{TERMINATOR}");
            ApiError::new(ErrorKind::InvalidCredential, message)
        };
        let parts: Vec<&str> = credential.split('/').collect();
        let [access_key, day, region, SERVICE, TERMINATOR] = parts[..] else {
            return Err(bad_scope());
        };
        if date::parse(date).is_none() {
            let message = format!("X-Date: {date:?} is not allowed; allowed: YYYYMMDDThhmmssZ, UTC");
            return Err(ApiError::new(ErrorKind::InvalidTimestamp, message));
        }
        if access_key.is_empty() || region.is_empty() || !date.starts_with(day) || day.len() != 8 {
            return Err(bad_scope());
        }
        let expires_s = match expires {
            None => DEFAULT_EXPIRES_S,
            Some(text) => text.parse().ok().filter(|s| (1..=MAX_EXPIRES_S).contains(s)).ok_or_else(|| {
                let message = format!("X-Expires: {text:?} is not allowed; allowed: 1 to {MAX_EXPIRES_S} seconds");
                ApiError::new(ErrorKind::InvalidTimestamp, message)
            })?,
        };
        let mismatch = |_| does_not_match(access_key);
        Ok(Claim {
            access_key: access_key.to_owned(),
            region: region.to_owned(),
            date: date.to_owned(),
            expires_s,
            signed_headers: names(signed_headers).iter().map(|n| n.to_ascii_lowercase()).collect(),
            signature: hex::decode(signature).map_err(mismatch)?,
            form,
        })
    }

    /// The access key that claims to have signed.
    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    /// The region of the credential scope; any is accepted.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Whether the signature is that of `request` under `secret` and in force at `now_s` (Unix seconds).
    /// The comparison takes the same time wherever signatures differ.
    pub fn verify(&self, request: &Request<'_>, secret: &str, now_s: i64) -> Result<(), ApiError> {
        self.check_time(now_s)?;
        let blocks = match self.form {
            Form::Query { .. } if self.signed_headers.is_empty() => vec![HeaderBlock::blank_line()],
            _ => canonical_headers(request, &self.signed_headers),
        };
        let key = signing_key(secret, &self.date[..8], &self.region);
        let matches = blocks.iter().any(|block| {
            let text = self.string_to_sign(request, block);
            mac(&key, text.as_bytes()).verify_slice(&self.signature).is_ok()
        });
        if matches { Ok(()) } else { Err(does_not_match(&self.access_key)) }
    }

    fn check_time(&self, now_s: i64) -> Result<(), ApiError> {
        let signed_s = date::parse(&self.date).expect("a claim's date was read when it was made");
        let refuse = |what: String| Err(ApiError::new(ErrorKind::InvalidTimestamp, what));
        if now_s - signed_s > self.expires_s {
            refuse(format!("the signature of {} has expired; it was valid for {} s", self.date, self.expires_s))
        } else if signed_s - now_s > MAX_AHEAD_S {
            refuse(format!("the signature of {} is from the future; at most {MAX_AHEAD_S} s are allowed", self.date))
        } else {
            Ok(())
        }
    }

    fn string_to_sign(&self, request: &Request<'_>, headers: &HeaderBlock) -> String {
        let canonical = match &self.form {
            Form::Header => canonical_request(request, request.query, headers, request.body),
            Form::Query { signed } => {
                let query: Vec<_> = request.query.iter().filter(|(name, _)| signed.contains(name)).cloned().collect();
                canonical_request(request, &query, headers, b"")
            }
        };
        string_to_sign(&self.date, &self.region, &canonical)
    }
}

fn names(list: &str) -> Vec<String> {
    list.split(';').filter(|n| !n.is_empty()).map(str::to_owned).collect()
}

fn missing(kind: ErrorKind, what: &str) -> ApiError {
    ApiError::new(kind, format!("{what}: missing; the signature needs it"))
}

fn does_not_match(access_key: &str) -> ApiError {
    let message = format!("the signature is not that of this request under access key {access_key:?}");
    ApiError::new(ErrorKind::SignatureDoesNotMatch, message)
}

fn scope(date: &str, region: &str) -> String {
    format!("{}/{region}/{SERVICE}/{TERMINATOR}", &date[..8])
}

fn string_to_sign(date: &str, region: &str, canonical: &str) -> String {
    let hash = hex::encode(Sha256::digest(canonical.as_bytes()));
    format!("{ALGORITHM}\n{date}\n{}\n{hash}", scope(date, region))
}

fn mac(key: &[u8], text: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length").chain_update(text)
}

fn signing_key(secret: &str, day: &str, region: &str) -> Vec<u8> {
    [day, region, SERVICE, TERMINATOR]
        .iter()
        .fold(secret.as_bytes().to_vec(), |key, part| mac(&key, part.as_bytes()).finalize().into_bytes().to_vec())
}
