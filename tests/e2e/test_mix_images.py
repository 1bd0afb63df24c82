"""Background and alternate images of mixed recordings, fetched from a web server of the test."""

import struct
import subprocess
import threading
import zlib
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event

import openapi
import pytest
from probe import probe
from process import eventually
from publishers import Synthetic

TASK = "images"
SIZE = {"width": 320, "height": 180, "fps": 25}
MIXED = {"RecordMode": 0, "Encode": {"VideoFps": 25}}
COLOUR, RED, GREEN, BLUE = (32, 64, 96), (200, 40, 40), (40, 160, 60), (40, 60, 200)
METADATA = "http://169.254.169.254/latest/meta-data.png?token=secret"
# One address gives nothing, one is refused, one is damaged.
EXPLAINED = (
    "/missing.png: HTTP status 404",
    "http://169.254.169.254/latest/meta-data.png: its host has a link-local address, which is in no allowed network",
    "/broken.png: codec: the image's header is damaged",
)
# Per channel: what 4:2:0, limited range and compression may move a flat colour by.
NEAR = 12


# Inside of the background beside the boxes, and of the second box: x, y, width, height.
BESIDE, SECOND = (644, 4, 312, 532), (324, 4, 312, 172)


def png(colour, side=32):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes(colour) * side) * side
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def jpg(colour):
    source = "color=c=0x{:02x}{:02x}{:02x}:s=64x36".format(*colour)
    encode = ("-frames:v", "1", "-q:v", "2", "-f", "mjpeg", "-")
    argv = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", source, *encode]
    return subprocess.run(argv, check=True, capture_output=True, timeout=60).stdout


class Site:
    """A web server that has these files and counts what it is asked for."""

    def __init__(self, files):
        self.calls = calls = Counter()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                path = self.path.partition("?")[0]
                calls[path] += 1
                body = files.get(path)
                self.send_response(200 if body else 404)
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path):
        return f"http://127.0.0.1:{self.server.server_port}{path}"

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def site():
    site = Site({"/red.png": png(RED), "/green.png": png(GREEN), "/blue.jpg": jpg(BLUE), "/broken.png": png(RED)[:20]})
    yield site
    site.stop()


def layout(background, *alternates):
    """Up to five boxes at the left of a canvas, which is background else."""
    canvas = {"Width": 960, "Height": 540, "Background": "#204060", "BackgroundImage": background}
    places = [(0, 0), (320, 0), (0, 180), (320, 180), (0, 360)]
    regions = [
        {"StreamIndex": index, "LocationX": x, "LocationY": y, "Width": 320, "Height": 180, **alternate}
        for index, ((x, y), alternate) in enumerate(zip(places, ({}, *alternates)), 1)
    ]
    return {"LayoutMode": 2, "CustomLayout": {"Canvas": canvas, "Regions": regions}}


def streams(*users):
    return {"StreamList": [{"UserId": user, "Index": index} for index, user in enumerate(users, 1)]}


def colours(path, x, y, width, height):
    """The average colour of a region, frame by frame."""
    region = f"crop={width}:{height}:{x}:{y},scale=1:1:flags=area"
    argv = ["ffmpeg", "-v", "error", "-i", path, "-vf", region, "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]
    raw = subprocess.run(argv, check=True, capture_output=True, timeout=120).stdout
    return [tuple(raw[at : at + 3]) for at in range(0, len(raw), 3)]


def near(colour, wanted):
    return all(abs(a - b) <= NEAR for a, b in zip(colour, wanted))


def sequence(found, wanted):
    """Which of the `wanted` colours the frames have one after the other; `None` is any other one."""
    names = [next((one for one in wanted if near(colour, one)), None) for colour in found]
    return [name for at, name in enumerate(names) if at == 0 or names[at - 1] != name]


def notes(server, room):
    answer = server.api.call("GetRecordTask", server.api.ids(room, TASK))
    return answer.get("Tapedeck", {}).get("Notes", [])


def test_background_and_alternate_images(server, site, tmp_path):
    room = "images"
    users = ["bob", "alice", "carol", "dave", "erin"]
    with Synthetic(server.rooms, room, tmp_path, users=["bob"], **SIZE):
        boxes = layout(
            site.url("/red.png"),
            {"AlternateImage": site.url("/blue.jpg?signature=secret"), "AlternateImageFillMode": 1},
            {"AlternateImage": site.url("/missing.png?signature=secret")},
            {"AlternateImage": METADATA},
            {"AlternateImage": site.url("/broken.png?signature=secret")},
        )
        server.api.start(room, TASK, **MIXED, TargetStreams=streams(*users), Layout=boxes)
        server.api.wait_status(room, TASK, openapi.RUNNING)
        told = eventually(lambda: len(found := notes(server, room)) == 3 and found, "three notes")
        eventually(lambda: site.calls["/red.png"] and site.calls["/blue.jpg"], "two images are fetched")
        Event().wait(3)
        with Synthetic(server.rooms, room, tmp_path, users=["alice"], **SIZE):
            Event().wait(3)
            update = {"CustomLayout": {"Canvas": {"BackgroundImage": site.url("/green.png")}}}
            assert server.api.call("UpdateRecord", {**server.api.ids(room, TASK), "Layout": update}) == "ok"
            eventually(lambda: site.calls["/green.png"], "the new image is fetched")
            Event().wait(2)
            server.api.stop(room, TASK)
            task = server.api.wait_status(room, TASK, openapi.ENDED)
    assert "secret" not in str(told)
    assert [sum(text in note for note in told) for text in EXPLAINED] == [1, 1, 1], told
    assert site.calls == dict.fromkeys(("/red.png", "/blue.jpg", "/green.png", "/missing.png", "/broken.png"), 1)
    assert not list(server.data.glob("images/*")), "images go with their task"
    (file,) = task["RecordFileList"]
    path, _ = server.place(file)

    # Boxes whose images are missing show what is below them, as if they had none. The plain colour is seen before an image
    # is there, if at all.
    for place in (BESIDE, (4, 184, 312, 172), (324, 184, 312, 172), (4, 364, 312, 172)):
        seen = sequence(colours(path, *place), [COLOUR, RED, GREEN])
        assert [colour for colour in seen if colour != COLOUR] == [RED, GREEN], (place, seen)
    seen = sequence(colours(path, *SECOND), [COLOUR, RED, BLUE])
    before = seen.index(BLUE)
    assert set(seen[:before]) <= {COLOUR, RED} and set(seen[before + 1 :]) == {None}, seen
    report = probe(path, "--region", 320, 0, 320, 180)
    assert report["video"]["readable"] > 50, "alice is seen in her box"
    assert not report["video"]["damaged"] and not report["error_count"]
    assert probe(path, "--region", 0, 0, 320, 180)["video"]["readable"] > 150, "bob is seen all the time"


def test_images_are_not_fetched_again_after_a_kill(server, site, tmp_path):
    room = "images-killed"
    with Synthetic(server.rooms, room, tmp_path, users=["bob"], **SIZE):
        boxes = layout(site.url("/red.png"), {"AlternateImage": site.url("/blue.jpg")})
        server.api.start(room, TASK, **MIXED, TargetStreams=streams("bob", "alice"), Layout=boxes)
        server.api.wait_status(room, TASK, openapi.RUNNING)
        eventually(lambda: len(list(server.data.glob("images/*/*"))) == 2, "two images are kept")
        Event().wait(2)
        server.kill_recorder()
        Event().wait(4)
        server.kill()
        server.start()
        Event().wait(6)
        server.api.stop(room, TASK)
        task = server.api.wait_status(room, TASK, openapi.ENDED)
    assert site.calls == {"/red.png": 1, "/blue.jpg": 1}
    assert not list(server.data.glob("images/*"))
    (file,) = task["RecordFileList"]
    path, _ = server.place(file)
    assert sequence(colours(path, *BESIDE), [COLOUR, RED])[-1] == RED
    assert sequence(colours(path, *SECOND), [COLOUR, RED, BLUE])[-1] == BLUE
