"""Single streams of every codec that rooms carry, kept or encoded anew, are MP4 that plays everywhere."""

import json
from contextlib import ExitStack
from threading import Event

import openapi
import players
import pytest
from probe import assert_in_sync, assert_on_the_wall_clock, assert_whole, frame_ms, probe, share_there
from process import run
from publishers import Synthetic, WebPublisher

SIZE = {"width": 320, "height": 180, "fps": 15}
# Browsers are less exact than our own publisher, and leave out pictures when they are busy.
WEB_SYNC_MS, WEB_SHARE = 100, 0.5


# What the file has of what is sent: MP4 takes no VP8 that every player knows.
KEPT = {"vp8": "h264", "vp9": "vp9", "av1": "av1", "h265": "h265"}
# FFmpeg's names of codecs, where they are others.
FFMPEG = {"h265": "hevc"}


@pytest.mark.parametrize("codec", KEPT)
def test_a_stream_of_every_codec(venue, player, tmp_path, codec):
    # More pictures than the 15 a second that a mix has unless another rate is asked for.
    with Synthetic(venue.rooms, codec, tmp_path, users=["alice"], codec=codec, **{**SIZE, "fps": 20}):
        venue.api.start(codec, "codec")
        venue.api.wait_status(codec, "codec", openapi.RUNNING)
        # A LiveKit server may let the first key frame pass, and there is one each second.
        Event().wait(9)
        venue.api.stop(codec, "codec")
        task = venue.api.wait_status(codec, "codec", openapi.ENDED)
    ((path, file),) = venue.server.files(task)[("alice", 0)]
    assert (file["VideoCodec"], file["VideoWidth"], file["VideoHeight"]) == (KEPT[codec], 320, 180)
    assert codecs(path) == [FFMPEG.get(KEPT[codec], KEPT[codec]), "aac"]
    report = probe(path)
    assert_whole(report)
    assert_in_sync(report)
    assert_on_the_wall_clock(report, file, 60)
    # Up to the stop.
    assert report["video"]["end_ms"] > file["Duration"] - 3 * frame_ms(report)
    players.ffmpeg(path, file["Duration"] / 1000)
    players.gstreamer(path, file["Duration"] / 1000)
    if codec != "h265":
        # Chromium decodes H.265 in hardware only.
        players.chromium(player, path, file["Duration"] / 1000)


def test_h265_is_black_where_it_was_off_and_h264_where_flv_is_wanted(server, tmp_path):
    """Two tasks of one stream, whose camera is off for a while: one keeps its pictures, the other encodes them anew."""
    room = "h265-off"
    with Synthetic(server.rooms, room, tmp_path, users=["alice"], codec="h265", mute="video:7s-10s", **SIZE):
        server.api.start(room, "kept")
        server.api.start(room, "anew", FileFormatConfig={"FileFormat": ["MP4", "FLV"]})
        server.api.wait_status(room, "kept", openapi.RUNNING)
        server.api.wait_status(room, "anew", openapi.RUNNING)
        Event().wait(13)
        for task in ("kept", "anew"):
            server.api.stop(room, task)
        kept = server.api.wait_status(room, "kept", openapi.ENDED)
        anew = server.api.wait_status(room, "anew", openapi.ENDED)
    ((path, file),) = server.files(kept)[("alice", 0)]
    assert codecs(path) == ["hevc", "aac"]
    made = [(path, file), *server.files(anew)[("alice", 0)]]
    assert [file["VideoCodec"] for _, file in made[1:]] == ["h264"] * 2
    for path, file in made:
        report = probe(path)
        assert_in_sync(report)
        video = report["video"]
        assert not video["out_of_order"] and not video["damaged"] and not video["duplicated"], (path, video)
        # Off for 3 s, and a little longer until the next key frame.
        black = sum(span["length_ms"] for span in video["black"])
        assert 2700 < black < 4500, (path, video["black"])
        players.ffmpeg(path, file["Duration"] / 1000)


def codecs(path):
    """Of the tracks of a file, the picture first."""
    found = run(["ffprobe", "-v", "error", "-show_entries", "stream=codec_name,codec_type", "-of", "json", path])
    streams = sorted(json.loads(found)["streams"], key=lambda stream: stream["codec_type"] == "audio")
    return [stream["codec_name"] for stream in streams]


def test_a_codec_that_changes_begins_another_file(server, tmp_path):
    room = "changes"
    with ExitStack() as stack:
        anna = WebPublisher(server.rooms, room, "anna", 1, tmp_path)
        stack.callback(anna.stop)
        anna.publish("microphone")
        server.api.start(room, "codec")
        server.api.wait_status(room, "codec", openapi.RUNNING)
        for codec in ("vp9", "h264"):
            anna.publish("camera", width=320, height=180, fps=15, codec=codec)
            Event().wait(6)
            anna.unpublish("camera")
        server.api.stop(room, "codec")
        task = server.api.wait_status(room, "codec", openapi.ENDED)
    files = server.files(task)[("anna", 0)]
    assert [file["VideoCodec"] for _, file in files] == ["vp9", "h264"]
    (_, first), (_, second) = files
    assert abs(first["StartTime"] + first["Duration"] - second["StartTime"]) <= 2, (first, second)
    for path, file in files:
        players.ffmpeg(path, file["Duration"] / 1000)
        silent = [span for span in probe(path)["audio"]["silences"] if span["length_ms"] > 1000]
        assert not silent, f"{path}: there is a beep each second: {silent}"


@pytest.mark.parametrize("codec", ["vp9", "av1"])
def test_layers_of_a_browser_are_one_picture(venue, player, tmp_path, codec):
    """The browser SDK sends three layers in one stream (L3T3_KEY)."""
    room = f"layers-{codec}"
    with ExitStack() as stack:
        anna = WebPublisher(venue.rooms, room, "anna", 1, tmp_path)
        stack.callback(anna.stop)
        anna.publish("camera", width=640, height=360, fps=15, codec=codec, simulcast=True)
        anna.publish("microphone")
        venue.api.start(room, "codec")
        venue.api.wait_status(room, "codec", openapi.RUNNING)
        Event().wait(10)
        assert {layer["codec"] for layer in anna.sent("camera")} == {f"video/{codec.upper()}"}
        venue.api.stop(room, "codec")
        task = venue.api.wait_status(room, "codec", openapi.ENDED)
    ((path, file),) = venue.server.files(task)[("anna", 0)]
    assert file["VideoCodec"] == codec
    video = (report := probe(path))["video"]
    # Also where it began with fewer layers: at the end of the task its pictures got one size.
    assert video["user"] == 1 and video["sizes"] == [[640, 360]], video
    assert not video["out_of_order"] and not video["damaged"] and share_there(report) > WEB_SHARE, video
    assert not video["duplicated"], video
    assert_in_sync(report, WEB_SYNC_MS)
    players.ffmpeg(path, file["Duration"] / 1000)
    players.gstreamer(path, file["Duration"] / 1000)
    players.chromium(player, path, file["Duration"] / 1000)


@pytest.mark.parametrize("rate, fps", [(16000, 60), (44100, 5)])
def test_rates_that_are_asked_for(server, tmp_path, rate, fps):
    room = f"rates-{rate}"
    encode = {"VideoFps": fps, "VideoBitrate": 100, "AudioSampleRate": rate, "AudioChannels": 1}
    with Synthetic(server.rooms, room, tmp_path, users=["alice"], codec="vp8", **SIZE):
        server.api.start(room, "codec", Encode=encode)
        server.api.wait_status(room, "codec", openapi.RUNNING)
        Event().wait(8)
        server.api.stop(room, "codec")
        task = server.api.wait_status(room, "codec", openapi.ENDED)
    ((path, file),) = server.files(task)[("alice", 0)]
    shape = "stream=codec_name,sample_rate,channels,avg_frame_rate"
    streams = json.loads(run(["ffprobe", "-v", "error", "-show_entries", shape, "-of", "json", path]))["streams"]
    sound = next(stream for stream in streams if stream["codec_name"] == "aac")
    assert (sound["sample_rate"], sound["channels"]) == (str(rate), 1)
    report = probe(path)
    if fps < SIZE["fps"]:
        # Flashes may be among those that are left out.
        assert 30 <= report["video"]["readable"] <= fps * file["Duration"] / 1000 + 2, report["video"]
    else:
        assert_whole(report)
        assert_in_sync(report)
    players.ffmpeg(path, file["Duration"] / 1000)


def test_a_browser_as_it_comes(server, tmp_path):
    """Whoever asks for no codec sends VP8, in three layers."""
    with ExitStack() as stack:
        anna = WebPublisher(server.rooms, "as-it-comes", "anna", 1, tmp_path)
        stack.callback(anna.stop)
        anna.publish("camera", width=640, height=360, fps=15, simulcast=True)
        anna.publish("microphone")
        server.api.start("as-it-comes", "codec")
        server.api.wait_status("as-it-comes", "codec", openapi.RUNNING)
        Event().wait(8)
        assert {layer["codec"] for layer in anna.sent("camera")} == {"video/VP8"}
        server.api.stop("as-it-comes", "codec")
        task = server.api.wait_status("as-it-comes", "codec", openapi.ENDED)
    ((path, file),) = server.files(task)[("anna", 0)]
    report = probe(path)
    video = report["video"]
    assert video["user"] == 1 and [640, 360] in video["sizes"], video
    assert not video["out_of_order"] and not video["damaged"] and share_there(report) > WEB_SHARE, video
    assert_in_sync(report, WEB_SYNC_MS)
    players.ffmpeg(path, file["Duration"] / 1000)
