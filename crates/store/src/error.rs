//! What can go wrong, told by what the caller can do about it.

use std::fmt;

/// What a caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No such row.
    NotFound,
    /// The rows do not allow it; repeating does not help.
    Conflict,
    /// The store cannot be reached or written now (busy, disk full, no permission); later it may work.
    Unavailable,
    /// The stored data is not what this program writes.
    Corrupt,
    /// A fault of this program.
    Internal,
}

/// Whether a failed call may have changed the store all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// Certainly not.
    No,
    /// The commit itself failed: ask, or repeat the call (all of them may be repeated).
    Maybe,
}

/// An error of a store.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    written: Written,
    what: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, written: Written::No, what: what.into(), source: None }
    }

    /// The error of a failed commit.
    pub(crate) fn commit(error: sqlx::Error) -> Self {
        Self { written: Written::Maybe, ..Self::from(error) }
    }

    /// What can be done about it.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether the change may have happened.
    pub fn written(&self) -> Written {
        self.written
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let (kind, what) = match &error {
            sqlx::Error::Database(fault) => (database_kind(fault.as_ref()), format!("database: {}", fault.message())),
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
                (Kind::Unavailable, format!("database: {error}"))
            }
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
                (Kind::Corrupt, format!("a stored row is not readable: {error}"))
            }
            _ => (Kind::Internal, format!("database: {error}")),
        };
        Self { kind, written: Written::No, what, source: Some(Box::new(error)) }
    }
}

impl From<sqlx::migrate::MigrateError> for Error {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        use sqlx::migrate::MigrateError as M;
        let (kind, what) = match error {
            M::Execute(error) | M::ExecuteMigration(error, _) => return error.into(),
            M::VersionMissing(version) | M::VersionTooNew(version, _) => {
                (Kind::Conflict, format!("the database has schema version {version}: a newer tapedeck wrote it"))
            }
            M::VersionMismatch(_) | M::Dirty(_) => (Kind::Corrupt, format!("database schema: {error}")),
            _ => (Kind::Internal, format!("database schema: {error}")),
        };
        Self::new(kind, what)
    }
}

/// SQLite's primary result codes, <https://www.sqlite.org/rescode.html>.
fn database_kind(fault: &dyn sqlx::error::DatabaseError) -> Kind {
    if !matches!(fault.kind(), sqlx::error::ErrorKind::Other) {
        return Kind::Conflict;
    }
    let code = fault.code().and_then(|code| code.parse::<u32>().ok()).map(|code| code & 0xff);
    match code {
        // PERM, BUSY, LOCKED, READONLY, IOERR, FULL, CANTOPEN
        Some(3 | 5 | 6 | 8 | 10 | 13 | 14) => Kind::Unavailable,
        // CORRUPT, NOTADB
        Some(11 | 26) => Kind::Corrupt,
        _ => Kind::Internal,
    }
}
