//! What lines cover, with the fonts that are installed for tests.

use super::*;

/// Debian's places, as in the configuration's default.
pub fn fonts() -> Vec<PathBuf> {
    vec![
        "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf".into(),
        "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc".into(),
    ]
}

fn faces() -> Typefaces {
    let faces = Typefaces::load(&fonts());
    assert_eq!(faces.fonts.len(), 2, "fonts-dejavu-core and fonts-wqy-microhei are needed");
    faces
}

fn line(text: &str) -> Line {
    faces().line(text, 40, 10_000).expect("a line")
}

/// Share of the box that is covered.
fn coverage(line: &Line) -> f64 {
    line.mask.iter().map(|&level| f64::from(level)).sum::<f64>() / 255.0 / line.mask.len() as f64
}

/// Rows that are covered anywhere.
fn rows(line: &Line) -> Vec<usize> {
    let rows = line.mask.chunks(line.width as usize).enumerate();
    rows.filter(|(_, row)| row.iter().any(|&level| level > 128)).map(|(y, _)| y).collect()
}

#[test]
fn a_line_is_as_wide_as_its_characters() {
    let (one, three) = (line("n"), line("nnn"));
    assert_eq!((one.height, three.height), (40, 40));
    assert!(three.width.abs_diff(3 * one.width) <= 4, "{} and {}", one.width, three.width);
    assert!(line("WWW").width > 2 * line("iii").width);
    let digits = ["0000-00-00 00:00:00", "1999-12-31 23:59:47"].map(|text| line(text).width);
    assert_eq!(digits[0], digits[1], "a clock does not jump");
}

#[test]
fn letters_cover_what_they_should() {
    // A stroke from the top of capitals down to the base line, and nothing beside it.
    let bar = line("|");
    let middle: Vec<bool> =
        bar.mask.chunks(bar.width as usize).map(|row| row.iter().any(|&level| level > 200)).collect();
    assert!(middle[8..36].iter().all(|covered| *covered), "{middle:?}");
    let (dot, capital, tail) = (rows(&line(".")), rows(&line("H")), rows(&line("g")));
    assert!(dot.len() <= 6 && dot[0] > 25, "{dot:?}");
    assert_eq!(dot.last(), capital.last(), "both stand on the base line");
    assert!(tail.last() > capital.last() && tail[0] > capital[0], "{tail:?} {capital:?}");
    assert!((0.05..0.5).contains(&coverage(&line("Hamburg"))));
}

#[test]
fn each_character_comes_from_the_first_font_that_has_it() {
    let missing = line("\u{e000}");
    for text in ["陈", "晨", "한", "é", "Ж"] {
        let line = line(text);
        assert_ne!(line.mask, missing.mask, "{text} is no box");
        assert!(coverage(&line) > 0.05, "{text}");
    }
    let latin = Typefaces::load(&fonts()[..1]);
    assert_eq!(latin.line("陈", 40, 99).expect("a box").mask, missing.mask);
    assert_eq!(latin.line("A", 40, 99), faces().line("A", 40, 99));
    assert!(coverage(&missing) > 0.05 && coverage(&missing) < 0.4, "a frame, not a block");
}

#[test]
fn what_is_too_wide_ends_with_an_ellipsis() {
    let faces = faces();
    let whole = faces.line("Bartholomäus", 24, 1_000).expect("a line");
    assert_eq!(faces.line("Bartholomäus", 24, whole.width), Some(whole.clone()));
    let cut = faces.line("Bartholomäus", 24, whole.width / 2).expect("a line");
    assert!(cut.width <= whole.width.div_ceil(2) + 1 && cut.width > whole.width / 4);
    let dots = faces.line("…", 24, 100).expect("a line");
    let most = dots.width + 1;
    assert_eq!(faces.line("WWWWWW", 24, most), Some(dots));
    assert_eq!(faces.line("WWWWWW", 24, 3), None);
}

#[test]
fn what_cannot_be_seen_is_no_line() {
    let faces = faces();
    for text in ["", "  ", "\u{200b}\u{202e}", "\n\t"] {
        assert_eq!(faces.line(text, 24, 100), None, "{text:?}");
    }
    assert_eq!(faces.line("a\u{202e}b\u{fe0f}", 24, 100), faces.line("ab", 24, 100));
    assert_eq!(Typefaces::default().line("a", 24, 100), None);
    let none = Typefaces::load(&["/no/such/font.ttf".into(), "/etc/hostname".into()]);
    assert!(none.is_empty());
}
