//! The sample file equals the defaults; strictness; precedence.

use super::*;

const SAMPLE: &str = include_str!("../../../../tapedeck.toml");

fn from_file(text: &str) -> Result<Config, ConfigError> {
    Config::read(Sources { file: Some(("t.toml".into(), text.into())), ..Sources::default() })
}

/// The only problem of a file.
fn problem(text: &str) -> String {
    let ConfigError(problems) = from_file(text).expect_err("the file is wrong");
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].place, "t.toml");
    problems[0].what.clone()
}

/// The examples of the sample file, which are comments there.
fn examples() -> String {
    let is_example = |line: &&str| line.starts_with("# [") || line.starts_with("# ") && line.contains(" = ");
    SAMPLE.lines().filter(is_example).map(|line| format!("{}\n", &line[2..])).collect()
}

#[test]
fn the_sample_and_an_empty_file_are_the_defaults() {
    assert_eq!(from_file("").unwrap(), Config::default());
    assert_eq!(from_file(SAMPLE).unwrap(), Config::default());
}

#[test]
fn the_sample_shows_every_setting() {
    let mut reader = Reader::new(Sources::default()).unwrap();
    let default = Config::default();
    ServerConfig::read(&mut reader, default.server);
    RoomsConfig::read(&mut reader, default.rooms);
    RecorderConfig::read(&mut reader, default.recorder);
    ImagesConfig::read(&mut reader, default.images);
    let table: toml::Table = SAMPLE.parse().unwrap();
    for name in reader.known() {
        let (section, last) = name.split_once('.').unwrap();
        let shown = table[section].get(last).is_some() || SAMPLE.contains(&format!("# [[{name}]]"));
        assert!(shown, "{name} is not in tapedeck.toml");
    }
}

#[test]
fn the_examples_of_the_sample_are_read() {
    let config = from_file(&examples()).unwrap();
    assert_eq!(config.rooms.keys[0].key, "APIexample");
    assert_eq!(config.apps[0].id.as_str(), "661e000000000000000543cf");
    assert_eq!(config.apps[0].access_keys[0].secret, Secret("a long random text".into()));
    assert_eq!(config.apps[0].room_server, RoomServerChoice::Embedded);
    assert_eq!(config.room_servers[0].name, "cluster");
}

#[test]
fn a_typing_error_is_answered_with_the_nearest_name() {
    assert_eq!(problem("[rooms]\nudp_bnid = \"1\""), "unknown setting rooms.udp_bnid; did you mean rooms.udp_bind?");
    assert_eq!(problem("[romos]\nenabled = true"), "unknown setting romos.enabled; did you mean rooms.enabled?");
    assert_eq!(
        problem("[recorder]\nhttp_bind = 1"),
        "unknown setting recorder.http_bind; did you mean rooms.http_bind?"
    );
    assert_eq!(problem("[zzz]"), "unknown setting zzz");
    assert_eq!(problem("rooms = 3"), "rooms is a section, not a setting");
    let app = "[[apps]]\nid = \"661e000000000000000543cf\"\n";
    assert_eq!(problem(&format!("{app}recoding = true")), "apps[0]: unknown setting recoding; did you mean recording?");
    let key = "[[apps.access_keys]]\nid = \"a\"\nsecret = \"s\"\nsecrt = \"x\"";
    let what = problem(&format!("{app}{key}"));
    assert_eq!(what, "apps[0].access_keys[0]: unknown setting secrt; did you mean secret?");
}

#[test]
fn empty_sections_are_fine() {
    assert_eq!(from_file("[server]\n[rooms]\n[spool]").unwrap(), Config::default());
}

#[test]
fn every_wrong_value_names_setting_value_and_what_is_allowed() {
    for (file, parts) in [
        ("[rooms]\nenabled = \"yes\"", ["rooms.enabled", "\"yes\"", "true or false"]),
        ("[rooms]\nenabled = 1", ["rooms.enabled", "1", "true or false"]),
        ("[rooms]\nhttp_bind = \"7880\"", ["rooms.http_bind", "\"7880\"", "an IP address with a port"]),
        ("[rooms]\nudp_bind = 7882", ["rooms.udp_bind", "7882", "an IP address with a port"]),
        ("[rooms]\nadvertise = [\"example.com\"]", ["rooms.advertise", "example.com", "an IP address"]),
        ("[rooms]\nadvertise = \"1.2.3.4\"", ["rooms.advertise", "1.2.3.4", "an IP address"]),
        ("[rooms]\ncodecs = [\"h266\"]", ["rooms.codecs", "h266", "\"vp9\""]),
        ("[rooms]\ncodecs = []", ["rooms.codecs", "[]", "at least one"]),
        ("[rooms]\ncodecs = [\"vp8\", \"vp8\"]", ["rooms.codecs", "vp8", "each once"]),
        ("[rooms]\nmax_rooms = 0", ["rooms.max_rooms", "0", "1 to 100000"]),
        ("[rooms]\nmax_rooms = -1", ["rooms.max_rooms", "-1", "1 to 100000"]),
        ("[rooms]\nmax_rooms = 1.5", ["rooms.max_rooms", "1.5", "a whole number"]),
        ("[rooms]\nmax_participants = 1", ["rooms.max_participants", "1", "2 to 10000"]),
        ("[rooms]\nmax_tracks = 257", ["rooms.max_tracks", "257", "1 to 256"]),
        ("[rooms]\nmax_message = \"1MB\"", ["rooms.max_message", "1MB", "MiB"]),
        ("[rooms]\nmax_message = \"1GiB\"", ["rooms.max_message", "1GiB", "64KiB to 16MiB"]),
        ("[rooms]\nempty_timeout = 300", ["rooms.empty_timeout", "300", "such as \"20s\""]),
        ("[rooms]\nempty_timeout = \"0s\"", ["rooms.empty_timeout", "0s", "1s to 1d"]),
        ("[recorder]\nfragment = \"2s\"", ["recorder.fragment", "2s", "100ms to 1s"]),
        ("[recorder]\nsync_every = \"1h\"", ["recorder.sync_every", "1h", "100ms to 1m"]),
        ("[recorder]\nreorder_wait = \"fast\"", ["recorder.reorder_wait", "fast", "50ms to 10s"]),
        ("[recorder]\nkey_frame_every = \"1ms\"", ["recorder.key_frame_every", "1ms", "1s to 5m"]),
        ("[recorder]\nmax_file_length = \"1s\"", ["recorder.max_file_length", "1s", "2s to 1d"]),
        ("[recorder]\nmax_file_size = \"1KiB\"", ["recorder.max_file_size", "1KiB", "1MiB to 1024GiB"]),
        ("[server]\nlog = \"=loud\"", ["server.log", "=loud", "a level"]),
        ("[server]\ndata_dir = \"\"", ["server.data_dir", "\"\"", "a path"]),
        ("[images]\nallowed_networks = [\"10.0.0.1/8\"]", ["images.allowed_networks", "10.0.0.1/8", "\"10.0.0.0/8\""]),
        ("[images]\nallowed_networks = [\"example.com\"]", ["images.allowed_networks", "example.com", "IP networks"]),
        ("[spool]\ndir = 3", ["spool.dir", "3", "a path"]),
        ("[[apps]]\nid = \"short\"", ["apps[0].id", "short", "24 letters and digits"]),
        ("[[apps]]\nname = \"x\"", ["apps[0].id", "is missing", "24 letters and digits"]),
        ("[apps]\nid = \"x\"", ["apps", "list of tables", "[[apps]]"]),
        ("[[rooms.keys]]\nkey = \"a\"", ["rooms.keys[0].secret", "must be given", "not empty"]),
        ("[room_servers]\na = 1", ["room_servers.a", "must be a table", "[room_servers.a]"]),
        (
            "[room_servers.a]\nurl = \"a.b\"\napi_key = \"k\"\napi_secret = \"s\"",
            ["room_servers.a.url", "\"a.b\"", "wss://"],
        ),
    ] {
        let what = problem(file);
        for part in parts {
            assert!(what.contains(part), "{file}\n{what}\nlacks {part}");
        }
    }
}

#[test]
fn lists_are_checked_against_each_other() {
    let app = |id: char, more: &str| format!("[[apps]]\nid = \"{}\"\n{more}\n", id.to_string().repeat(24));
    let key = "[[apps.access_keys]]\nid = \"k\"\nsecret = \"s\"\n";
    assert!(problem(&(app('a', "") + &app('a', ""))).contains("is there twice"));
    assert!(problem(&(app('a', key) + &app('b', key))).contains("access key k is there twice"));
    let what = problem(&app('a', "room_server = \"clustr\""));
    assert!(what.contains("\"clustr\"") && what.contains("allowed: \"embedded\""), "{what}");
    assert!(problem(&format!("{}[rooms]\nenabled = false", app('a', ""))).contains("rooms.enabled is false"));
    let pair = "[[rooms.keys]]\nkey = \"k\"\nsecret = \"s\"\n";
    assert!(problem(&format!("{pair}{pair}")).contains("is there twice"));
}

#[test]
fn all_problems_are_told_at_once_and_no_secret_is() {
    let text = "[rooms]\nmax_rooms = 0\nx = 1\n[[rooms.keys]]\nkey = 1\nsecret = \"hush\"\n[[apps.access_keys]]";
    let ConfigError(problems) = from_file(text).unwrap_err();
    assert!(problems.len() >= 3, "{problems:?}");
    assert!(!format!("{problems:?}").contains("hush"));
    let config = from_file("[[rooms.keys]]\nkey = \"k\"\nsecret = \"hush\"").unwrap();
    assert!(!format!("{config:?}").contains("hush"));
}

#[test]
fn a_file_that_is_no_toml_is_told_with_its_line() {
    let what = problem("[rooms]\nenabled = tru");
    assert!(what.contains("line 2"), "{what}");
}

#[test]
fn flags_win_over_environment_over_file_over_default() {
    let name = "rooms.max_tracks";
    let mut sources = Sources::default();
    let read = |sources: &Sources| Config::read(sources.clone()).unwrap().rooms.max_tracks;
    assert_eq!(read(&sources), 16);
    sources.file = Some(("t.toml".into(), "[rooms]\nmax_tracks = 3".into()));
    assert_eq!(read(&sources), 3);
    sources.env.insert("TAPEDECK_ROOMS_MAX_TRACKS".into(), "4".into());
    assert_eq!(read(&sources), 4);
    sources.flags.push((name.into(), "5".into()));
    assert_eq!(read(&sources), 5);
    sources.flags.push((name.into(), "6".into()));
    assert_eq!(read(&sources), 6, "the last flag of a name counts");
}

#[test]
fn text_sources_can_say_every_kind_of_value() {
    let env = [
        ("TAPEDECK_ROOMS_ENABLED", "false"),
        ("TAPEDECK_ROOMS_ADVERTISE", "1.2.3.4, ::1"),
        ("TAPEDECK_ROOMS_CODECS", "vp8,h264"),
        ("TAPEDECK_IMAGES_ALLOWED_NETWORKS", "10.0.0.0/8, ::1/128"),
        ("TAPEDECK_ROOMS_MAX_MESSAGE", "2MiB"),
        ("TAPEDECK_RECORDER_FRAGMENT", "1s"),
        ("TAPEDECK_SERVER_DATA_DIR", "/srv"),
    ];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let config = Config::read(Sources { env, ..Sources::default() }).unwrap();
    assert!(!config.rooms.enabled);
    assert_eq!(config.rooms.advertise.len(), 2);
    assert_eq!(config.rooms.codecs, [Codec::Vp8, Codec::H264]);
    assert_eq!(config.images.allowed_networks, ["10.0.0.0/8", "::1/128"].map(|network| network.parse().unwrap()));
    assert_eq!(config.rooms.max_message, Size::mib(2));
    assert_eq!(config.recorder.fragment, Duration::from_secs(1));
    assert_eq!(config.library_dir(), Path::new("/srv/library"));
}

#[test]
fn wrong_variables_and_flags_are_told_and_foreign_variables_are_not() {
    let env =
        ["TAPEDECK_ROOMS_UDP_BNID", "TAPEDECK_ROOM_UDP_BIND", "TAPEDECK_PORT_8080_TCP_ADDR", "TAPEDECK_SERVICE_HOST"];
    let env = env.map(|name| (name.to_owned(), "x".to_owned())).into();
    let flags = vec![("rooms.udpbind".to_owned(), "x".to_owned()), ("rooms.max_rooms".to_owned(), "many".to_owned())];
    let ConfigError(problems) = Config::read(Sources { env, flags, file: None }).unwrap_err();
    let text = ConfigError(problems).to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            "command line: rooms.max_rooms = \"many\" is not possible; allowed: 1 to 100000; a whole number",
            "command line: unknown setting rooms.udpbind; did you mean rooms.udp_bind?",
            "environment: unknown setting TAPEDECK_ROOMS_UDP_BNID; did you mean TAPEDECK_ROOMS_UDP_BIND?",
            "environment: unknown setting TAPEDECK_ROOM_UDP_BIND; did you mean TAPEDECK_ROOMS_UDP_BIND?",
        ]
    );
}
