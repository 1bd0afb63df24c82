//! Colours as requests write them.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Red, green, blue; written `#RRGGBB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Color(pub [u8; 3]);

impl FromStr for Color {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut color = Color([0; 3]);
        let digits = text.strip_prefix('#').ok_or_else(|| format!("{text:?} is no #RRGGBB"))?;
        hex::decode_to_slice(digits, &mut color.0).map_err(|_| format!("{text:?} is no #RRGGBB"))?;
        Ok(color)
    }
}

impl TryFrom<String> for Color {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Color> for String {
    fn from(color: Color) -> String {
        format!("#{}", hex::encode(color.0))
    }
}
