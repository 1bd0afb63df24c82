"""Recordings longer than a file may be: the files behind each other are the recording."""

from threading import Event

import numpy as np

import openapi
from probe import assert_in_sync, assert_on_the_wall_clock, assert_whole, probe
from process import run
from publishers import Synthetic
from server import Server

MAX_FILE_S = 5
LENGTH_S = 22
# Synthetic users send a key frame each second.
KEY_FRAME_MS = 1_000
# Synthetic users begin their numbers anew after 20 s.
CLIP_FRAMES = 600
CONFIG = f"""
[recorder]
max_file_length = "{MAX_FILE_S}s"
"""


def pcm(path, directory):
    """The sound of a file as a player gives it out, 48 kHz, mono."""
    raw = directory / f"{path.stem}.pcm"
    run(["ffmpeg", "-y", "-v", "error", "-i", path, "-vn", "-ac", "1", "-ar", "48000", "-f", "s16le", raw])
    return np.fromfile(raw, np.int16).astype(float) / 32768


def judge(files):
    reports = [probe(path) for path, _ in files]
    for (path, file), report in zip(files, reports):
        assert_whole(report)
        assert_in_sync(report, pairs=1)
        assert_on_the_wall_clock(report, file)
        assert not report["audio"]["silences"] and not report["audio"]["gaps"]
        assert report["video"]["first_ms"] < 1
    for (_, before), (_, after) in zip(files, files[1:]):
        assert MAX_FILE_S * 1000 <= before["Duration"] < MAX_FILE_S * 1000 + 2 * KEY_FRAME_MS + 500
        assert abs(before["StartTime"] + before["Duration"] - after["StartTime"]) <= 1
    for before, after in zip(reports, reports[1:]):
        assert after["video"]["first_number"] == (before["video"]["last_number"] + 1) % CLIP_FRAMES
    return reports


def assert_sound_joins(files, hz, directory):
    """The tone goes on over every cut as if there were none: no sample is missing or there twice."""
    for (first, _), (second, _) in zip(files, files[1:]):
        # 100 ms on each side.
        before, after = pcm(first, directory)[-4_800:], pcm(second, directory)[:4_800]
        sides = np.concatenate([before, after]) * np.exp(-2j * np.pi * hz * np.arange(9_600) / 48_000)
        step = np.angle(np.sum(sides[4_800:]) / np.sum(sides[:4_800])) * 48_000 / (2 * np.pi * hz)
        assert abs(step) < 0.5, f"{first}, {second}: the tone is off by {step} samples"


def test_files_follow_each_other(tmp_path):
    server = Server(tmp_path, config=CONFIG)
    try:
        with Synthetic(server.rooms, "long", tmp_path, users=["alice"], width=640, height=360, fps=30):
            server.api.start("long", "t")
            server.api.wait_status("long", "t", openapi.RUNNING)
            Event().wait(LENGTH_S)
            # Files that are complete are in the library while the task goes on.
            running = server.api.get("long", "t")
            assert len(running["RecordFileList"]) >= 2
            server.api.stop("long", "t")
            task = server.api.wait_status("long", "t", openapi.ENDED)
        files = server.files(task)[("alice", 0)]
        assert len(files) >= LENGTH_S // (MAX_FILE_S + 2)
        reports = judge(files)
        assert_sound_joins(files, reports[0]["audio"]["tone_hz"], tmp_path)
        server.check()
    finally:
        server.stop()
