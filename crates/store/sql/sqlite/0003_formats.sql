-- A recording may have files of several formats. Where a file goes, and what it is, is known before it is moved there, so
-- that a move that was cut off is taken up again.
CREATE TABLE files_new (
    id           INTEGER PRIMARY KEY,
    task         INTEGER NOT NULL REFERENCES tasks (id),
    user_id      TEXT    NOT NULL,
    stream       TEXT    NOT NULL CHECK (stream IN ('camera', 'screen', 'mix')),
    seq          INTEGER NOT NULL CHECK (seq >= 0),
    format       TEXT    NOT NULL,
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
    UNIQUE (task, user_id, stream, seq, format),
    CHECK ((stream = 'mix') = (user_id = '')),
    CHECK (state = 'recording' OR (library_path IS NOT NULL AND duration_ms IS NOT NULL AND size IS NOT NULL))
) STRICT;

INSERT INTO files_new
    SELECT id, task, user_id, stream, seq, 'MP4', vid, CASE state WHEN 'finishing' THEN 'recording' ELSE state END,
           spool_path, library_path, started_ms, duration_ms, size, video_codec, audio_codec, width, height, sha256
    FROM files;
DROP TABLE files;
ALTER TABLE files_new RENAME TO files;
CREATE UNIQUE INDEX files_library_path ON files (library_path) WHERE library_path IS NOT NULL;
