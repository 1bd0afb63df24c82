"""Three players look at a finished file: ffmpeg, GStreamer and Chromium. Each opens it, seeks into it and plays it."""

import json
import re
from pathlib import Path

from process import run

PLAYLISTS = Path(__file__).resolve().parent / "playlists.js"

# Players round to their own units; a frame at 25 fps is below this.
SLACK_S = 0.05


def ffmpeg(path, duration_s):
    """Decodes everything, and one frame from the middle; every complaint of the decoders fails the test."""
    for options in (["-i", path], ["-ss", duration_s / 2, "-i", path, "-frames:v", "1"]):
        # The input's own time base: times rounded to a guessed frame rate would collide in the output.
        command = ["ffmpeg", "-nostdin", "-v", "error", *options, "-enc_time_base", "-1", "-f", "null", "-"]
        complaints = run_with_stderr(command)
        assert not complaints, f"ffmpeg on {path}:\n{complaints}"
    streams = json.loads(run(["ffprobe", "-v", "error", "-show_format", "-of", "json", path]))
    assert abs(float(streams["format"]["duration"]) - duration_s) < SLACK_S, streams


def gstreamer(path, duration_s):
    """Finds it seekable, and plays it from the middle to the end."""
    found = run(["gst-discoverer-1.0", path])
    assert "Seekable: yes" in found, found
    hours, minutes, seconds = re.search(r"Duration: (\d+):(\d+):([\d.]+)", found).groups()
    assert abs(int(hours) * 3600 + int(minutes) * 60 + float(seconds) - duration_s) < SLACK_S, found
    sinks = ["--videosink", "fakesink sync=false", "--audiosink", "fakesink sync=false"]
    played = run(["gst-play-1.0", "--no-interactive", *sinks, "--start-position", int(duration_s / 2), path])
    assert "ERROR" not in played, played
    assert "Reached end of play list" in played, played


def chromium(player, path, duration_s, play_s=1):
    """Opens it in a <video> element, seeks to the middle, reads pixels back, plays on for a while, decodes the sound."""
    url = player.serve(path)
    opened = player.call("open", url)
    assert abs(opened["duration_s"] - duration_s) < SLACK_S, opened
    middle = player.call("seek", duration_s / 2)
    assert abs(middle["time_s"] - duration_s / 2) < SLACK_S, middle
    assert max(middle["luma"]) - min(middle["luma"]) > 40, f"no picture in the middle of {path}: {middle}"
    until = min(duration_s / 2 + play_s, duration_s)
    played = player.call("playTo", until)
    assert played["time_s"] > until - SLACK_S, played
    assert played["corrupted"] == 0 and played["shown"] > 10 * play_s, played
    sound = player.call("sound", url)
    assert abs(sound["duration_s"] - duration_s) < SLACK_S, sound
    assert sound["peak"] > 0.1, sound
    return opened


def hls(path):
    """A complete playlist: by the rules of RFC 8216, and played by ffmpeg and GStreamer."""
    assert valid_playlist(path)["endlist"]
    decode = ["ffmpeg", "-nostdin", "-v", "error", "-i", path, "-enc_time_base", "-1", "-f", "null", "-"]
    complaints = run_with_stderr(decode)
    assert not complaints, f"ffmpeg on {path}:\n{complaints}"
    sinks = ["--videosink", "fakesink sync=false", "--audiosink", "fakesink sync=false"]
    played = run(["gst-play-1.0", "--no-interactive", *sinks, path])
    assert "ERROR" not in played and "Reached end of play list" in played, played


def valid_playlist(path):
    """What `hls-parser` reads of a playlist; it refuses whatever breaks a rule."""
    return json.loads(run(["node", PLAYLISTS, path]))


def run_with_stderr(command):
    """Standard output and error together."""
    return run(["sh", "-c", 'exec "$@" 2>&1', "sh", *command])
