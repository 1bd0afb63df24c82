"""What is in a recording: `tapedeck probe`, and the judgements that several tests share."""

import json

from process import run
from server import BINARY

# Opus, AAC and the pacing of a publisher move an onset by less than this.
SYNC_MS = 20
SYNC_BAD_NETWORK_MS = 40
# Duration of a file against the wall clock.
WALL_MS = 50


def probe(path, *options):
    """The report on a file; times in ms of presentation time."""
    return json.loads(run([BINARY, "probe", path, "--json", *options], deadline_s=120))


def frame_ms(report):
    return 1000 / report["video"]["fps"]


def assert_whole(report):
    """Every picture from the first to the last is there exactly once, in order, undamaged."""
    video = report["video"]
    flaws = {name: video[name] for name in ("missing", "duplicated", "out_of_order", "unreadable", "damaged")}
    assert not any(flaws.values()), f"{report['file']}: {flaws}, missing at {video['missing_at'][:10]}"
    assert not report["error_count"], report["errors"]
    assert video["jitter_ms"] < frame_ms(report), report["file"]


def share_there(report):
    """Which part of the pictures from the first to the last is there."""
    video = report["video"]
    return video["readable"] / (video["readable"] + video["missing"] + video["unreadable"])


def assert_in_sync(report, within_ms=SYNC_MS, pairs=5):
    sync = report["sync"]
    assert sync["pairs"] >= pairs, f"{report['file']}: {sync}"
    assert -within_ms <= sync["min_ms"] and sync["max_ms"] <= within_ms, f"{report['file']}: {sync}"


def assert_on_the_wall_clock(report, file, within_ms=WALL_MS):
    """Flashes of the file, told in wall-clock time by where it starts, are at whole seconds."""
    for flash in report["video"]["flashes_ms"]:
        off = (file["StartTime"] + flash + 500) % 1000 - 500
        assert abs(off) <= within_ms, f"{report['file']}: flash at {flash} ms is {off:+.0f} ms off the second"


def silences(file, report):
    """Where nothing is heard for more than 100 ms, as (start, end) in ms since the epoch."""
    spans = [span for span in report["audio"]["silences"] if span["length_ms"] > 100]
    return [tuple(file["StartTime"] + ms for ms in (span["ms"], span["ms"] + span["length_ms"])) for span in spans]


def track_durations_ms(path):
    """What the container says of each track."""
    found = json.loads(run(["ffprobe", "-v", "error", "-show_streams", "-of", "json", path]))
    return [float(stream["duration"]) * 1000 for stream in found["streams"]]


def total(spans):
    return sum(span["length_ms"] for span in spans)
