"""What the users of the mixing benchmark show: 640x360, 25 fps, about 700 kbit/s, constrained baseline without B-frames,
as a browser sends it. Made once and kept in `.cache/bench-mix`."""

import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
SIZE = "640x360"
FPS = 25


def sources(number):
    """A picture that moves, another one for each number, of four kinds in turn: a test card, a zoom into a fractal, a
    soft wave of colours, and small things that come and go."""
    variant = number // 4
    return [
        f"testsrc2=s={SIZE}:r={FPS},hue=h={70 * variant}",
        f"mandelbrot=s={SIZE}:r={FPS}:start_scale={2 + variant / 2}",
        f"gradients=s={SIZE}:r={FPS}:n=4:speed=0.05:seed={3 + variant}",
        f"life=s=160x90:r={FPS}:mold=20:ratio=0.2:death_color=#204060:life_color=#c0e0a0:seed={7 + variant},scale={SIZE}:flags=bilinear",
    ][number % 4]


# The noise of a camera.
NOISE = "noise=alls=8:allf=t,format=yuv420p"


class Clip:
    """A clip in two forms: MP4 for the others, the bare stream for us."""

    def __init__(self, stem):
        self.mp4, self.stream = stem.with_suffix(".mp4"), stem.with_suffix(".h264")


def moving(number, seconds):
    return made(f"moving-{number:02}", seconds, sources(number), NOISE)


def still(number, seconds):
    """A picture that does not change, repeated: what a screen looks like to who wants every frame."""
    return made(f"still-{number:02}", seconds, sources(number), f"trim=end_frame=1,{NOISE},loop=-1:1,setpts=N/({FPS}*TB)")


def black(seconds):
    """A camera that is off, to who wants every frame."""
    return made("black", seconds, f"color=black:s={SIZE}:r={FPS}", "format=yuv420p")


def made(name, seconds, source, filters):
    folder = ROOT / ".cache/bench-mix"
    clip = Clip(folder / f"{name}-{seconds}")
    if clip.stream.exists():
        return clip
    folder.mkdir(parents=True, exist_ok=True)
    # Written last and under another name first: what is there is whole.
    unfinished = clip.stream.with_suffix(".part")
    coding = ["-c:v", "libx264", "-preset", "veryfast", "-profile:v", "baseline", "-tune", "zerolatency", "-threads", "1",
              "-x264-params", "sliced-threads=0:scenecut=0", "-g", "250", "-b:v", "700k", "-maxrate", "800k", "-bufsize", "800k"]
    ffmpeg("-f", "lavfi", "-i", source, "-vf", filters, "-t", seconds, *coding, clip.mp4)
    ffmpeg("-i", clip.mp4, "-c", "copy", "-bsf:v", "h264_mp4toannexb", "-f", "h264", unfinished)
    unfinished.rename(clip.stream)
    return clip


def ffmpeg(*args):
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", *map(str, args)], check=True)
