//! Who may call for which app.

use std::collections::{BTreeMap, BTreeSet};

use rules::error::{ApiError, ErrorKind};
use rules::ids::AppId;

/// An app as the OpenAPI sees it.
#[derive(Clone)]
pub struct App {
    /// `AppId` of requests.
    pub id: AppId,
    /// Whoever signs with one of them may call for the app. A key may belong to several apps.
    pub access_keys: Vec<AccessKey>,
    /// Whether tasks may be started.
    pub recording: bool,
}

/// A key pair.
#[derive(Clone)]
pub struct AccessKey {
    /// What requests name.
    pub id: String,
    /// What they are signed with.
    pub secret: String,
}

/// One access key was given with two secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("access key {0:?} has two different secrets")]
pub struct KeyConflict(pub String);

struct Holder {
    secret: String,
    apps: BTreeSet<AppId>,
}

/// All apps and keys.
pub struct Apps {
    recording: BTreeMap<AppId, bool>,
    holders: BTreeMap<String, Holder>,
}

impl Apps {
    /// Gathers apps by key.
    pub fn new(apps: impl IntoIterator<Item = App>) -> Result<Self, KeyConflict> {
        let mut recording = BTreeMap::new();
        let mut holders: BTreeMap<String, Holder> = BTreeMap::new();
        for app in apps {
            for key in app.access_keys {
                let secret = key.secret;
                let holder = holders
                    .entry(key.id.clone())
                    .or_insert_with(|| Holder { secret: secret.clone(), apps: BTreeSet::new() });
                if holder.secret != secret {
                    return Err(KeyConflict(key.id));
                }
                holder.apps.insert(app.id.clone());
            }
            recording.insert(app.id, app.recording);
        }
        Ok(Self { recording, holders })
    }

    /// The secret of an access key.
    pub(super) fn secret(&self, access_key: &str) -> Result<&str, ApiError> {
        self.holders.get(access_key).map(|h| h.secret.as_str()).ok_or_else(|| {
            ApiError::new(ErrorKind::InvalidAccessKey, format!("access key {access_key:?} is not known"))
        })
    }

    /// Whether a proven access key may call for the app.
    pub(super) fn permit(&self, access_key: &str, app: &AppId) -> Result<(), ApiError> {
        if !self.recording.contains_key(app) {
            return Err(ApiError::new(ErrorKind::NotExistAppId, format!("AppId: \"{app}\" is not known")));
        }
        match self.holders.get(access_key) {
            Some(holder) if holder.apps.contains(app) => Ok(()),
            _ => Err(ApiError::new(
                ErrorKind::NoPermissionForApp,
                format!("AppId: \"{app}\" does not belong to access key {access_key:?}"),
            )),
        }
    }

    /// Whether tasks may be started for the app.
    pub(super) fn check_recording(&self, app: &AppId) -> Result<(), ApiError> {
        match self.recording.get(app) {
            Some(true) => Ok(()),
            _ => {
                Err(ApiError::new(ErrorKind::RecordNotEnabled, format!("recording is switched off for app \"{app}\"")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(id: &str, keys: &[(&str, &str)]) -> App {
        let access_keys =
            keys.iter().map(|(id, secret)| AccessKey { id: id.to_string(), secret: secret.to_string() }).collect();
        App { id: id.parse().unwrap(), access_keys, recording: id != "off" }
    }

    #[test]
    fn a_key_calls_for_its_apps_only() {
        let apps = Apps::new([app("a", &[("k", "s")]), app("b", &[("k", "s"), ("l", "t")]), app("off", &[])]).unwrap();
        let permit = |key: &str, id: &str| apps.permit(key, &id.parse().unwrap()).map_err(|e| e.kind);
        assert_eq!((permit("k", "a"), permit("k", "b"), permit("l", "b")), (Ok(()), Ok(()), Ok(())));
        assert_eq!(permit("l", "a"), Err(ErrorKind::NoPermissionForApp));
        assert_eq!(permit("k", "off"), Err(ErrorKind::NoPermissionForApp));
        assert_eq!(permit("k", "c"), Err(ErrorKind::NotExistAppId));
        assert_eq!(apps.secret("l"), Ok("t"));
        assert_eq!(apps.secret("x").unwrap_err().kind, ErrorKind::InvalidAccessKey);
        assert_eq!(apps.check_recording(&"a".parse().unwrap()), Ok(()));
        assert_eq!(apps.check_recording(&"off".parse().unwrap()).unwrap_err().kind, ErrorKind::RecordNotEnabled);
    }

    #[test]
    fn a_key_has_one_secret() {
        let conflict = Apps::new([app("a", &[("k", "s")]), app("b", &[("k", "t")])]).err();
        assert_eq!(conflict, Some(KeyConflict("k".to_owned())));
    }
}
