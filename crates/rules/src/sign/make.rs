//! Signing, as a client does it.

use hmac::Mac;
use sha2::{Digest, Sha256};

use super::canonical::{HeaderBlock, canonical_headers, canonical_request};
use super::{ALGORITHM, Request, date, mac, scope, signing_key, string_to_sign};

/// A key that signs requests.
#[derive(Clone)]
pub struct Signer {
    /// Access key.
    pub access_key: String,
    /// Secret key.
    pub secret: String,
    /// Region of the credential scope, such as `cn-north-1`.
    pub region: String,
}

impl Signer {
    /// The headers that sign `request` at `now_s` (Unix seconds): `x-date`, `x-content-sha256`, `authorization`.
    /// Signed are those two and, where the request has them, `content-type` and `host`.
    pub fn headers(&self, request: &Request<'_>, now_s: i64) -> Vec<(String, String)> {
        let date = date::format(now_s);
        let mut added = vec![
            ("x-date".to_owned(), date.clone()),
            ("x-content-sha256".to_owned(), hex::encode(Sha256::digest(request.body))),
        ];
        let mut headers = request.headers.to_vec();
        headers.retain(|(name, _)| matches!(name.as_str(), "host" | "content-type"));
        headers.extend(added.clone());
        headers.sort_unstable();
        let names: Vec<String> = headers.iter().map(|(name, _)| name.clone()).collect();
        let request = Request { headers: &headers, ..*request };
        let block = &canonical_headers(&request, &names)[0];
        let canonical = canonical_request(&request, request.query, block, request.body);
        let credential = self.credential(&date);
        let signature = self.signature(&date, &canonical);
        let names = names.join(";");
        added.push((
            "authorization".to_owned(),
            format!("{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"),
        ));
        added
    }

    /// The parameters of `request` and those that sign them at `now_s`, all in its query; the body stays unsigned.
    pub fn query(&self, request: &Request<'_>, now_s: i64) -> Vec<(String, String)> {
        let date = date::format(now_s);
        let mut query = request.query.to_vec();
        for (name, value) in [
            ("X-Algorithm", ALGORITHM),
            ("X-Credential", &self.credential(&date)),
            ("X-Date", &date),
            ("X-NotSignBody", ""),
            ("X-SignedHeaders", ""),
        ] {
            query.push((name.to_owned(), value.to_owned()));
        }
        let mut names: Vec<&str> = query.iter().map(|(name, _)| name.as_str()).chain(["X-SignedQueries"]).collect();
        names.sort_unstable();
        let names = names.join(";");
        query.push(("X-SignedQueries".to_owned(), names));
        let canonical = canonical_request(request, &query, &HeaderBlock::blank_line(), b"");
        query.push(("X-Signature".to_owned(), self.signature(&date, &canonical)));
        query
    }

    fn credential(&self, date: &str) -> String {
        format!("{}/{}", self.access_key, scope(date, &self.region))
    }

    fn signature(&self, date: &str, canonical: &str) -> String {
        let key = signing_key(&self.secret, &date[..8], &self.region);
        let text = string_to_sign(date, &self.region, canonical);
        hex::encode(mac(&key, text.as_bytes()).finalize().into_bytes())
    }
}
