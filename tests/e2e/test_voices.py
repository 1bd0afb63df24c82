"""Sound as browsers send it: with silence left out (DTX of Opus), and in stereo."""

import time
from threading import Event

import numpy as np
import openapi
from probe import assert_in_sync, probe
from process import run
from publishers import WebPublisher

TASK = "voices"
RATE = 48_000
WINDOW = RATE // 25
SMALL = {"width": 320, "height": 180, "fps": 15, "codec": "h264", "simulcast": False}
# Browsers are less exact than our publisher.
WEB_SYNC_MS = 80
SPEECH_S, SILENCE_S = 5, 6
# Instead of 50 packets a second an encoder with DTX sends two or three.
MOST_DTX_PACKETS_S = 10


def packets(web):
    (layer,) = web.sent("microphone")
    return layer["packets"]


def test_silence_that_is_not_sent(venue, tmp_path):
    """The beeps behind the silence are where they belong."""
    room, moments = "dtx", []
    web = WebPublisher(venue.rooms, room, "anna", 1, tmp_path)
    try:
        web.publish("camera", **SMALL)
        web.publish("microphone", dtx=True, stereo=False)
        venue.api.start(room, TASK)
        venue.api.wait_status(room, TASK, openapi.RUNNING)
        Event().wait(SPEECH_S)
        moments.append(time.time() * 1000)
        web.hush("microphone", True)
        # The encoder goes on for some frames.
        Event().wait(1)
        before = packets(web)
        Event().wait(SILENCE_S)
        assert packets(web) - before < MOST_DTX_PACKETS_S * SILENCE_S, "DTX is off"
        web.hush("microphone", False)
        moments.append(time.time() * 1000)
        Event().wait(SPEECH_S)
        venue.api.stop(room, TASK)
        task = venue.api.wait_status(room, TASK, openapi.ENDED)
    finally:
        web.stop()
    ((path, file),) = venue.server.files(task)[("anna", 0)]
    report = probe(path)
    assert_in_sync(report, WEB_SYNC_MS, pairs=2 * SPEECH_S - 3)
    hushed, heard = (moment - file["StartTime"] for moment in moments)
    (silence,) = (span for span in report["audio"]["silences"] if span["length_ms"] > 1000)
    assert abs(silence["ms"] - hushed) < 500 and abs(silence["ms"] + silence["length_ms"] - heard) < 500, silence
    beeps = [beep["ms"] for beep in report["audio"]["beeps"]]
    assert len([ms for ms in beeps if ms > heard]) >= SPEECH_S - 1, beeps
    for ms in beeps:
        off = (file["StartTime"] + ms + 500) % 1000 - 500
        assert abs(off) < WEB_SYNC_MS, f"beep at {ms} ms is {off:+.0f} ms off the second"
    assert not report["error_count"], report["errors"]


def strength(samples, hz):
    """The amplitude of a tone, by windows of 40 ms: a clock that is followed shifts it by up to a hundredth."""
    turns = samples * np.exp(-2j * np.pi * hz * np.arange(len(samples)) / RATE)
    windows = turns[: len(turns) // WINDOW * WINDOW].reshape(-1, WINDOW) * np.hanning(WINDOW)
    return 4 * np.mean(abs(np.mean(windows, axis=1)))


def test_stereo(venue, tmp_path):
    room = "stereo"
    web = WebPublisher(venue.rooms, room, "anna", 1, tmp_path)
    try:
        web.publish("camera", **SMALL)
        web.publish("microphone", stereo=True)
        venue.api.start(room, TASK, Encode={"AudioChannels": 2})
        venue.api.wait_status(room, TASK, openapi.RUNNING)
        Event().wait(SPEECH_S)
        venue.api.stop(room, TASK)
        task = venue.api.wait_status(room, TASK, openapi.ENDED)
    finally:
        web.stop()
    ((path, _),) = venue.server.files(task)[("anna", 0)]
    raw = tmp_path / "stereo.pcm"
    shape = run(["ffprobe", "-v", "error", "-select_streams", "a", "-show_entries", "stream=codec_name,channels", "-of", "csv=p=0", path])
    assert shape.strip() == "aac,2"
    run(["ffmpeg", "-y", "-v", "error", "-i", path, "-vn", "-ar", RATE, "-f", "f32le", raw])
    left, right = np.fromfile(raw, np.float32).reshape(-1, 2).T
    # Users 1 and 2 of the marks: at the left a faint tone and its beeps, at the right a steady one.
    own, other = 700, 800
    inside = slice(2 * RATE, 4 * RATE)
    left, right = left[inside], right[inside]
    assert strength(left, own) > 0.015 and strength(left, own) > 10 * strength(left, other), "left"
    assert strength(right, other) > 0.15 and strength(right, other) > 10 * strength(right, own), "right"
