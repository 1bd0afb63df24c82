//! `YYYYMMDDThhmmssZ`, the UTC date of signatures, and Unix seconds.

use crate::calendar::{calendar_of, days_of};

/// Unix seconds of a date, if it is one.
pub fn parse(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() != 16 || bytes[8] != b'T' || bytes[15] != b'Z' {
        return None;
    }
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let digits = text.get(range)?;
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
    let (hour, minute, second) = (number(9..11)?, number(11..13)?, number(13..15)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_of(year, month, day);
    // Catches month 13 and 30 February alike: such a day is another day of the calendar.
    (calendar_of(days) == (year, month, day)).then_some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

/// The date of Unix seconds; years 1970 to 9999.
pub fn format(unix_s: i64) -> String {
    let (days, second) = (unix_s.div_euclid(86_400), unix_s.rem_euclid(86_400));
    let (year, month, day) = calendar_of(days);
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates() {
        for (text, unix_s) in [
            ("19700101T000000Z", 0),
            ("20000229T235959Z", 951_868_799),
            ("20201230T081805Z", 1_609_316_285),
            ("20261122T163107Z", 1_795_365_067),
            ("21000301T000000Z", 4_107_542_400),
        ] {
            assert_eq!(parse(text), Some(unix_s), "{text}");
            assert_eq!(format(unix_s), text);
        }
    }

    #[test]
    fn every_day_of_four_centuries_comes_back() {
        for day in 0..146_097 {
            let unix_s = day * 86_400 + day % 86_400;
            assert_eq!(parse(&format(unix_s)), Some(unix_s));
        }
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "20261122",
            "20261322T000000Z",
            "20260230T000000Z",
            "20261100T000000Z",
            "20261122T240000Z",
            "20261122T006000Z",
            "20261122 163107Z",
            "20261122T163107",
            "2026-122T163107Z",
            "+0261122T163107Z",
            "２0261122T1631Z",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
