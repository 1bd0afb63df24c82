"""Nine hours of one stream, sixty times as fast: each "hour" of the plan lasts a minute, and so do the limits: a file four
of them, a gap that is filled one.

It covers a camera that is off, absences that are filled and one that ends the file, and a file as long as one may be. It does
not cover what an hour of real time may bring: drifting clocks, wrapping RTP times, and files of that size.
"""

import time
from threading import Event

import pytest

import openapi
from probe import assert_in_sync, assert_on_the_wall_clock, probe
from publishers import Synthetic
from server import Server

HOUR_S = 60
# Synthetic users begin their numbers anew after 20 s.
CLIP_FRAMES = 300
CONFIG = f"""
[recorder]
max_file_length = "{4 * HOUR_S}s"
"""
# Files that alice is in the room, "hours" of the plan; in the first of them her camera is off for a while.
VISITS = [(0, 1.5), (2, 4.75), (6, 7.5), (8.25, 9)]
CAMERA_OFF = (0.5, 1)
# What the rules make of it: from, to, gaps in the picture, gaps in the sound.
FILES = [
    (0, 4, [(0.5, 1), (1.5, 2)], [(1.5, 2)]),
    (4, 4.75, [], []),
    (6, 9, [(7.5, 8.25)], [(7.5, 8.25)]),
]
# A client needs some time to join, and a little to be gone.
SLACK_MS = 2_500


def until(at):
    """Waits for a moment of the plan; the moment is the plan's own, nothing is expected to have happened by it."""
    Event().wait(max(0, at - time.time()))


@pytest.mark.long
def test_nine_hours_sixty_times_as_fast(tmp_path):
    server = Server(tmp_path, config=CONFIG)
    try:
        control = {"MaxSilenceSeconds": HOUR_S, "MaxIdleTime": 4 * HOUR_S}
        server.api.start("nine", "t", Control=control)
        server.api.wait_status("nine", "t", openapi.RUNNING)
        begin = time.time() + 1
        hour = lambda n: begin + n * HOUR_S
        mute = f"video:{int(CAMERA_OFF[0] * HOUR_S)}s-{int(CAMERA_OFF[1] * HOUR_S)}s"
        for n, (came, left) in enumerate(VISITS):
            until(hour(came))
            options = {"mute": mute} if n == 0 else {}
            with Synthetic(server.rooms, "nine", tmp_path, users=["alice"], width=320, height=180, fps=15, **options):
                until(hour(left))
        server.api.stop("nine", "t")
        task = server.api.wait_status("nine", "t", openapi.ENDED)
        files = server.files(task)[("alice", 0)]
        judge(files, hour)
        server.check()
    finally:
        server.stop()


def judge(files, hour):
    assert len(files) == len(FILES)
    reports = [probe(path) for path, _ in files]
    for (path, file), report, (begins, ends, dark, silent) in zip(files, reports, FILES):
        at = lambda n: (n - begins) * HOUR_S * 1000
        near(file["StartTime"], hour(begins) * 1000, path)
        near(file["StartTime"] + file["Duration"], hour(ends) * 1000, path)
        assert_in_sync(report, pairs=20)
        assert_on_the_wall_clock(report, file)
        video, audio = report["video"], report["audio"]
        assert not any(video[flaw] for flaw in ("duplicated", "out_of_order", "unreadable", "damaged")), video
        assert not report["error_count"], report["errors"]
        compare(video["black"], [(at(a), at(b)) for a, b in dark], path)
        compare(audio["silences"], [(at(a), at(b)) for a, b in silent], path)
    # One file goes over into the next.
    (_, first), (_, second) = files[:2]
    assert abs(first["StartTime"] + first["Duration"] - second["StartTime"]) <= 1
    assert reports[1]["video"]["first_number"] == (reports[0]["video"]["last_number"] + 1) % CLIP_FRAMES


def near(got, wanted, what):
    assert abs(got - wanted) < SLACK_MS, (what, got - wanted)


def compare(spans, planned, path):
    """Gaps are where they were planned, and there are no others; a gap's parts are one."""
    spans = [span for span in spans if span["length_ms"] > SLACK_MS]
    assert len(spans) == len(planned), (path, spans, planned)
    for span, (begin, end) in zip(spans, planned):
        near(span["ms"], begin, path)
        near(span["ms"] + span["length_ms"], end, path)
