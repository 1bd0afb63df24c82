//! Reading a JSON body field by field: every refusal names the field's path, the value and what is allowed.

use serde_json::{Map, Value};

use super::rule::Rule;
use crate::error::{ApiError, ErrorKind};

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
