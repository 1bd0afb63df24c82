"""Nine hours of two streams, sixty times as fast: each "hour" of the plan lasts a minute, and so do the limits: a file four
of them, a gap that is filled one.

It covers a camera that is off, absences that are filled and one that ends the file, pictures that change their size all the
time, files as long as one may be, and the report of it all. It does not cover what an hour of real time may bring: drifting
clocks, wrapping RTP times, and files of that size.
"""

import hashlib
import time
from threading import Event

import pytest

import openapi
from probe import assert_in_sync, assert_on_the_wall_clock, probe
from process import eventually
from publishers import Synthetic
from server import Server

HOUR_S = 60
# Synthetic users begin their numbers anew after 20 s.
CLIP_FRAMES = 300
CONFIG = f"""
[recorder]
max_file_length = "{4 * HOUR_S}s"
"""
# When alice is in the room, "hours" of the plan; in the first visit her camera is off for a while.
VISITS = [(0, 1.5), (2, 4.75), (6, 7.5), (8.25, 9)]
CAMERA_OFF = (0.5, 1)
# What the rules make of it: from, to, gaps in the picture, gaps in the sound.
FILES = [
    (0, 4, [(0.5, 1), (1.5, 2)], [(1.5, 2)]),
    (4, 4.75, [], []),
    (6, 9, [(7.5, 8.25)], [(7.5, 8.25)]),
]
# What her report says of it.
ABSENCES = [(1.5, 2), (4.75, 6), (7.5, 8.25)]
# Bob is there all the time, in one size and the other.
BOB_FILES = [(0, 4), (4, 8), (8, 9)]
SIZES = [(320, 180), (160, 90)]
CHANGE_S = 20
VIDEO = {"width": 320, "height": 180, "fps": 15}
# From the publication to the first media, and what is lost of a second on a busy machine, for each visit.
BEGIN_MS = 2_500
# A client needs some time to join, and a little to be gone; a file that is as long as it may be ends with the next key frame.
SLACK_MS = 4_000


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
        until(begin)
        sizes = {"change": "x".join(map(str, SIZES[1])), "change_every": f"{CHANGE_S}s"}
        with Synthetic(server.rooms, "nine", tmp_path, users=["bob"], **VIDEO, **sizes):
            for n, (came, left) in enumerate(VISITS):
                until(hour(came))
                options = {"mute": mute} if n == 0 else {}
                with Synthetic(server.rooms, "nine", tmp_path, users=["alice"], **VIDEO, **options):
                    until(hour(left))
            server.api.stop("nine", "t")
        task = server.api.wait_status("nine", "t", openapi.ENDED)
        files = server.files(task)
        judge(files[("alice", 0)], hour)
        judge_bob(files[("bob", 0)], hour)
        report = eventually(lambda: (told := server.api.report("nine", "t"))["Complete"] and told, "the report")
        judge_report(report, task, server.data / "library", hour)
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
        judge_content(report, file)
        video, audio = report["video"], report["audio"]
        compare(video["black"], [(at(a), at(b)) for a, b in dark], path)
        compare(audio["silences"], [(at(a), at(b)) for a, b in silent], path)
    # One file goes over into the next.
    (_, first), (_, second) = files[:2]
    assert abs(first["StartTime"] + first["Duration"] - second["StartTime"]) <= 1
    assert reports[1]["video"]["first_number"] == (reports[0]["video"]["last_number"] + 1) % CLIP_FRAMES


def judge_content(report, file):
    assert_in_sync(report, pairs=20)
    assert_on_the_wall_clock(report, file)
    video = report["video"]
    assert not any(video[flaw] for flaw in ("duplicated", "out_of_order", "unreadable", "damaged")), video
    assert not report["error_count"], report["errors"]


def judge_bob(files, hour):
    """One file goes over into the next, in the larger size."""
    assert len(files) == len(BOB_FILES)
    reports = [probe(path) for path, _ in files]
    for (path, file), report, (begins, ends) in zip(files, reports, BOB_FILES):
        near(file["StartTime"], hour(begins) * 1000, path)
        near(file["StartTime"] + file["Duration"], hour(ends) * 1000, path)
        assert (file["VideoWidth"], file["VideoHeight"]) == SIZES[0], file
        judge_content(report, file)
        assert not report["video"]["missing"], report["video"]["missing_at"]
    for before, after in zip(reports, reports[1:]):
        assert after["video"]["first_number"] == (before["video"]["last_number"] + 1) % CLIP_FRAMES


def judge_report(report, task, library, hour):
    """Every second is written or explained, and the explanations are those of the plan."""
    lanes = {(s["UserId"], media): s[media] for s in report["Streams"] for media in ("Picture", "Sound")}
    assert set(lanes) == {(user, media) for user in ("alice", "bob") for media in ("Picture", "Sound")}
    for key, lane in lanes.items():
        assert lane["ExpectedMs"] == lane["End"] - lane["Start"]
        near(lane["ExpectedMs"], 9 * HOUR_S * 1000, key)
        assert lane["WrittenMs"] + sum(lane["GapMs"].values()) == lane["ExpectedMs"], key
        assert sum(gap["LengthMs"] for gap in lane["Gaps"]) == sum(lane["GapMs"].values()), key
        assert not lane["FurtherGaps"], key
    for (user, media), lane in lanes.items():
        absences = ABSENCES if user == "alice" else []
        planned = [("not_published", span) for span in absences]
        if (user, media) == ("alice", "Picture"):
            planned.insert(0, ("muted", CAMERA_OFF))
        told = [gap for gap in lane["Gaps"] if gap["Cause"] in ("not_published", "muted") and gap["LengthMs"] > SLACK_MS]
        assert [gap["Cause"] for gap in told] == [cause for cause, _ in planned], (user, media, told)
        for gap, (_, (begin, end)) in zip(told, planned):
            near(gap["Start"], hour(begin) * 1000, gap)
            near(gap["Start"] + gap["LengthMs"], hour(end) * 1000, gap)
        rest = [gap for gap in lane["Gaps"] if gap not in told]
        assert sum(gap["LengthMs"] for gap in rest) < BEGIN_MS * (1 + len(planned)), (user, media, rest)
        assert lane["Counts"]["FramesReceived"] > lane["WrittenMs"] * (0.97 * VIDEO["fps"] / 1000), lane["Counts"]
    formats = lanes["bob", "Picture"]["Formats"]
    sizes = [(f["Width"], f["Height"]) for f in formats]
    assert set(sizes) == set(SIZES) and all(a != b for a, b in zip(sizes, sizes[1:])), sizes
    assert abs(9 * HOUR_S // CHANGE_S - len(sizes)) <= 1, formats
    assert {(f["Width"], f["Height"]) for f in lanes["alice", "Picture"]["Formats"]} == {SIZES[0]}
    listed = {file["Vid"]: file for file in report["Files"]}
    assert set(listed) == {file["Vid"] for file in task["RecordFileList"]}
    for file in task["RecordFileList"]:
        told = listed[file["Vid"]]
        assert (told["Start"], told["DurationMs"]) == (file["StartTime"], file["Duration"]), (told, file)
        content = (library / told["Path"]).read_bytes()
        assert (told["Size"], told["Sha256"]) == (len(content), hashlib.sha256(content).hexdigest()), told


def near(got, wanted, what):
    assert abs(got - wanted) < SLACK_MS, (what, got - wanted)


def compare(spans, planned, path):
    """Gaps are where they were planned, and there are no others; a gap's parts are one."""
    spans = [span for span in spans if span["length_ms"] > SLACK_MS]
    assert len(spans) == len(planned), (path, spans, planned)
    for span, (begin, end) in zip(spans, planned):
        near(span["ms"], begin, path)
        near(span["ms"] + span["length_ms"], end, path)
