// Opens recordings as a person's browser would: metadata, seeking, playing, and a look at the pixels.
const video = document.getElementById("video");
const canvas = document.getElementById("canvas");

function next(event) {
  return new Promise((resolve, reject) => {
    video.addEventListener(event, resolve, { once: true });
    video.addEventListener("error", () => reject(new Error(`media error: ${video.error.message}`)), { once: true });
  });
}

commands.open = async (url) => {
  const loaded = next("loadeddata");
  video.src = url;
  await loaded;
  return { duration_s: video.duration, width: video.videoWidth, height: video.videoHeight };
};

// Luma of the picture at that time, as a grid of 16 x 9 cells, row by row.
commands.seek = async (seconds) => {
  const seeked = next("seeked");
  video.currentTime = seconds;
  await seeked;
  canvas.width = 16;
  canvas.height = 9;
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0, 16, 9);
  const { data } = context.getImageData(0, 0, 16, 9);
  const luma = [];
  for (let i = 0; i < data.length; i += 4) luma.push(0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2]);
  return { time_s: video.currentTime, luma };
};

// Plays on until that time, and says where it came, how many frames were shown and how many were broken.
commands.playTo = async (seconds) => {
  await video.play();
  await new Promise((resolve, reject) => {
    video.addEventListener("error", () => reject(new Error(`media error: ${video.error.message}`)), { once: true });
    const look = () => (video.currentTime >= seconds || video.ended ? resolve() : requestAnimationFrame(look));
    look();
  });
  video.pause();
  const quality = video.getVideoPlaybackQuality();
  const shown = quality.totalVideoFrames - quality.droppedVideoFrames;
  return { time_s: video.currentTime, shown, corrupted: quality.corruptedVideoFrames };
};

// The sound decoded as a whole.
commands.sound = async (url) => {
  const bytes = await (await fetch(url)).arrayBuffer();
  const sound = await new OfflineAudioContext(1, 48000, 48000).decodeAudioData(bytes);
  const peak = sound.getChannelData(0).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return { duration_s: sound.duration, peak };
};

obey();
