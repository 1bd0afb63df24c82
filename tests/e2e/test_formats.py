"""Files of other formats than MP4, made of the same recording: what is in them, and that they agree with each other."""

import json
from threading import Event

import marks
import openapi
import players
import pytest
from probe import assert_in_sync, assert_on_the_wall_clock, assert_whole, frame_ms, probe
from process import eventually, run
from publishers import Synthetic

TASK = "formats"
ALL = ["MP4", "HLS", "FLV", "MP3", "AAC", "M4A", "WEBM", "OGG", "WAV"]
PICTURES = {"MP4": "h264", "HLS": "h264", "FLV": "h264", "WEBM": "vp8"}
AUDIO_CODECS = {"MP3": "mp3", "WEBM": "opus", "OGG": "opus", "WAV": "pcm_s16le"}
SIZE = {"width": 640, "height": 360, "fps": 30}
LENGTH_S = 12
MIXED = {"RecordMode": 0, "Encode": {"VideoWidth": 640, "VideoHeight": 360, "VideoFps": 25}}
# Times in transport streams begin here.
HLS_BEGIN_MS = 200
# Frames of the formats of sound are longer than a picture: the last one may be cut, or filled up.
SLACK_MS = 120


def record(server, room, formats, tmp_path, seconds=LENGTH_S, meanwhile=lambda: None, codec="h264", **fields):
    """Records alice for some seconds; returns the task."""
    fields = {"FileFormatConfig": {"FileFormat": formats}, **fields}
    with Synthetic(server.rooms, room, tmp_path, users=["alice"], codec=codec, **SIZE):
        server.api.start(room, TASK, **fields)
        server.api.wait_status(room, TASK, openapi.RUNNING)
        Event().wait(seconds / 2)
        meanwhile()
        Event().wait(seconds / 2)
        server.api.stop(room, TASK)
        return server.api.wait_status(room, TASK, openapi.ENDED)


def streams(path):
    found = json.loads(run(["ffprobe", "-v", "error", "-show_streams", "-of", "json", path]))["streams"]
    return {stream["codec_type"]: stream["codec_name"] for stream in found}


def assert_agrees(name, path, file, sound_only=False):
    """What is listed of a file is what is in it."""
    codec = "" if sound_only else PICTURES.get(name, "")
    pictures = bool(codec)
    there = streams(path)
    assert there.get("video", "") == codec, (name, there)
    assert there["audio"] == AUDIO_CODECS.get(name, "aac"), (name, there)
    assert file["VideoCodec"] == codec, file
    assert (file["VideoWidth"] > 0, file["VideoHeight"] > 0) == (pictures, pictures), file
    segments = sum(segment.stat().st_size for segment in path.with_suffix("").glob("*.ts")) if name == "HLS" else 0
    assert file["Size"] == path.stat().st_size + segments, (name, file)
    # The input's own time base, as for other players.
    decode = ["ffmpeg", "-nostdin", "-v", "error", "-i", path, "-enc_time_base", "-1", "-f", "null", "-"]
    complaints = players.run_with_stderr(decode)
    assert not complaints, f"{name}: {complaints}"


def assert_same(server, task, formats, sound_only=False):
    """Every file is whole, and has its beeps and flashes where the others have them. Returns the reports."""
    found = server.files_by_format(task, formats)
    reports = {name: probe(path) for name, (path, _) in found.items()}
    for name, (path, file) in found.items():
        assert_agrees(name, path, file, sound_only)
        report = reports[name]
        # ADTS tells no duration, and FFmpeg's guess is off.
        if name != "AAC":
            assert abs(report["duration_ms"] - file["Duration"]) < SLACK_MS, (name, report["duration_ms"], file)
        if name in PICTURES and not sound_only:
            assert pictures(report) == pictures(reports[formats_with_pictures(formats)[0]]), name
            # Pictures of a mix stand on its own grid.
            assert_in_sync(report, within_ms=frame_ms(report))
            begin_ms = HLS_BEGIN_MS if name == "HLS" else 0
            assert_on_the_wall_clock(report, {**file, "StartTime": file["StartTime"] - begin_ms})
    return found, reports


def formats_with_pictures(formats):
    return [name for name in formats if name in PICTURES]


def packets(path, kind):
    """Time and hash of each packet of a file's pictures or sound."""
    show = ["-select_streams", kind, "-show_packets", "-show_data_hash", "md5", "-show_entries", "packet=pts_time,data_hash"]
    found = json.loads(run(["ffprobe", "-v", "error", *show, "-of", "json", path]))["packets"]
    return [(float(packet["pts_time"]), packet["data_hash"]) for packet in found]


def pictures(report):
    """What a file's pictures are, without their times."""
    video = report["video"]
    assert not video["unreadable"] and not video["damaged"], report["file"]
    return [video[name] for name in ("readable", "missing", "duplicated", "out_of_order")]


def test_single_stream_in_all_formats(server, tmp_path):
    task = record(server, "single-formats", ALL, tmp_path)
    found, reports = assert_same(server, task, ALL)
    for name in PICTURES:
        assert_whole(reports[name])
    players.hls(found["HLS"][0])


def test_a_mix_in_all_formats(server, tmp_path):
    task = record(server, "mixed-formats", ALL, tmp_path, **MIXED)
    found, _ = assert_same(server, task, ALL)
    players.hls(found["HLS"][0])


def test_without_mp4(server, tmp_path):
    formats = ["WAV", "HLS", "MP3"]
    task = record(server, "without-mp4", formats, tmp_path)
    assert_same(server, task, formats)
    eventually(lambda: not list(server.data.glob("spool/*")), "the spool is empty")


def test_sound_only(server, tmp_path):
    formats = ["MP4", "HLS", "OGG"]
    task = record(server, "sound-formats", formats, tmp_path, Control={"MediaType": 1})
    assert_same(server, task, formats, sound_only=True)


def test_a_killed_recorder(server, tmp_path):
    formats = ["HLS", "FLV", "WEBM", "MP3"]
    task = record(server, "killed-formats", formats, tmp_path, meanwhile=server.kill_recorder)
    assert_same(server, task, formats)


def assert_plays_as_webm(player, path, file):
    length_s = file["Duration"] / 1000
    players.ffmpeg(path, length_s)
    players.gstreamer(path, length_s)
    players.chromium(player, path, length_s)


def assert_same_times(reports):
    """Flashes and beeps of the WEBM are where those of the MP4 are."""
    webm, mp4 = reports["WEBM"], reports["MP4"]
    for apart in zip(webm["video"]["flashes_ms"], mp4["video"]["flashes_ms"], strict=True):
        assert abs(apart[0] - apart[1]) <= 1, apart
    for apart in zip(webm["audio"]["beeps"], mp4["audio"]["beeps"], strict=True):
        assert abs(apart[0]["ms"] - apart[1]["ms"]) <= 5, apart


# Of both the MP4 has H.264: as it came, and encoded anew.
@pytest.mark.parametrize("codec", ["h264", "vp8"])
def test_webm_beside_mp4(server, player, tmp_path, codec):
    formats = ["MP4", "WEBM"]
    task = record(server, f"mp4-and-webm-{codec}", formats, tmp_path, codec=codec)
    found, reports = assert_same(server, task, formats)
    assert_whole(reports["WEBM"])
    assert_same_times(reports)
    assert_plays_as_webm(player, *found["WEBM"])


def test_webm_of_a_mix_beside_mp4(server, player, tmp_path):
    formats = ["MP4", "WEBM"]
    task = record(server, "mixed-mp4-and-webm", formats, tmp_path, **MIXED)
    found, reports = assert_same(server, task, formats)
    assert_same_times(reports)
    assert_plays_as_webm(player, *found["WEBM"])


def test_webm_of_a_mix_alone(server, player, tmp_path):
    formats = ["WEBM"]
    task = record(server, "mixed-webm", formats, tmp_path, **MIXED)
    found, _ = assert_same(server, task, formats)
    assert_plays_as_webm(player, *found["WEBM"])
    eventually(lambda: not list(server.data.glob("spool/*")), "the spool is empty")


# Longer than the pictures of VP8 take to begin anew: they were coded once, so that those that come again are the same bytes
# when nobody coded them anew.
@pytest.mark.parametrize("codec, seconds", [("vp8", marks.LOOP_SECONDS + 6), ("vp9", 9), ("av1", 9)])
def test_webm(server, player, tmp_path, codec, seconds):
    room = f"webm-{codec}"
    with Synthetic(server.rooms, room, tmp_path, users=["alice"], codec=codec, width=320, height=180, fps=15):
        server.api.start(room, TASK, FileFormatConfig={"FileFormat": ["WEBM"]})
        server.api.wait_status(room, TASK, openapi.RUNNING)
        Event().wait(seconds)
        server.api.stop(room, TASK)
        task = server.api.wait_status(room, TASK, openapi.ENDED)
    ((path, file),) = server.files_by_format(task, ["WEBM"]).values()
    assert streams(path) == {"video": codec, "audio": "opus"}
    assert (file["VideoCodec"], file["AudioCodec"], file["VideoWidth"]) == (codec, "opus", 320)
    assert file["Size"] == path.stat().st_size
    report = probe(path)
    assert_whole(report)
    assert_in_sync(report)
    assert_on_the_wall_clock(report, file, 60)
    assert report["video"]["end_ms"] > file["Duration"] - 3 * frame_ms(report)
    assert_plays_as_webm(player, path, file)
    if seconds > marks.LOOP_SECONDS:
        sent = dict((digest, at) for at, digest in packets(path, "v"))
        again = [sent[digest] - at for at, digest in packets(path, "v") if sent[digest] > at + 1]
        assert len(again) > 3 * 15 and all(abs(apart - marks.LOOP_SECONDS) < 0.05 for apart in again), again
