//! `StorageConfig`: where finished files go.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

use super::Version;
use super::field::Fields;
use super::rule::{Bool, OneOf, Rule, Text, choice};
use super::wire::{WireEnum, wire_enum};
use crate::error::{ApiError, ErrorKind};

/// The storage of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// The vendor's object storage.
    Tos(Tos),
    /// Video on demand; here the local media library.
    Vod(Vod),
    /// An S3-compatible bucket elsewhere.
    Custom(Custom),
}

wire_enum! {
    /// `StorageConfig.Type` without 3 (veImageX), which takes snapshots only.
    StorageType {
        /// TOS.
        Tos = 0,
        /// VOD.
        Vod = 1,
        /// Third party.
        Custom = 2,
    }
}

/// `TosConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct Tos {
    /// The main account's id.
    pub account_id: String,
    /// Index into the vendor's table, 0 to 3.
    pub region: u32,
    /// Bucket.
    pub bucket: String,
}

/// `VodConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct Vod {
    /// The main account's id.
    pub account_id: String,
    /// Space; a plain word that is safe as the name of a folder.
    pub space: String,
    /// Index into the vendor's table, 0 or 1.
    pub region: u32,
    /// Storage class.
    pub storage_class: VodClass,
    /// Whether VOD itself appends the extension.
    pub auto_set_file_extension: bool,
}

wire_enum! {
    /// `VodConfig.StorageClass`.
    VodClass {
        /// Standard.
        Standard = 1,
        /// Archive.
        Archive = 2,
        /// Infrequent access.
        Infrequent = 3,
    }
}

/// `CustomConfig`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct Custom {
    /// Whose bucket.
    pub vendor: Vendor,
    /// Index into that vendor's table.
    pub region: u32,
    /// Bucket.
    pub bucket: String,
    /// Access key.
    pub access_key: Secret,
    /// Secret key.
    pub secret_key: Secret,
    /// Temporary session token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_token: Option<Secret>,
}

wire_enum! {
    /// `CustomConfig.Vendor`.
    Vendor {
        /// Amazon S3.
        AmazonS3 = 0,
        /// Aliyun OSS.
        AliyunOss = 1,
        /// Huawei OBS.
        HuaweiObs = 2,
        /// Tencent COS.
        TencentCos = 3,
        /// Qiniu Kodo.
        QiniuKodo = 4,
    }
}

impl Vendor {
    /// The region numbers that can be used.
    fn regions(self) -> Vec<u32> {
        match self {
            Self::AmazonS3 => (0..=24).filter(|n| ![7, 9, 17, 23].contains(n)).collect(),
            Self::AliyunOss => (0..=23).filter(|n| *n != 16).collect(),
            Self::HuaweiObs => vec![1, 3, 5, 6, 11, 14],
            Self::TencentCos => (1..=10).collect(),
            Self::QiniuKodo => (0..=3).collect(),
        }
    }
}

/// A key that log lines and messages never show. It is written in full where a request is serialised, since the
/// uploader needs it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The key itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(key: String) -> Self {
        Self(key)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Serialize for Storage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let document = match self {
            Storage::Tos(tos) => json!({ "Type": StorageType::Tos.wire(), "TosConfig": tos }),
            Storage::Vod(vod) => json!({ "Type": StorageType::Vod.wire(), "VodConfig": vod }),
            Storage::Custom(custom) => json!({ "Type": StorageType::Custom.wire(), "CustomConfig": custom }),
        };
        document.serialize(serializer)
    }
}

/// Reads the storage: `StorageConfig`, or `Vod` at the top in 2020-12-01.
pub(super) fn storage(body: &Fields<'_>, version: Version) -> Result<Storage, ApiError> {
    if version == Version::V2020_12_01 {
        let block = body.object("Vod")?.ok_or_else(|| body.refuse("Vod", "missing; allowed: {AccountId, Space}"))?;
        return vod(&block, version).map(Storage::Vod);
    }
    let f = body.object("StorageConfig")?.ok_or_else(|| {
        body.refuse("StorageConfig", "missing; allowed: {Type, and TosConfig, VodConfig or CustomConfig}")
    })?;
    let kind = f.or("Type", choice(), StorageType::Tos)?;
    let block = |name: &str| {
        let missing = format!("missing; required by StorageConfig.Type {}", kind.wire());
        f.object(name)?.ok_or_else(|| f.refuse(name, &missing))
    };
    Ok(match kind {
        StorageType::Tos => {
            let f = block("TosConfig")?;
            Storage::Tos(Tos {
                account_id: account_id(&f)?,
                region: f.or("Region", OneOf((0..=3).collect()), 0)?,
                bucket: f.required("Bucket", BUCKET)?,
            })
        }
        StorageType::Vod => Storage::Vod(vod(&block("VodConfig")?, version)?),
        StorageType::Custom => Storage::Custom(custom(&block("CustomConfig")?)?),
    })
}

const BUCKET: Text =
    Text { form: |s| is_plain(s, 128), allowed: "1 to 128 letters, digits, - _ . beginning with a letter or digit" };

fn is_plain(text: &str, max_len: usize) -> bool {
    text.len() <= max_len
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn account_id(f: &Fields<'_>) -> Result<String, ApiError> {
    f.required(f.either("AccountId", "UserAccountId"), AccountId)
}

fn vod(f: &Fields<'_>, version: Version) -> Result<Vod, ApiError> {
    let newest = version == Version::V2023_11_01;
    Ok(Vod {
        account_id: account_id(f)?,
        space: f.required("Space", BUCKET)?,
        region: f.or("Region", OneOf(vec![0, 1]), 0)?,
        storage_class: if newest { f.or("StorageClass", choice(), VodClass::Standard)? } else { VodClass::Standard },
        auto_set_file_extension: newest && f.or("AutoSetFileExtension", Bool, false)?,
    })
}

fn custom(f: &Fields<'_>) -> Result<Custom, ApiError> {
    let vendor = f.or("Vendor", choice(), Vendor::AmazonS3)?;
    let regions = vendor.regions();
    let region =
        if regions.contains(&0) { f.or("Region", OneOf(regions), 0)? } else { f.required("Region", OneOf(regions))? };
    let security_token = f.optional("SecurityToken", Key { may_be_empty: true })?;
    let security_token = security_token.filter(|token| !token.expose().is_empty());
    if security_token.is_some() && vendor == Vendor::QiniuKodo {
        return Err(f.refuse("SecurityToken", "not allowed with Vendor 4 (QiniuKodo)"));
    }
    Ok(Custom {
        vendor,
        region,
        bucket: f.required("Bucket", BUCKET)?,
        access_key: f.required("AccessKey", Key { may_be_empty: false })?,
        secret_key: f.required("SecretKey", Key { may_be_empty: false })?,
        security_token,
    })
}

/// An account id, with its own error codes.
struct AccountId;

impl Rule for AccountId {
    type Out = String;
    fn read(&self, value: &Value) -> Option<String> {
        value.as_str().filter(|s| is_plain(s, 128)).map(str::to_owned)
    }
    fn allowed(&self) -> String {
        "the account's id, 1 to 128 letters, digits, - _ .".to_owned()
    }
    fn missing(&self) -> ErrorKind {
        ErrorKind::NoAccount
    }
    fn invalid(&self, value: &Value) -> ErrorKind {
        if value == "" { ErrorKind::EmptyAccountId } else { ErrorKind::InvalidParameter }
    }
}

/// A key or token.
struct Key {
    may_be_empty: bool,
}

impl Rule for Key {
    type Out = Secret;
    fn read(&self, value: &Value) -> Option<Secret> {
        let text = value.as_str()?;
        let fits = text.len() <= 8192 && (self.may_be_empty || !text.is_empty());
        fits.then(|| Secret(text.to_owned()))
    }
    fn allowed(&self) -> String {
        format!("a text of {} to 8192 bytes", u8::from(!self.may_be_empty))
    }
    fn may_be_shown(&self) -> bool {
        false
    }
}
