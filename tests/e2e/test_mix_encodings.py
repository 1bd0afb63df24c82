"""Mixed recordings in other codecs and with other sounds, of one room at one time."""

import json
from threading import Event

import pytest

import openapi
import players
from mixed import LATE_SOUND_MS, assert_beeps, assert_region, look, only_file
from probe import probe, total
from process import run
from publishers import Synthetic

ROOM = "encodings"
PICTURE = {"VideoWidth": 640, "VideoHeight": 180, "VideoFps": 25}
TASKS = {
    "h265": {"Encode": {**PICTURE, "VideoCodec": 1}},
    "sound-only": {"Encode": PICTURE, "Control": {"MediaType": 1}},
    "mono": {"Encode": {**PICTURE, "AudioSampleRate": 44_100, "AudioChannels": 1, "AudioBitrate": 96}},
    "narrow": {"Encode": {**PICTURE, "AudioSampleRate": 16_000}},
}
LENGTH_S = 8
# What was said last and had not come when the task was stopped, and the rest of an AAC frame.
ON_ITS_WAY_MS = 100


@pytest.fixture(scope="module")
def files(server, tmp_path_factory):
    """Path and row of the file of each task."""
    size = {"width": 320, "height": 180, "fps": 25}
    with Synthetic(server.rooms, ROOM, tmp_path_factory.mktemp(ROOM), users=["alice", "bob"], **size):
        for task, fields in TASKS.items():
            server.api.start(ROOM, task, RecordMode=0, **fields)
        for task in TASKS:
            server.api.wait_status(ROOM, task, openapi.RUNNING)
        Event().wait(LENGTH_S)
        for task in TASKS:
            server.api.stop(ROOM, task)
        ended = {task: server.api.wait_status(ROOM, task, openapi.ENDED) for task in TASKS}
    return {task: only_file(server, found) for task, found in ended.items()}


def stream_of(path, kind):
    """What the container says of its only stream of a kind."""
    found = json.loads(run(["ffprobe", "-v", "error", "-show_streams", "-of", "json", path]))
    (stream,) = (stream for stream in found["streams"] if stream["codec_type"] == kind)
    return stream


def assert_heard(path, file):
    """Both users beep at their moments, and nothing is missing between."""
    for tone in (600, 700):
        assert_beeps(path, file, tone, count=LENGTH_S - 2)
    sound = probe(path)["audio"]
    silences = [silence for silence in sound["silences"] if silence["ms"] < sound["end_ms"] - ON_ITS_WAY_MS]
    assert not sound["gaps"] and total(silences) <= LATE_SOUND_MS, (sound["gaps"], silences)


def assert_seen(path, file):
    """Both users stand side by side, and players know what their colours are."""
    video = stream_of(path, "video")
    assert (video["color_space"], video["color_range"]) == ("smpte170m", "tv")
    reports = [look(path, x, 0, 320, 180) for x in (0, 320)]
    assert sorted(report["video"]["user"] for report in reports) == [0, 1]
    for report in reports:
        assert_region(report, file)


def test_senders_of_h265(server, tmp_path):
    size = {"width": 320, "height": 180, "fps": 25}
    with Synthetic(server.rooms, "senders-h265", tmp_path, users=["alice", "bob"], codec="h265", **size):
        server.api.start("senders-h265", "mix", RecordMode=0, Encode=PICTURE)
        server.api.wait_status("senders-h265", "mix", openapi.RUNNING)
        Event().wait(LENGTH_S)
        server.api.stop("senders-h265", "mix")
        task = server.api.wait_status("senders-h265", "mix", openapi.ENDED)
    path, file = only_file(server, task)
    assert file["VideoCodec"] == "h264"
    assert_seen(path, file)
    assert_heard(path, file)
    players.ffmpeg(path, file["Duration"] / 1000)


def test_h265(files):
    path, file = files["h265"]
    assert file["VideoCodec"] == "h265"
    video = stream_of(path, "video")
    assert (video["codec_name"], video["codec_tag_string"], video["pix_fmt"]) == ("hevc", "hev1", "yuv420p")
    assert (video["width"], video["height"], video["r_frame_rate"]) == (640, 180, "25/1")
    assert_seen(path, file)
    assert_heard(path, file)
    players.ffmpeg(path, file["Duration"] / 1000)
    players.gstreamer(path, file["Duration"] / 1000)


def test_sound_only(files, player):
    path, file = files["sound-only"]
    assert (file["VideoCodec"], file["VideoWidth"], file["VideoHeight"]) == ("", 0, 0)
    assert file["AudioCodec"] == "aac"
    assert probe(path)["video"] is None
    assert_heard(path, file)
    players.ffmpeg(path, file["Duration"] / 1000)
    players.gstreamer(path, file["Duration"] / 1000)


@pytest.mark.parametrize(("task", "rate", "channels"), [("mono", 44_100, 1), ("narrow", 16_000, 2)])
def test_other_rates_and_channels(files, player, task, rate, channels):
    path, file = files[task]
    sound = stream_of(path, "audio")
    assert (sound["codec_name"], sound["profile"]) == ("aac", "LC")
    assert (int(sound["sample_rate"]), sound["channels"]) == (rate, channels)
    assert_seen(path, file)
    assert_heard(path, file)
    players.ffmpeg(path, file["Duration"] / 1000)
    players.gstreamer(path, file["Duration"] / 1000)
    players.chromium(player, path, file["Duration"] / 1000)
