"""Pictures that change their size or are turned while a single stream is recorded: the file has one size, and everything
is in it; unless `KeepSource` asks for what was sent."""

import json
from pathlib import Path
from threading import Event

import openapi
import players
import pytest
from probe import assert_in_sync, assert_on_the_wall_clock, assert_whole, frame_ms, probe, share_there
from process import DEADLINE_S, eventually, run
from publishers import Synthetic, WebPublisher
from relay import BadNetwork
from server import Rooms

TASK = "sizes"
FPS = 15
LARGE, SMALL, WIDE = (640, 360), (320, 180), (960, 540)
# A browser's: less exact than our own publisher, it leaves out pictures when it is busy or short of bandwidth.
WEB_USER, WEB_SYNC_MS, WEB_SHARE = 1, 150, 0.4
# What its uplink carries for a while.
NARROW = {"rate_kbits": 200, "queue_ms": 300}


def looks(*sizes):
    """Options of a publisher that sends these, after the large one, for two seconds each."""
    changes = [word for size in sizes for word in ("--change", size)]
    first, *rest = changes[1:]
    return {"size": "640x360", "fps": FPS, "change_every": "2s", "change": first}, rest


def record_task(venue, room, directory, seconds, more, options, **fields):
    """Records one publisher; the task."""
    with Synthetic(venue.rooms, room, directory, ["anna"], *more, **options):
        venue.api.start(room, TASK, **fields)
        venue.api.wait_status(room, TASK, openapi.RUNNING)
        # A LiveKit server may let the first key frame pass, and there is one each second.
        Event().wait(seconds)
        venue.api.stop(room, TASK)
        return venue.api.wait_status(room, TASK, openapi.ENDED)


def record(venue, room, directory, seconds, more, options, **fields):
    """The same; the only file's path, and what the API says of it."""
    task = record_task(venue, room, directory, seconds, more, options, **fields)
    ((path, file),) = venue.server.files(task)[("anna", 0)]
    return path, file


def stream(path):
    """What ffprobe says of the picture, the turn of the track with it."""
    found = json.loads(run(["ffprobe", "-v", "error", "-select_streams", "v", "-show_streams", "-of", "json", path]))
    (video,) = found["streams"]
    turns = [side["rotation"] for side in video.get("side_data_list", ()) if "rotation" in side]
    return (video["width"], video["height"]), turns


def list_sizes(path):
    """Of each picture. Of a growing file up to where it is whole."""
    command = ["ffprobe", "-v", "quiet", "-select_streams", "v", "-show_entries", "frame=width,height", "-of", "csv=p=0"]
    return [tuple(int(side) for side in line.split(",")[:2]) for line in run([*command, path]).split()]


def frame_sizes(path):
    return set(list_sizes(path))


def assert_plays(player, path, file):
    seconds = file["Duration"] / 1000
    players.ffmpeg(path, seconds)
    players.gstreamer(path, seconds)
    if file["VideoCodec"] == "h265":
        # Chromium decodes it in hardware only.
        return {"width": file["VideoWidth"], "height": file["VideoHeight"]}
    # Longer than a size lasts: over a seam.
    return players.chromium(player, path, seconds, play_s=3)


def test_every_size_becomes_the_largest(venue, player, tmp_path):
    options, more = looks("320x180", "360x480")
    path, file = record(venue, "grows", tmp_path, 13, more, options)
    canvas = (640, 480)
    assert (file["VideoWidth"], file["VideoHeight"]) == canvas
    assert frame_sizes(path) == {canvas}
    report = probe(path)
    assert_whole(report)
    assert_in_sync(report)
    assert_on_the_wall_clock(report, file, 60)
    assert report["video"]["end_ms"] > file["Duration"] - 3 * frame_ms(report)
    opened = assert_plays(player, path, file)
    assert (opened["width"], opened["height"]) == canvas


@pytest.mark.parametrize("codec", ["h265", "vp9", "av1"])
def test_what_differs_is_encoded_anew_in_the_codec_of_the_file(server, player, tmp_path, codec):
    options, more = looks("320x180", "360x480")
    with Synthetic(server.rooms, codec, tmp_path, ["anna"], *more, codec=codec, **options):
        for task, fields in ((TASK, {}), ("kept", {"Tapedeck": {"KeepSource": True}})):
            server.api.start(codec, task, **fields)
            server.api.wait_status(codec, task, openapi.RUNNING)
        Event().wait(13)
        for task in (TASK, "kept"):
            server.api.stop(codec, task)
        kept, task = (server.api.wait_status(codec, task, openapi.ENDED) for task in ("kept", TASK))
    ((source, _),) = server.files(kept)[("anna", 0)]
    # Black, where there was no picture yet, is as large as all of them.
    assert frame_sizes(source) - {(640, 480)} == {LARGE, SMALL, (360, 480)}
    ((path, file),) = server.files(task)[("anna", 0)]
    canvas = (640, 480)
    assert (file["VideoCodec"], file["VideoWidth"], file["VideoHeight"]) == (codec, *canvas)
    assert frame_sizes(path) == {canvas}
    report = probe(path)
    assert_whole(report)
    assert_in_sync(report)
    assert_on_the_wall_clock(report, file, 60)
    opened = assert_plays(player, path, file)
    assert (opened["width"], opened["height"]) == canvas


@pytest.mark.parametrize("codec", ["vp8", "vp9"])
def test_a_webm_has_one_size(server, player, tmp_path, codec):
    options, more = looks("320x180")
    room = f"webm-sizes-{codec}"
    fields = {"FileFormatConfig": {"FileFormat": ["WEBM"]}}
    task = record_task(Embedded(server), room, tmp_path, 9, more, options | {"codec": codec}, **fields)
    ((path, file),) = server.files_by_format(task, ["WEBM"]).values()
    assert (file["VideoCodec"], frame_sizes(path)) == (codec, {LARGE})
    report = probe(path)
    assert_whole(report)
    assert_in_sync(report)
    players.ffmpeg(path, file["Duration"] / 1000)
    opened = players.chromium(player, path, file["Duration"] / 1000, play_s=3)
    assert (opened["width"], opened["height"]) == LARGE


def test_a_webm_is_upright(server, tmp_path):
    """It cannot tell players to turn its pictures."""
    options = {"size": "640x360", "fps": FPS, "rotation": "90", "codec": "vp8"}
    fields = {"FileFormatConfig": {"FileFormat": ["WEBM"]}}
    task = record_task(Embedded(server), "webm-upright", tmp_path, 6, (), options, **fields)
    ((path, file),) = server.files_by_format(task, ["WEBM"]).values()
    assert (file["VideoWidth"], file["VideoHeight"]) == LARGE[::-1]
    assert (stream(path), frame_sizes(path)) == ((LARGE[::-1], []), {LARGE[::-1]})
    # What is drawn is not turned by its sender.
    assert len(pictures_turned_back(path, 90, tmp_path)) > (file["Duration"] / 1000 - 1) * FPS


def test_the_source_can_be_kept(server, tmp_path):
    options, more = looks("320x180")
    path, file = record(Embedded(server), "kept", tmp_path, 9, more, options, Tapedeck={"KeepSource": True})
    assert frame_sizes(path) == {LARGE, SMALL}
    assert_whole(probe(path))


@pytest.mark.parametrize("keep", [False, True])
def test_other_formats(server, tmp_path, keep):
    """FLV and WEBM have one size as the MP4 does; HLS, whose segments were published, says where it changes."""
    options, more = looks("320x180")
    formats = ["MP4", "HLS", "FLV", "WEBM"]
    fields = {"FileFormatConfig": {"FileFormat": formats}, "Tapedeck": {"KeepSource": keep}}
    task = record_task(Embedded(server), f"formats-{keep}", tmp_path, 13, more, options, **fields)
    found = server.files_by_format(task, formats)
    several = {LARGE, SMALL}
    for name, (path, file) in found.items():
        assert frame_sizes(path) == (several if keep or name == "HLS" else {LARGE}), name
        assert (file["VideoWidth"], file["VideoHeight"]) == LARGE, (name, file)
        report = probe(path)
        assert_whole(report)
        assert_in_sync(report)
    assert found["HLS"][0].read_text().count("#EXT-X-DISCONTINUITY\n") >= 4
    players.hls(found["HLS"][0])
    for path, file in (found["FLV"], found["WEBM"]):
        assert file["Size"] == path.stat().st_size
        players.ffmpeg(path, file["Duration"] / 1000)


# A LiveKit server (1.11) does not carry the video-orientation extension: senders turn their pictures themselves, which is a
# change of size.
@pytest.mark.parametrize("codec", ["h264", "vp9", "av1"])
def test_a_phone_held_upright_is_turned_by_the_player(server, player, tmp_path, codec):
    options = {"size": "640x360", "fps": FPS, "rotation": "90", "codec": codec}
    path, file = record(Embedded(server), f"upright-{codec}", tmp_path, 6, (), options)
    assert (file["VideoWidth"], file["VideoHeight"]) == LARGE[::-1]
    # FFmpeg counts the other way round.
    assert stream(path) == (LARGE, [-90])
    opened = assert_plays(player, path, file)
    assert (opened["width"], opened["height"]) == LARGE[::-1]


def test_a_webm_of_a_phone_held_upright_has_upright_pictures(server, player, tmp_path):
    options = {"size": "640x360", "fps": FPS, "rotation": "90"}
    formats = ["MP4", "WEBM"]
    fields = {"FileFormatConfig": {"FileFormat": formats}}
    task = record_task(Embedded(server), "upright-webm", tmp_path, 6, (), options, **fields)
    path, file = server.files_by_format(task, formats)["WEBM"]
    assert (file["VideoWidth"], file["VideoHeight"]) == LARGE[::-1]
    assert stream(path) == (LARGE[::-1], [])
    # What is drawn is not turned. Numbers begin again after whole seconds.
    shown = pictures_turned_back(path, 90, tmp_path)
    numbers = [picture["number"] for picture in shown]
    assert {(after - before) % FPS for before, after in zip(numbers, numbers[1:])} == {1}, numbers
    assert abs(len(shown) - (file["Duration"] - shown[0]["ms"]) / 1000 * FPS) < 3
    assert_plays(player, path, file)


def test_a_phone_that_is_turned_over_and_over(server, player, tmp_path):
    options, more = looks("640x360/90", "640x360/180", "640x360/270")
    options["rotation"] = "0"
    path, file = record(Embedded(server), "turns", tmp_path, 17, more, options)
    canvas = (640, 640)
    assert (file["VideoWidth"], file["VideoHeight"]) == canvas
    assert (stream(path), frame_sizes(path)) == ((canvas, []), {canvas})
    # What is drawn is not turned: turned back, pictures can be read, each in one of four ways.
    seen = [pictures_turned_back(path, turn, tmp_path) for turn in (0, 90, 180, 270)]
    assert all(len(pictures) > 2 * FPS for pictures in seen), [len(pictures) for pictures in seen]
    shown = sorted((picture for pictures in seen for picture in pictures), key=lambda picture: picture["ms"])
    numbers = [picture["number"] for picture in shown]
    # They begin again after whole seconds.
    assert {(after - before) % FPS for before, after in zip(numbers, numbers[1:])} == {1}, numbers
    assert abs(len(shown) - (file["Duration"] - shown[0]["ms"]) / 1000 * FPS) < 3
    opened = assert_plays(player, path, file)
    assert (opened["width"], opened["height"]) == canvas


def pictures_turned_back(path, turn, directory):
    """The readable ones of a file whose pictures were turned clockwise by so many degrees, turned back."""
    back = directory / f"{turn}.mp4"
    filters = {0: "null", 90: "transpose=cclock", 180: "hflip,vflip", 270: "transpose=clock"}[turn]
    run(["ffmpeg", "-nostdin", "-v", "error", "-i", path, "-an", "-vf", filters, "-fps_mode", "passthrough",
         "-preset", "ultrafast", "-y", back], deadline_s=60)
    return [picture for picture in probe(back, "--list")["video"]["list"] if picture["number"] is not None]


# VP9 is slower to publish.
@pytest.mark.parametrize("codec, largest", [("h264", (1280, 720)), ("vp9", WIDE)])
def test_a_recorder_killed_while_it_makes_sizes_uniform(server, tmp_path, codec, largest):
    room = f"killed-sizes-{codec}"
    options, more = looks("{}x{}".format(*largest), "320x180")
    with Synthetic(server.rooms, room, tmp_path, ["anna"], *more, **options | {"fps": 30, "codec": codec}):
        server.api.start(room, TASK)
        server.api.wait_status(room, TASK, openapi.RUNNING)
        Event().wait(16)
        server.api.stop(room, TASK)
        eventually(lambda: encoding(server), "a file is being made uniform")
        Event().wait(0.3)
        server.kill_recorder()
        task = server.api.wait_status(room, TASK, openapi.ENDED)
    ((path, file),) = server.files(task)[("anna", 0)]
    assert frame_sizes(path) == {largest}
    report = probe(path)
    assert_whole(report)
    assert_in_sync(report)
    players.ffmpeg(path, file["Duration"] / 1000)
    server.check()


@pytest.mark.parametrize("simulcast", [False, True], ids=["one layer", "simulcast"])
def test_a_browser_short_of_bandwidth(server, player, tmp_path, simulcast):
    """Chromium makes its pictures smaller by itself, or stops sending the larger layers; later it does so no more."""
    room = "simulcast" if simulcast else "narrow"
    network = BadNetwork(tmp_path, server.rooms_port, server.media_port)
    anna = WebPublisher(Rooms(network.url, server.rooms.key, server.rooms.secret), room, "anna", WEB_USER, tmp_path)
    try:
        options = {"simulcast": simulcast, "degrade": "maintain-framerate", "noise": True}
        anna.publish("camera", width=WIDE[0], height=WIDE[1], fps=FPS, codec="h264", **options)
        anna.publish("microphone")
        for task, fields in ((TASK, {}), ("kept", {"Tapedeck": {"KeepSource": True}})):
            server.api.start(room, task, **fields)
            server.api.wait_status(room, task, openapi.RUNNING)
        # It begins with small ones, too, until it knows the network.
        large, small = (lambda: last_sizes(server) == {WIDE}), (lambda: WIDE not in last_sizes(server))
        eventually(large, "the large pictures are recorded", deadline_s=2 * DEADLINE_S)
        network.impair("up", **NARROW)
        eventually(small, "smaller pictures are recorded")
        network.impair("up")
        eventually(large, "large pictures are recorded again", deadline_s=2 * DEADLINE_S)
        for task in (TASK, "kept"):
            server.api.stop(room, task)
        kept, task = (server.api.wait_status(room, task, openapi.ENDED) for task in ("kept", TASK))
    finally:
        anna.stop()
        network.stop()
    ((path, file),) = server.files(task)[("anna", 0)]
    ((source, _),) = server.files(kept)[("anna", 0)]
    assert WIDE in frame_sizes(source) and len(frame_sizes(source)) > 1
    assert frame_sizes(path) == {WIDE} == {(file["VideoWidth"], file["VideoHeight"])}
    report = probe(path, "--fps", FPS)
    video = report["video"]
    flaws = {name: video[name] for name in ("out_of_order", "unreadable", "damaged")}
    assert video["user"] == WEB_USER and not any(flaws.values()) and not report["error_count"], (flaws, report["errors"])
    assert share_there(report) > WEB_SHARE, video["missing_at"]
    assert_in_sync(report, WEB_SYNC_MS)
    assert_plays(player, path, file)


def last_sizes(server):
    """Of the pictures of the last two seconds of a stream that is being recorded."""
    growing = next(server.data.glob("spool/*/0000-C-anna.mp4"), None)
    return set(list_sizes(growing)[-2 * FPS :]) if growing else {WIDE, None}


def encoding(server):
    """Whether a recorder has its thread for that."""
    names = (comm.read_text().strip() for pid in server.recorders() for comm in Path(f"/proc/{pid}/task").glob("*/comm"))
    return "uniform" in names


class Embedded:
    """A venue without another room server."""

    def __init__(self, server):
        self.server, self.api, self.rooms = server, server.api, server.rooms
