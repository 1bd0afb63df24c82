//! The Gregorian calendar.

/// Days since 1970-01-01 of a day of the Gregorian calendar. Years are counted from March, so that the leap day
/// is a year's last.
pub fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let from_march = (month + 9).rem_euclid(12);
    let year = year - i64::from(month <= 2);
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (from_march * 306 + 5) / 10 + day - 1 - 719_468
}

/// Year, month and day of a day since 1970-01-01.
pub fn calendar_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}
