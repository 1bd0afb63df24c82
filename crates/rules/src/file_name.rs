//! What a recording's files are called, by `FileNameConfig` (vendor's rules: section 7.2 of the API facts).

use crate::ids::TaskKey;
use crate::select::{Source, StreamId};

/// Longest name without extension, in characters.
pub const MAX_CHARS: usize = 128;
/// The same in bytes: file systems take 255 with the extension.
pub const MAX_BYTES: usize = 240;

/// What a name is made of.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub task: &'a TaskKey,
    pub source: &'a Source,
    /// Wall clock at the file's start, Unix milliseconds.
    pub started_ms: i64,
    pub duration_ms: i64,
    /// What keeps names apart: eight digits or letters.
    pub random: &'a str,
}

/// The name of a file without folders and extension. `pattern`: the caller's, with `{Variables}`; the vendor's default
/// without one. The random part stands in every name, at the end unless the pattern has a place for it, so that no file
/// takes the name of another.
pub fn file_name(pattern: Option<&str>, facts: &Facts<'_>) -> String {
    let pattern = pattern.unwrap_or(match facts.source {
        Source::Mix => "{TaskId}_{RoomId}_{StartTime}_{Duration}",
        Source::Stream(_) => "{TaskId}_{RoomId}_{UserId}_{Type}_{StartTime}_{Duration}",
    });
    let (mut name, mut rest, mut random_until) = (String::new(), pattern, None);
    while let Some(open) = rest.find('{') {
        name.extend(rest[..open].chars().map(safe));
        rest = &rest[open..];
        let variable = rest.find('}').map(|close| (&rest[1..close], &rest[close + 1..]));
        match variable.and_then(|(variable, after)| Some((value(variable, facts)?, variable, after))) {
            Some((value, variable, after)) => {
                name.extend(value.chars().map(safe));
                if variable.eq_ignore_ascii_case("Random") {
                    random_until = Some(name.len());
                }
                rest = after;
            }
            // Not a variable: it stays as it is written.
            None => {
                name.push('{');
                rest = &rest[1..];
            }
        }
    }
    name.extend(rest.chars().map(safe));
    if name.starts_with('.') {
        name.replace_range(..1, "~");
    }
    match random_until {
        Some(end) if fits(&name) || fits(&name[..end]) && end < name.len() => cut(&name, ""),
        _ => cut(&name, &format!("_{}", facts.random)),
    }
}

fn value(variable: &str, facts: &Facts<'_>) -> Option<String> {
    let stream = |of: fn(&StreamId) -> String| facts.source.stream().map(of);
    match variable.to_ascii_lowercase().as_str() {
        "taskid" => Some(facts.task.task_id.to_string()),
        "roomid" => Some(facts.task.room_id.to_string()),
        "userid" => stream(|stream| stream.user.clone()),
        "type" => stream(|stream| stream.kind.letter().to_string()),
        "starttime" => Some(facts.started_ms.to_string()),
        "duration" => Some(format!("{:06}", facts.duration_ms.max(0) / 1000)),
        "random" => Some(facts.random.to_owned()),
        _ => None,
    }
}

/// Letters and digits of all scripts, and signs that neither a file system, nor a URL, nor a shell reads anything into.
fn safe(c: char) -> char {
    if c.is_alphanumeric() || matches!(c, '_' | '@' | '-' | '.' | '{' | '}') { c } else { '~' }
}

fn fits(name: &str) -> bool {
    name.chars().count() <= MAX_CHARS && name.len() <= MAX_BYTES
}

/// The name with its ending, within the limits: what is too long is cut and ends in `~`.
fn cut(name: &str, ending: &str) -> String {
    let whole = format!("{name}{ending}");
    if fits(&whole) {
        return whole;
    }
    let mut kept = name;
    loop {
        let shorter = kept.char_indices().next_back().map_or(0, |(at, _)| at);
        kept = &kept[..shorter];
        let shortened = format!("{kept}~{ending}");
        if kept.is_empty() || fits(&shortened) {
            return shortened;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::select::StreamKind;

    fn key(task: &str) -> TaskKey {
        let id = "a valid id";
        TaskKey {
            app_id: "app".parse().expect(id),
            room_id: "room".parse().expect(id),
            task_id: task.parse().expect(id),
        }
    }

    fn screen(user: &str) -> Source {
        StreamId { user: user.into(), kind: StreamKind::Screen }.into()
    }

    fn name(pattern: Option<&str>, task: &str, source: &Source) -> String {
        let (started_ms, duration_ms, random) = (1_611_736_812_853, 57_472, "c4694fa1");
        file_name(pattern, &Facts { task: &key(task), source, started_ms, duration_ms, random })
    }

    #[test]
    fn the_default_is_the_vendors() {
        assert_eq!(name(None, "task", &screen("al")), "task_room_al_S_1611736812853_000057_c4694fa1");
        assert_eq!(name(None, "task", &Source::Mix), "task_room_1611736812853_000057_c4694fa1");
    }

    #[test]
    fn patterns_have_variables_and_text() {
        let of = |pattern| name(Some(pattern), "task", &screen("u"));
        assert_eq!(of("{RoomId}-{userid}-{TYPE}"), "room-u-S_c4694fa1");
        assert_eq!(of("{Random}_{Duration}"), "c4694fa1_000057");
        assert_eq!(of("lesson {Nobody} {TaskId"), "lesson~{Nobody}~{TaskId_c4694fa1");
        assert_eq!(of("{{TaskId}}"), "{task}_c4694fa1");
        assert_eq!(
            name(Some("{UserId}{Type}{TaskId}"), "t", &Source::Mix),
            "{UserId}{Type}t_c4694fa1",
            "a mix has no user"
        );
        assert_eq!(of("课程 1/2"), "课程~1~2_c4694fa1");
    }

    #[test]
    fn nothing_leads_out_of_the_folder() {
        let of = |pattern| name(Some(pattern), "task", &screen("../../x"));
        assert_eq!(of("../../etc/passwd"), "~.~..~etc~passwd_c4694fa1");
        assert_eq!(of("{UserId}{Random}"), "~.~..~xc4694fa1");
        assert_eq!(of("..\\a:b"), "~.~a~b_c4694fa1");
    }

    #[test]
    fn a_name_that_is_too_long_is_cut_and_stays_apart() {
        let long = name(None, &"t".repeat(128), &screen("u"));
        assert_eq!(long, format!("{}~_c4694fa1", "t".repeat(118)));
        let inside = name(Some(&format!("{{Random}}{}", "x".repeat(200))), "t", &Source::Mix);
        assert_eq!(inside, format!("c4694fa1{}~", "x".repeat(119)));
        // It would be cut away where the pattern has it.
        let outside = name(Some(&format!("{}{{Random}}", "x".repeat(200))), "t", &Source::Mix);
        assert_eq!(outside, format!("{}~_c4694fa1", "x".repeat(118)));
        let wide = name(Some(&"课".repeat(100)), "t", &Source::Mix);
        assert!(wide.len() <= MAX_BYTES && wide.ends_with("课~_c4694fa1"), "{wide}");
    }

    proptest! {
        #[test]
        fn every_name_is_one_file_of_its_own(pattern in ".{0,300}", user in ".{0,80}", random in "[0-9a-f]{8}") {
            let task = key("task");
            for source in [screen(&user), Source::Mix] {
                let facts = Facts { task: &task, source: &source, started_ms: -1, duration_ms: -1, random: &random };
                let name = file_name(Some(&pattern), &facts);
                prop_assert!(fits(&name) && name.contains(&random), "{name:?}");
                prop_assert!(!name.starts_with('.') && name.chars().all(|c| safe(c) == c));
            }
        }
    }
}
