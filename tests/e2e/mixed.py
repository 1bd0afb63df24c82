"""What is in a mixed recording: where users stand, and the judgements that several tests share."""

import subprocess
from concurrent.futures import ThreadPoolExecutor

from probe import SYNC_MS, assert_on_the_wall_clock, frame_ms, probe

# Each user's pictures come at their own moments: one may be shown twice and the next not at all.
UNEVEN = 0.02
# The level of a beep is about 0.25, less where the limiter has to work; of the tone between beeps 0.02.
FAINT = 0.06
# Sound that a busy machine hands over after its time is played late, at most by this, and catches up by and by.
LATE_SOUND_MS = 300
# Before its end a file shows the last picture for so long at most: a few frames, and what sound came late.
END_MS = 500
# Colours that went through two codecs are near to what was painted.
COLOUR_OFF = 10


def only_file(server, task):
    (file,) = task["RecordFileList"]
    return server.place(file)


def look(path, x, y, width=640, height=360, *options):
    """The report on a region, with a list of what each frame shows there."""
    return probe(path, "--list", "--region", x, y, width, height, *options)


def look_everywhere(path, regions, *options):
    """A report on each region."""
    return two_at_a_time(lambda region: look(path, *region, *options), regions)


def two_at_a_time(function, items):
    """The results for all items; for what takes a while."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(function, items))


def assert_region(report, file):
    """The user's pictures are there in order, whole, and at their moments."""
    assert_readable(report)
    assert_complete(report, file)


def assert_to_the_end(report, file):
    assert report["video"]["end_ms"] > file["Duration"] - END_MS, (report["video"]["end_ms"], file["Duration"])


def assert_readable(report):
    """Pictures are in order, and none is torn."""
    video = report["video"]
    flaws = {name: video[name] for name in ("out_of_order", "unreadable", "damaged")}
    assert not any(flaws.values()), f"{report['file']}: {flaws}"


def assert_complete(report, file):
    """Every frame shows the user's picture of its moment, give or take a frame, and a flash at each whole second."""
    video = report["video"]
    few = UNEVEN * video["readable"]
    assert video["missing"] - left_out(report) <= few, video["missing_at"]
    within = frame_ms(report) + 10
    shown = [picture for picture in video["list"] if picture["number"] is not None]
    offs = [off_the_clock(report, file, picture) for picture in shown]
    assert sum(abs(off) > within for off in offs) <= few, offs
    assert_on_the_wall_clock(report, file, within)


def off_the_clock(report, file, picture):
    """How much later than it was due a picture is shown, ms, modulo a second."""
    return off_the_second(file, picture["ms"] - picture["number"] * frame_ms(report))


def off_the_second(file, ms):
    """How far a time of the file is from a whole second of the wall clock, ms."""
    return (file["StartTime"] + ms + 500) % 1000 - 500


def left_out(report):
    """Frames that were not made because encoding fell behind, as it may on a busy machine, of a user who sends as many
    frames per second as the mix has."""
    video = report["video"]
    return round((video["end_ms"] - video["first_ms"]) / frame_ms(report)) - video["pictures"]


def assert_together(reports):
    """All users' pictures in a frame are of the same moment, within a frame."""
    fps = round(1000 / frame_ms(reports[0]))
    frames = list(zip(*(report["video"]["list"] for report in reports)))
    whole = [pictures for pictures in frames if all(picture["number"] is not None for picture in pictures)]
    assert len(whole) > len(frames) / 2
    for pictures in whole:
        # Numbers begin again after whole seconds.
        since = [(picture["number"] - pictures[0]["number"] + fps // 2) % fps - fps // 2 for picture in pictures]
        assert max(since) - min(since) <= 1, (pictures[0]["ms"], since)


def beeps(path, tone_hz):
    """Onsets of the beeps of a user's tone, ms. Among others and the noise of the encoder they may seem shorter."""
    return [beep["ms"] for beep in probe(path, "--tone", tone_hz)["audio"]["beeps"] if beep["level"] > FAINT]


def assert_beeps(path, file, tone_hz, count):
    """The tone beeps at least so many times, at whole seconds of the wall clock, but for what came late."""
    offs = [off_the_second(file, beep) for beep in beeps(path, tone_hz)]
    assert len(offs) >= count, (tone_hz, offs)
    assert all(-SYNC_MS <= off <= LATE_SOUND_MS for off in offs), (tone_hz, offs)
    assert sum(off <= SYNC_MS for off in offs) >= count / 2, (tone_hz, offs)


def colour(path, seconds, x, y, size=8):
    """Mean red, green and blue of a square at that time."""
    crop = f"crop={size}:{size}:{x}:{y},format=rgb24"
    command = ["ffmpeg", "-nostdin", "-v", "error", "-ss", str(seconds), "-i", str(path), "-frames:v", "1"]
    done = subprocess.run([*command, "-vf", crop, "-f", "rawvideo", "-"], capture_output=True, check=True, timeout=60)
    return [sum(done.stdout[part::3]) / size**2 for part in range(3)]


def assert_colour(found, wanted, off=COLOUR_OFF):
    assert max(abs(a - b) for a, b in zip(found, wanted)) <= off, (found, wanted)
