//! The names that callers choose: checked once, then carried as types.
//!
//! Every id obeys `[a-zA-Z0-9_@\-\.]{1,128}` and is case-sensitive. Note that `.` and `..` are legal ids, so an
//! id alone must never become a path component.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The rule of every id, in words for error messages.
pub const ID_RULE: &str = "1 to 128 characters out of a-z A-Z 0-9 _ @ - .";

const MAX_ID_LEN: usize = 128;

/// The text is not an id; see [`ID_RULE`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid id; allowed: {ID_RULE}")]
pub struct BadId;

fn is_id(text: &str) -> bool {
    (1..=MAX_ID_LEN).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'@' | b'-' | b'.'))
}

macro_rules! id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;
            fn try_from(text: String) -> Result<Self, BadId> {
                if is_id(&text) { Ok(Self(text)) } else { Err(BadId) }
            }
        }

        impl std::str::FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// An application (tenant).
    AppId
);
id!(
    /// A room of an app.
    RoomId
);
id!(
    /// A user of a room; the participant identity of the room protocol.
    UserId
);
id!(
    /// A task's name, chosen by the caller; unique within its room.
    TaskId
);
id!(
    /// A business tag of an app.
    BusinessId
);

/// What identifies a task: the same `TaskId` may be used again in other rooms and apps.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TaskKey {
    /// The app.
    pub app_id: AppId,
    /// The room.
    pub room_id: RoomId,
    /// The task within the room.
    pub task_id: TaskId,
}

impl fmt::Display for TaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.app_id, self.room_id, self.task_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_the_whole_alphabet_and_both_length_limits() {
        for good in ["a", "aZ09_@-.", "..", &"x".repeat(128)] {
            assert_eq!(good.parse::<RoomId>().unwrap().as_str(), good);
        }
    }

    #[test]
    fn refuses_everything_else() {
        for bad in ["", " ", "a/b", "a b", "é", "a\0", "名", &"x".repeat(129)] {
            assert_eq!(bad.parse::<RoomId>(), Err(BadId), "{bad:?}");
        }
        assert!(serde_json::from_str::<TaskId>("\"a/b\"").is_err());
    }
}
