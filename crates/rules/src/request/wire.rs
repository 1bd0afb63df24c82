//! Enumerations that travel as small numbers.

/// An enumeration with a number per variant.
pub(super) trait WireEnum: Copy + std::fmt::Debug + 'static {
    const ALL: &'static [Self];
    fn wire(self) -> u8;
    fn from_wire(number: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|v| v.wire() == number)
    }
}

/// Defines an enumeration whose JSON form is the number of the variant.
macro_rules! wire_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $number:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "u8", into = "u8")]
        pub enum $name { $($(#[$vmeta])* $variant = $number),+ }

        impl $crate::request::wire::WireEnum for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];
            fn wire(self) -> u8 {
                self as u8
            }
        }

        impl From<$name> for u8 {
            /// The number on the wire.
            fn from(value: $name) -> u8 {
                value as u8
            }
        }

        impl TryFrom<u8> for $name {
            type Error = String;
            fn try_from(number: u8) -> Result<Self, String> {
                $crate::request::wire::WireEnum::from_wire(number)
                    .ok_or_else(|| format!("{number} is no {}", stringify!($name)))
            }
        }
    };
}
pub(super) use wire_enum;
