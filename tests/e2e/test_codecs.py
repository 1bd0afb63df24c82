"""Single streams of every codec that rooms carry end up as MP4 that plays everywhere."""

from contextlib import ExitStack
from threading import Event

import openapi
import players
import pytest
from probe import assert_in_sync, assert_on_the_wall_clock, assert_whole, frame_ms, probe, share_there
from publishers import Synthetic, WebPublisher

SIZE = {"width": 320, "height": 180, "fps": 15}
# Browsers are less exact than our own publisher, and leave out pictures when they are busy.
WEB_SYNC_MS, WEB_SHARE = 100, 0.5


@pytest.mark.parametrize("codec", ["vp8", "vp9", "av1"])
def test_a_stream_that_mp4_does_not_take_as_it_is(venue, player, tmp_path, codec):
    with Synthetic(venue.rooms, codec, tmp_path, users=["alice"], codec=codec, **SIZE):
        venue.api.start(codec, "codec")
        venue.api.wait_status(codec, "codec", openapi.RUNNING)
        # A LiveKit server may let the first key frame pass, and there is one each second.
        Event().wait(9)
        venue.api.stop(codec, "codec")
        task = venue.api.wait_status(codec, "codec", openapi.ENDED)
    ((path, file),) = venue.server.files(task)[("alice", 0)]
    assert (file["VideoCodec"], file["VideoWidth"], file["VideoHeight"]) == ("h264", 320, 180)
    report = probe(path)
    assert_whole(report)
    assert_in_sync(report)
    assert_on_the_wall_clock(report, file, 60)
    # Up to the stop.
    assert report["video"]["end_ms"] > file["Duration"] - 3 * frame_ms(report)
    players.ffmpeg(path, file["Duration"] / 1000)
    players.chromium(player, path, file["Duration"] / 1000)


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
