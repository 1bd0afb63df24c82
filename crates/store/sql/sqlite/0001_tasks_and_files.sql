-- One row per started task. A TaskId that has ended may be started again: that is the next generation.
CREATE TABLE tasks (
    id          INTEGER PRIMARY KEY,
    app_id      TEXT    NOT NULL,
    room_id     TEXT    NOT NULL,
    task_id     TEXT    NOT NULL,
    generation  INTEGER NOT NULL CHECK (generation >= 1),
    api_version TEXT    NOT NULL,
    business_id TEXT,
    room_server TEXT    NOT NULL,
    request     TEXT    NOT NULL CHECK (json_valid(request)),
    state       TEXT    NOT NULL CHECK (state IN
                ('requested', 'starting', 'recording', 'stopping', 'finishing', 'done', 'failed')),
    created_ms  INTEGER NOT NULL,
    started_ms  INTEGER,
    ended_ms    INTEGER,
    stop_reason TEXT,
    error       TEXT,
    worker      TEXT,
    notes       TEXT    NOT NULL DEFAULT '[]' CHECK (json_valid(notes)),
    UNIQUE (app_id, room_id, task_id, generation)
) STRICT;

-- What makes a start idempotent: at most one task of a key runs, whoever asks and however often.
CREATE UNIQUE INDEX tasks_one_running ON tasks (app_id, room_id, task_id)
    WHERE state IN ('requested', 'starting', 'recording');

-- What a restart reads.
CREATE INDEX tasks_unfinished ON tasks (id) WHERE state NOT IN ('done', 'failed');

-- One row per output file. It is the library's item as well, once it is finished.
CREATE TABLE files (
    id           INTEGER PRIMARY KEY,
    task         INTEGER NOT NULL REFERENCES tasks (id),
    user_id      TEXT    NOT NULL,
    stream       TEXT    NOT NULL CHECK (stream IN ('camera', 'screen')),
    seq          INTEGER NOT NULL CHECK (seq >= 0),
    vid          TEXT    NOT NULL UNIQUE,
    state        TEXT    NOT NULL CHECK (state IN ('recording', 'finishing', 'finished')),
    spool_path   TEXT    NOT NULL,
    library_path TEXT,
    started_ms   INTEGER NOT NULL,
    duration_ms  INTEGER,
    size         INTEGER,
    video_codec  TEXT,
    audio_codec  TEXT,
    width        INTEGER,
    height       INTEGER,
    sha256       TEXT,
    UNIQUE (task, user_id, stream, seq),
    CHECK (state <> 'finished' OR (library_path IS NOT NULL AND duration_ms IS NOT NULL AND size IS NOT NULL))
) STRICT;

-- Two finished files never share a place in the library.
CREATE UNIQUE INDEX files_library_path ON files (library_path) WHERE library_path IS NOT NULL;

-- Single values that belong to the whole installation.
CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
