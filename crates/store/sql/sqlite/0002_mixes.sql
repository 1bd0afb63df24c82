-- A file may be of the mix of a room, which belongs to no user.
CREATE TABLE files_new (
    id           INTEGER PRIMARY KEY,
    task         INTEGER NOT NULL REFERENCES tasks (id),
    user_id      TEXT    NOT NULL,
    stream       TEXT    NOT NULL CHECK (stream IN ('camera', 'screen', 'mix')),
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
    CHECK ((stream = 'mix') = (user_id = '')),
    CHECK (state <> 'finished' OR (library_path IS NOT NULL AND duration_ms IS NOT NULL AND size IS NOT NULL))
) STRICT;

INSERT INTO files_new SELECT * FROM files;
DROP TABLE files;
ALTER TABLE files_new RENAME TO files;
CREATE UNIQUE INDEX files_library_path ON files (library_path) WHERE library_path IS NOT NULL;

-- The streams that a mixed task took in, in the order of their first coming.
CREATE TABLE mixed_streams (
    id      INTEGER PRIMARY KEY,
    task    INTEGER NOT NULL REFERENCES tasks (id),
    user_id TEXT    NOT NULL,
    stream  TEXT    NOT NULL CHECK (stream IN ('camera', 'screen')),
    UNIQUE (task, user_id, stream)
) STRICT;
