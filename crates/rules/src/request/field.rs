//! Reading a JSON body field by field: a rule says what a value may be, and every refusal names the field's
//! path, the value and what is allowed.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::wire::WireEnum;
use crate::error::{ApiError, ErrorKind};
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

/// An object of the body and where it stands.
pub(super) struct Fields<'a> {
    object: Option<&'a Map<String, Value>>,
    path: String,
    lenient: bool,
}

impl<'a> Fields<'a> {
    /// The body itself. `lenient`: an invalid optional scalar counts as absent.
    pub fn body(body: &'a Value, lenient: bool) -> Result<Self, ApiError> {
        let object = body.as_object().ok_or_else(|| {
            ApiError::new(ErrorKind::Unmarshal, format!("the body is {}; allowed: a JSON object", shown(body)))
        })?;
        Ok(Self { object: Some(object), path: String::new(), lenient })
    }

    /// Where this object stands in the body.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether an invalid optional scalar counts as absent.
    pub fn is_lenient(&self) -> bool {
        self.lenient
    }

    /// Whether field `name` is there and not null.
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    fn value(&self, name: &str) -> Option<&'a Value> {
        self.object?.get(name).filter(|v| !v.is_null())
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// A refusal of field `name` for a reason that no single value shows.
    pub fn refuse(&self, name: &str, reason: &str) -> ApiError {
        ApiError::new(ErrorKind::InvalidParameter, format!("{}: {reason}", self.path_of(name)))
    }

    fn refuse_value<R: Rule>(&self, name: &str, value: &Value, rule: &R) -> ApiError {
        let found = if rule.may_be_shown() { shown(value) } else { "the given value".to_owned() };
        ApiError::new(
            rule.invalid(value),
            format!("{}: {found} is not allowed; allowed: {}", self.path_of(name), rule.allowed()),
        )
    }

    /// The first of two spellings unless only the second is there.
    pub fn either<'n>(&self, name: &'n str, alias: &'n str) -> &'n str {
        if !self.has(name) && self.has(alias) { alias } else { name }
    }

    /// A field that must be there and valid in every version.
    pub fn required<R: Rule>(&self, name: &str, rule: R) -> Result<R::Out, ApiError> {
        match self.value(name) {
            None => Err(ApiError::new(
                rule.missing(),
                format!("{}: missing; allowed: {}", self.path_of(name), rule.allowed()),
            )),
            Some(value) => rule.read(value).ok_or_else(|| self.refuse_value(name, value, &rule)),
        }
    }

    /// A field that may be absent, but not invalid in any version.
    pub fn checked<R: Rule>(&self, name: &str, rule: R) -> Result<Option<R::Out>, ApiError> {
        self.value(name).map(|_| self.required(name, rule)).transpose()
    }

    /// A field that may be absent; invalid counts as absent where the version is lenient.
    pub fn optional<R: Rule>(&self, name: &str, rule: R) -> Result<Option<R::Out>, ApiError> {
        match self.checked(name, rule) {
            Err(_) if self.lenient => Ok(None),
            other => other,
        }
    }

    /// Like [`Fields::optional`] with a default.
    pub fn or<R: Rule>(&self, name: &str, rule: R, default: R::Out) -> Result<R::Out, ApiError> {
        Ok(self.optional(name, rule)?.unwrap_or(default))
    }

    /// The object in field `name`, if there is one. Another type is refused in every version.
    pub fn object(&self, name: &str) -> Result<Option<Fields<'a>>, ApiError> {
        self.value(name).map(|value| self.within(self.path_of(name), value)).transpose()
    }

    /// The object in field `name`, or one without fields.
    pub fn object_or_empty(&self, name: &str) -> Result<Fields<'a>, ApiError> {
        Ok(self.object(name)?.unwrap_or(Fields { object: None, path: self.path_of(name), lenient: self.lenient }))
    }

    /// The objects in list `name`; an absent list is empty.
    pub fn list(&self, name: &str) -> Result<Vec<Fields<'a>>, ApiError> {
        let path = self.path_of(name);
        match self.value(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => {
                items.iter().enumerate().map(|(i, item)| self.within(format!("{path}[{i}]"), item)).collect()
            }
            Some(other) => {
                Err(self.refuse(name, &format!("{} is not allowed; allowed: a list of objects", shown(other))))
            }
        }
    }

    fn within(&self, path: String, value: &'a Value) -> Result<Fields<'a>, ApiError> {
        let object = value.as_object().ok_or_else(|| {
            let message = format!("{path}: {} is not allowed; allowed: an object", shown(value));
            ApiError::new(ErrorKind::InvalidParameter, message)
        })?;
        Ok(Fields { object: Some(object), path, lenient: self.lenient })
    }

    /// The names of all fields.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.object.into_iter().flat_map(|o| o.keys().map(String::as_str))
    }
}

/// A value as a message shows it: JSON, shortened.
fn shown(value: &Value) -> String {
    const MAX_CHARS: usize = 64;
    match value {
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        scalar => {
            let text = scalar.to_string();
            if text.chars().count() <= MAX_CHARS {
                text
            } else {
                text.chars().take(MAX_CHARS).chain("…".chars()).collect()
            }
        }
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
pub(super) struct Choice<T>(pub std::marker::PhantomData<T>);

/// A rule for the numbers of `T`.
pub(super) fn choice<T: WireEnum>() -> Choice<T> {
    Choice(std::marker::PhantomData)
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

/// One of the id types.
pub(super) struct Id<T>(std::marker::PhantomData<T>, ErrorKind, ErrorKind);

/// The rule of `AppId`.
pub(super) fn app_id() -> Id<AppId> {
    Id(std::marker::PhantomData, ErrorKind::NoAppId, ErrorKind::IllegalAppId)
}

/// The rule of `RoomId`.
pub(super) fn room_id() -> Id<RoomId> {
    Id(std::marker::PhantomData, ErrorKind::NoRoomId, ErrorKind::IllegalRoomId)
}

/// The rule of `TaskId`.
pub(super) fn task_id() -> Id<TaskId> {
    Id(std::marker::PhantomData, ErrorKind::InvalidParameter, ErrorKind::InvalidParameter)
}

/// The rule of `UserId`.
pub(super) fn user_id() -> Id<UserId> {
    Id(std::marker::PhantomData, ErrorKind::NoUserId, ErrorKind::InvalidParameter)
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

impl<T: std::str::FromStr> Rule for Id<T> {
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
