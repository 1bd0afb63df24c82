// Plays playlists with hls.js, as pages do, and notes what is seen meanwhile.
const video = document.getElementById("video");
const canvas = document.getElementById("canvas");
const context = canvas.getContext("2d", { willReadFrequently: true });
// Seconds of the media between two pictures that are looked at.
const STEP_S = 0.2;
let hls;
let faults;
let seen;

// The wall clock of a media time, by the playlist.
function date(time) {
  const fragment = hls.latestLevelDetails?.fragments.find(({ start, end }) => start <= time && time < end);
  return fragment?.programDateTime ? (fragment.programDateTime + (time - fragment.start) * 1000) / 1000 : null;
}

// The 17 x 5 cells of the code in the middle (crates/synth/src/code.rs), row by row, as luma.
function cells(frame) {
  [canvas.width, canvas.height] = [frame.displayWidth, frame.displayHeight];
  context.drawImage(frame, 0, 0);
  const cell = Math.floor(Math.min(canvas.width / 32, canvas.height / 18));
  const [left, top] = [canvas.width / 2 - 8.5 * cell, canvas.height / 2 - 2 * cell];
  const { data } = context.getImageData(left, top, 17 * cell, 5 * cell);
  return Array.from({ length: 85 }, (_, n) => {
    const [x, y] = [((n % 17) + 0.5) * cell, (Math.floor(n / 17) + 0.5) * cell];
    const at = 4 * (Math.floor(y) * 17 * cell + Math.floor(x));
    return Math.round((data[at] + data[at + 1] + data[at + 2]) / 3);
  });
}

// On a busy machine the call comes when the next frame is shown already: what is drawn has the time that it says itself.
function look() {
  const frame = new VideoFrame(video);
  const time = frame.timestamp / 1e6;
  if (Math.abs(time - (seen.at(-1)?.time_s ?? -1)) >= STEP_S) {
    seen.push({ time_s: time, date_s: date(time), cells: cells(frame) });
  }
  frame.close();
  video.requestVideoFrameCallback(look);
}

// Plays from the beginning, whether the playlist still grows or not.
commands.open = async (url) => {
  hls?.destroy();
  if (!seen) video.requestVideoFrameCallback(look);
  [faults, seen] = [[], []];
  hls = new Hls({ startPosition: 0 });
  hls.on(Hls.Events.ERROR, (_, { fatal, details, error }) => {
    faults.push({ fatal, details, why: `${error?.message} ${video.error?.message}` });
  });
  const loaded = new Promise((resolve) => hls.once(Hls.Events.LEVEL_LOADED, (_, { details }) => resolve(details)));
  video.addEventListener("canplay", () => video.play(), { once: true });
  hls.loadSource(url);
  hls.attachMedia(video);
  const { live, totalduration } = await loaded;
  return { live, duration_s: totalduration };
};

commands.state = () => ({
  time_s: video.currentTime,
  duration_s: video.duration,
  ended: video.ended,
  corrupted: video.getVideoPlaybackQuality().corruptedVideoFrames,
  faults,
});

// What was looked at since it was opened, or since the last seek.
commands.seen = () => seen;

commands.seek = async (seconds) => {
  const seeked = new Promise((resolve) => video.addEventListener("seeked", resolve, { once: true }));
  video.currentTime = seconds;
  await seeked;
  seen = [];
};

obey();
