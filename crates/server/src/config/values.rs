//! Kinds of values and how they are written: one type per kind.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use rules::outbound::Network;
use toml::Value;

/// A kind of value that a setting can have.
pub trait Setting: Sized {
    /// What may be written, for error messages.
    const ALLOWED: &'static str;

    /// Reads how it is written in a flag or the environment.
    fn from_text(text: &str) -> Option<Self>;

    /// Reads how it is written in the file: as text, unless the kind has its own form there.
    fn from_value(value: &Value) -> Option<Self> {
        Self::from_text(value.as_str()?)
    }
}

/// A value with an order, which error messages can name the limits of.
pub trait Limited: Setting + PartialOrd {
    /// As it is written.
    fn text(&self) -> String;
}

impl Setting for String {
    const ALLOWED: &'static str = "text";

    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl Setting for PathBuf {
    const ALLOWED: &'static str = "a path";

    fn from_text(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| text.into())
    }
}

impl Setting for bool {
    const ALLOWED: &'static str = "true or false";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn from_value(value: &Value) -> Option<Self> {
        value.as_bool()
    }
}

impl Setting for u32 {
    const ALLOWED: &'static str = "a whole number";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn from_value(value: &Value) -> Option<Self> {
        value.as_integer()?.try_into().ok()
    }
}

impl Limited for u32 {
    fn text(&self) -> String {
        self.to_string()
    }
}

impl Setting for SocketAddr {
    const ALLOWED: &'static str = "an IP address with a port, such as \"0.0.0.0:8080\" or \"[::]:8080\"";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Setting for IpAddr {
    const ALLOWED: &'static str = "an IP address";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Setting for Network {
    const ALLOWED: &'static str =
        "IP networks such as \"10.0.0.0/8\" or \"fd00::/8\", with no bit set behind the prefix";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl<T: Setting> Setting for Vec<T> {
    const ALLOWED: &'static str = T::ALLOWED;

    /// Separated by commas; empty text is an empty list.
    fn from_text(text: &str) -> Option<Self> {
        if text.trim().is_empty() {
            return Some(Vec::new());
        }
        text.split(',').map(|part| T::from_text(part.trim())).collect()
    }

    fn from_value(value: &Value) -> Option<Self> {
        value.as_array()?.iter().map(T::from_value).collect()
    }
}

/// Units of time, the smallest first: name and milliseconds.
const TIMES: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl Setting for Duration {
    const ALLOWED: &'static str = "a whole number with ms, s, m, h or d, such as \"20s\" or \"1500ms\"";

    fn from_text(text: &str) -> Option<Self> {
        with_unit(text, &TIMES).map(Duration::from_millis)
    }
}

impl Limited for Duration {
    fn text(&self) -> String {
        in_units(u64::try_from(self.as_millis()).unwrap_or(u64::MAX), &TIMES)
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// Units of size, the smallest first: name and bytes.
const SIZES: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

impl Size {
    /// 1024 bytes each.
    pub const fn kib(count: u64) -> Self {
        Self(count << 10)
    }

    /// 1024 KiB each.
    pub const fn mib(count: u64) -> Self {
        Self(count << 20)
    }

    /// In bytes, for buffers.
    pub fn bytes(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl Setting for Size {
    const ALLOWED: &'static str = "a whole number with B, KiB, MiB or GiB, such as \"64MiB\"";

    fn from_text(text: &str) -> Option<Self> {
        with_unit(text, &SIZES).map(Self)
    }
}

impl Limited for Size {
    fn text(&self) -> String {
        in_units(self.0, &SIZES)
    }
}

fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// In the largest unit that leaves a whole number.
fn in_units(number: u64, units: &[(&str, u64)]) -> String {
    let fitting = units.iter().rev().find(|(_, factor)| number.is_multiple_of(*factor) && number >= *factor);
    let (name, factor) = fitting.unwrap_or(&units[0]);
    format!("{}{name}", number / factor)
}

/// A video codec of the rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    H264,
    Vp8,
    Vp9,
    Av1,
    H265,
}

impl Codec {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::Vp8 => "vp8",
            Self::Vp9 => "vp9",
            Self::Av1 => "av1",
            Self::H265 => "h265",
        }
    }
}

impl Setting for Codec {
    const ALLOWED: &'static str = "\"h264\", \"vp8\", \"vp9\", \"av1\", \"h265\"";

    fn from_text(text: &str) -> Option<Self> {
        [Self::H264, Self::Vp8, Self::Vp9, Self::Av1, Self::H265].into_iter().find(|codec| codec.name() == text)
    }
}

/// Text that no log and no error message shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_read_and_write() {
        for (text, ms) in [("0ms", 0), ("1500ms", 1_500), ("20s", 20_000), ("5m", 300_000), ("4h", 14_400_000)] {
            let time = Duration::from_text(text).unwrap();
            assert_eq!((time, time.text().as_str()), (Duration::from_millis(ms), text));
        }
        assert_eq!(Duration::from_secs(7_200).text(), "2h");
        for (text, bytes) in [("5B", 5), ("64KiB", 65_536), ("64MiB", 64 << 20), ("2GiB", 2 << 30)] {
            let size = Size::from_text(text).unwrap();
            assert_eq!((size, size.text().as_str()), (Size(bytes), text));
        }
        assert_eq!(Size::kib(2_048), Size::mib(2));
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in
            ["", "20", "s", "-1s", "1.5s", "20 s", "20S", "20MiB", "99999999999999999999s", "18446744073709551615d"]
        {
            assert_eq!(Duration::from_text(bad), None, "{bad}");
        }
        for bad in ["", "64", "MiB", "64MB", "64mib", "1s", "18446744073709551615GiB"] {
            assert_eq!(Size::from_text(bad), None, "{bad}");
        }
    }
}
