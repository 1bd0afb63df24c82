//! What the OpenAPI answers when it refuses: one table from a kind of error to its code, its gateway number and
//! its HTTP status.

use crate::request::Version;

/// A refusal as the caller sees it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", .kind.code())]
pub struct ApiError {
    /// What went wrong, which decides code and status.
    pub kind: ErrorKind,
    /// For people: what was found, where, and what is allowed.
    pub message: String,
}

impl ApiError {
    /// A refusal of `kind` with `message`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// Who detects the error: the platform's gateway before the call, or the recording service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Gateway,
    Service,
}
use Origin::{Gateway, Service};

macro_rules! error_kinds {
    ($($(#[$meta:meta])* $kind:ident => ($origin:ident, $code:literal, $number:expr, $status:literal),)+) => {
        /// Every kind of error the OpenAPI can answer.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorKind { $($(#[$meta])* $kind,)+ }

        impl ErrorKind {
            /// All kinds, in the order of the table.
            pub const ALL: &[ErrorKind] = &[$(ErrorKind::$kind,)+];

            fn row(self) -> (Origin, &'static str, Option<u32>, u16) {
                match self { $(ErrorKind::$kind => ($origin, $code, $number, $status),)+ }
            }
        }
    };
}

error_kinds! {
    /// The query names no action.
    NoAction => (Gateway, "MissingParameter.NoAction", Some(100002), 400),
    /// The query names no version.
    NoVersion => (Gateway, "MissingParameter.NoVersion", Some(100002), 400),
    /// The request is not signed at all.
    MissingAuthenticationToken => (Gateway, "MissingAuthenticationToken", Some(100003), 401),
    /// Something the signature needs is absent, such as `X-Date`.
    MissingRequestInfo => (Gateway, "MissingRequestInfo", Some(100004), 400),
    /// Credentials without a signature.
    MissingSignature => (Gateway, "MissingSignature", Some(100005), 401),
    /// Signed too long ago, or in the future.
    InvalidTimestamp => (Gateway, "InvalidTimestamp", Some(100006), 400),
    /// No such path.
    ServiceNotFound => (Gateway, "ServiceNotFound", Some(100007), 404),
    /// No such action, version, or method of an action.
    InvalidActionOrVersion => (Gateway, "InvalidActionOrVersion", Some(100008), 404),
    /// The access key is not known.
    InvalidAccessKey => (Gateway, "InvalidAccessKey", Some(100009), 401),
    /// The signature is not that of this request under the named key.
    SignatureDoesNotMatch => (Gateway, "SignatureDoesNotMatch", Some(100010), 401),
    /// The `Authorization` header cannot be read.
    InvalidAuthorization => (Gateway, "InvalidAuthorization", None, 400),
    /// The credential scope is malformed or for another service.
    InvalidCredential => (Gateway, "InvalidCredential", None, 400),
    /// A temporary credential; none are issued here.
    InvalidSecretToken => (Gateway, "InvalidSecretToken", None, 401),
    /// The body is larger than the server reads.
    BodyTooLarge => (Gateway, "InvalidParameter.BodyTooLarge", None, 413),
    /// The body did not arrive in time.
    BodyTimeout => (Gateway, "InvalidParameter.BodyTimeout", None, 408),
    /// Our fault.
    InternalError => (Gateway, "InternalError", Some(100014), 500),

    /// A parameter is wrong; the message names it.
    InvalidParameter => (Service, "InvalidParameter", None, 400),
    /// The body is empty.
    BodyIsEmpty => (Service, "InvalidParameter.BodyIsEmpty", None, 400),
    /// The body is not a JSON object.
    Unmarshal => (Service, "InvalidParameter.Unmarshal", None, 400),
    /// Valid, but this server cannot do it yet.
    NotAvailableYet => (Service, "InvalidParameter.NotAvailableYet", None, 400),
    /// `AppId` is absent.
    NoAppId => (Service, "MissingParameter.NoAppId", None, 400),
    /// `RoomId` is absent.
    NoRoomId => (Service, "MissingParameter.NoRoomId", None, 400),
    /// `UserId` is absent.
    NoUserId => (Service, "MissingParameter.NoUserId", None, 400),
    /// A storage's `AccountId` is absent.
    NoAccount => (Service, "MissingParameter.NoAccount", None, 400),
    /// `AppId` is not an id.
    IllegalAppId => (Service, "InvalidParameter.IllegalAppId", None, 400),
    /// `RoomId` is not an id.
    IllegalRoomId => (Service, "InvalidParameter.IllegalRoomID", None, 400),
    /// A storage's `AccountId` is empty.
    EmptyAccountId => (Service, "InvalidParameter.EmptyAccountId", None, 400),
    /// The app is not known here.
    NotExistAppId => (Service, "InvalidParameter.NotExistAppId", None, 400),
    /// The app belongs to another access key.
    NoPermissionForApp => (Service, "AccessDenied.NoPermissionForApp", None, 403),
    /// Recording is switched off for the app.
    RecordNotEnabled => (Service, "AccessDenied.RecordNotEnabled", None, 403),
    /// The task runs already (versions before 2023-11-01).
    TaskAlreadyExists => (Service, "InvalidParameter.TaskAlreadyExists", None, 400),
    /// No such task, or it has ended.
    ActiveTaskNotFound => (Service, "InvalidParameter.ErrorActiveTaskNotFound", None, 400),
    /// A single-stream task cannot be updated.
    UpdateSingleStream => (Service, "UpdateError.UpdateSingleStreamRecordNotSupported", None, 400),
    /// Only a mixed task with a custom layout can be updated.
    UpdateLayout => (Service, "UpdateError.CurrentLayoutNotSupported", None, 400),
    /// Two operations on one task at the same time.
    Parallel => (Service, "InternalError.Parallel", None, 409),
    /// Too many calls of one action.
    QpsOverLimit => (Service, "FlowLimitExceeded.QPSOverLimit", None, 429),
    /// The server has as many tasks as it can record.
    TaskNumberOverLimit => (Service, "FlowLimitExceeded.TaskNumberOverLimit", None, 429),
    /// The server has as many requests in hand as it takes.
    ReachRateLimit => (Service, "InternalError.ReachRateLimit", None, 503),
}

impl ErrorKind {
    /// `ResponseMetadata.Error.Code`.
    pub fn code(self) -> &'static str {
        self.row().1
    }

    /// `ResponseMetadata.Error.CodeN`, where the platform documents one.
    pub fn code_n(self) -> Option<u32> {
        self.row().2
    }

    /// The HTTP status under `version`.
    ///
    /// Versions before 2023-11-01 let an error travel under status 200, and clients of those versions look into
    /// the body; there, 2023-06-01 gives 400 to `InvalidParameter` only and its elders to nothing the caller did
    /// wrong. What the gateway refuses, rate limits and our own faults have their status in every version.
    pub fn status(self, version: Version) -> u16 {
        let (origin, code, _, status) = self.row();
        let callers_fault = origin == Service && (400..429).contains(&status);
        let hidden = match version {
            Version::V2020_12_01 | Version::V2022_06_01 => true,
            Version::V2023_06_01 => !code.starts_with("InvalidParameter"),
            Version::V2023_11_01 => false,
        };
        if callers_fault && hidden { 200 } else { status }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_statuses_are_errors() {
        let mut codes: Vec<_> = ErrorKind::ALL.iter().map(|k| k.code()).collect();
        codes.sort_unstable();
        let len = codes.len();
        codes.dedup();
        assert_eq!(codes.len(), len);
        for kind in ErrorKind::ALL {
            assert!((400..=503).contains(&kind.status(Version::V2023_11_01)), "{kind:?}");
        }
    }

    #[test]
    fn status_depends_on_the_version() {
        use Version::*;
        let statuses = |k: ErrorKind| [V2020_12_01, V2022_06_01, V2023_06_01, V2023_11_01].map(|v| k.status(v));
        assert_eq!(statuses(ErrorKind::InvalidParameter), [200, 200, 400, 400]);
        assert_eq!(statuses(ErrorKind::ActiveTaskNotFound), [200, 200, 400, 400]);
        assert_eq!(statuses(ErrorKind::UpdateSingleStream), [200, 200, 200, 400]);
        assert_eq!(statuses(ErrorKind::NoPermissionForApp), [200, 200, 200, 403]);
        assert_eq!(statuses(ErrorKind::SignatureDoesNotMatch), [401; 4]);
        assert_eq!(statuses(ErrorKind::QpsOverLimit), [429; 4]);
        assert_eq!(statuses(ErrorKind::BodyTooLarge), [413; 4]);
        assert_eq!(statuses(ErrorKind::InternalError), [500; 4]);
    }
}
