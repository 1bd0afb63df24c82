//! What single values may be.

use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde_json::Value;

use super::color::Color;
use super::wire::WireEnum;
use crate::error::ErrorKind;
use crate::ids::{AppId, BusinessId, ID_RULE, RoomId, TaskId, UserId};

/// What one value may be.
pub(super) trait Rule {
    type Out;
    /// The checked value, or `None` when it is not allowed.
    fn read(&self, value: &Value) -> Option<Self::Out>;
    /// What is allowed, in words.
    fn allowed(&self) -> String;
    /// Secrets are never repeated in messages.
    fn may_be_shown(&self) -> bool {
        true
    }
    fn missing(&self) -> ErrorKind {
        ErrorKind::InvalidParameter
    }
    fn invalid(&self, _value: &Value) -> ErrorKind {
        ErrorKind::InvalidParameter
    }
}

/// A whole number in a range.
pub(super) struct Int(pub RangeInclusive<u32>);

impl Rule for Int {
    type Out = u32;
    fn read(&self, value: &Value) -> Option<u32> {
        let number = u32::try_from(value.as_u64()?).ok()?;
        self.0.contains(&number).then_some(number)
    }
    fn allowed(&self) -> String {
        format!("an integer from {} to {}", self.0.start(), self.0.end())
    }
}

/// A whole number in a range that reaches below 0.
pub(super) struct Signed(pub RangeInclusive<i32>);

impl Rule for Signed {
    type Out = i32;
    fn read(&self, value: &Value) -> Option<i32> {
        let number = i32::try_from(value.as_i64()?).ok()?;
        self.0.contains(&number).then_some(number)
    }
    fn allowed(&self) -> String {
        format!("an integer from {} to {}", self.0.start(), self.0.end())
    }
}

/// An even number of pixels, 2 to 1920: the side of a canvas.
pub(super) struct Side;

impl Rule for Side {
    type Out = u32;
    fn read(&self, value: &Value) -> Option<u32> {
        Int(2..=1920).read(value).filter(|side| side % 2 == 0)
    }
    fn allowed(&self) -> String {
        "an even integer from 2 to 1920".to_owned()
    }
}

/// A real number between 0 and 1, each end taking part or not.
pub(super) struct Share {
    pub zero: bool,
    pub one: bool,
}

impl Rule for Share {
    type Out = f32;
    fn read(&self, value: &Value) -> Option<f32> {
        let share = value.as_f64()? as f32;
        let inside = share > 0.0 && share < 1.0;
        (inside || (self.zero && share == 0.0) || (self.one && share == 1.0)).then_some(share)
    }
    fn allowed(&self) -> String {
        let (open, close) = (if self.zero { '[' } else { '(' }, if self.one { ']' } else { ')' });
        format!("a number in {open}0, 1{close}")
    }
}

/// `true` or `false`.
pub(super) struct Bool;

impl Rule for Bool {
    type Out = bool;
    fn read(&self, value: &Value) -> Option<bool> {
        value.as_bool()
    }
    fn allowed(&self) -> String {
        "true or false".to_owned()
    }
}

/// One of an enumeration's numbers.
pub(super) struct Choice<T>(pub PhantomData<T>);

/// A rule for the numbers of `T`.
pub(super) fn choice<T: WireEnum>() -> Choice<T> {
    Choice(PhantomData)
}

impl<T: WireEnum> Rule for Choice<T> {
    type Out = T;
    fn read(&self, value: &Value) -> Option<T> {
        u8::try_from(value.as_u64()?).ok().and_then(T::from_wire)
    }
    fn allowed(&self) -> String {
        let all: Vec<_> = T::ALL.iter().map(|t| format!("{} ({t:?})", t.wire())).collect();
        all.join(", ")
    }
}

/// One of some numbers, given as a number or as its digits in a string.
pub(super) struct OneOf(pub Vec<u32>);

impl Rule for OneOf {
    type Out = u32;
    fn read(&self, value: &Value) -> Option<u32> {
        let number = match value {
            Value::String(digits) => digits.parse().ok()?,
            other => u32::try_from(other.as_u64()?).ok()?,
        };
        self.0.contains(&number).then_some(number)
    }
    fn allowed(&self) -> String {
        let all: Vec<_> = self.0.iter().map(u32::to_string).collect();
        format!("one of {}", all.join(", "))
    }
}

/// Text of a given form.
pub(super) struct Text {
    pub form: fn(&str) -> bool,
    pub allowed: &'static str,
}

impl Rule for Text {
    type Out = String;
    fn read(&self, value: &Value) -> Option<String> {
        value.as_str().filter(|s| (self.form)(s)).map(str::to_owned)
    }
    fn allowed(&self) -> String {
        self.allowed.to_owned()
    }
}

/// One of some words, each of which stands for a value.
pub(super) struct Word<T: 'static>(pub &'static [(&'static str, T)]);

impl<T: Copy> Rule for Word<T> {
    type Out = T;
    fn read(&self, value: &Value) -> Option<T> {
        let text = value.as_str()?;
        self.0.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning)
    }
    fn allowed(&self) -> String {
        let quoted: Vec<_> = self.0.iter().map(|(word, _)| format!("{word:?}")).collect();
        match quoted.split_last() {
            Some((last, before)) if !before.is_empty() => format!("{} or {last}", before.join(", ")),
            _ => quoted.concat(),
        }
    }
}

/// `#RRGGBB`.
pub(super) struct Hue;

impl Rule for Hue {
    type Out = Color;
    fn read(&self, value: &Value) -> Option<Color> {
        value.as_str()?.parse().ok()
    }
    fn allowed(&self) -> String {
        "#RRGGBB".to_owned()
    }
}

/// One of the id types.
pub(super) struct Id<T>(PhantomData<T>, ErrorKind, ErrorKind);

/// The rule of `AppId`.
pub(super) fn app_id() -> Id<AppId> {
    Id(PhantomData, ErrorKind::NoAppId, ErrorKind::IllegalAppId)
}

/// The rule of `RoomId`.
pub(super) fn room_id() -> Id<RoomId> {
    Id(PhantomData, ErrorKind::NoRoomId, ErrorKind::IllegalRoomId)
}

/// The rule of `TaskId`.
pub(super) fn task_id() -> Id<TaskId> {
    Id(PhantomData, ErrorKind::InvalidParameter, ErrorKind::InvalidParameter)
}

/// The rule of `UserId`.
pub(super) fn user_id() -> Id<UserId> {
    Id(PhantomData, ErrorKind::NoUserId, ErrorKind::InvalidParameter)
}

/// The rule of `BusinessId`; an empty one is `None`, as clients send it when it is not set.
pub(super) struct Business;

impl Rule for Business {
    type Out = Option<BusinessId>;
    fn read(&self, value: &Value) -> Option<Option<BusinessId>> {
        match value.as_str()? {
            "" => Some(None),
            text => text.parse().ok().map(Some),
        }
    }
    fn allowed(&self) -> String {
        ID_RULE.to_owned()
    }
}

impl<T: FromStr> Rule for Id<T> {
    type Out = T;
    fn read(&self, value: &Value) -> Option<T> {
        value.as_str()?.parse().ok()
    }
    fn allowed(&self) -> String {
        ID_RULE.to_owned()
    }
    fn missing(&self) -> ErrorKind {
        self.1
    }
    fn invalid(&self, _value: &Value) -> ErrorKind {
        self.2
    }
}

/// The address of a picture; an empty one is `None`.
pub(super) struct Url;

impl Rule for Url {
    type Out = Option<String>;
    fn read(&self, value: &Value) -> Option<Option<String>> {
        let text = value.as_str()?;
        let is_address = text.len() <= 1024 && (text.starts_with("http://") || text.starts_with("https://"));
        (text.is_empty() || is_address).then(|| Some(text.to_owned()).filter(|t| !t.is_empty()))
    }
    fn allowed(&self) -> String {
        "an address beginning with http:// or https:// of at most 1024 bytes".to_owned()
    }
}
