// A participant with the stock browser SDK. Pictures come from a canvas, sound from WebAudio, both on one clock.
let room;
const publications = {};
const stops = {};
const gates = {};

// Connects; `options` are those of the SDK's Room, e.g. `{ singlePeerConnection: false }`.
commands.join = async (url, token, options) => {
  room = new LivekitClient.Room(options);
  await room.connect(url, token);
  return room.localParticipant.identity;
};

// Publishes "camera", "screen_share", "microphone" or "screen_share_audio". Video: width, height, fps, codec,
// simulcast, bitrate, whether it is this tab that is shown, what to give up when bandwidth is short (`degrade`), and whether there
// is a part of the picture that is hard to encode (`noise`). Sound: whether silence is left out (`dtx`), and `stereo`.
commands.publish = async (source, options = {}) => {
  const sound = source === "microphone" || source === "screen_share_audio";
  const { track, stop, gate } = sound ? await beeper(options) : await (options.tab ? tab(options) : painter(options));
  stops[source] = stop;
  gates[source] = gate;
  publications[source] = await room.localParticipant.publishTrack(track, {
    source,
    red: false,
    dtx: Boolean(options.dtx),
    forceStereo: options.stereo,
    simulcast: Boolean(options.simulcast),
    videoCodec: options.codec,
    degradationPreference: options.degrade ?? "maintain-resolution",
    videoEncoding: sound ? undefined : { maxBitrate: options.bitrate ?? 1_500_000, maxFramerate: options.fps },
  });
  return publications[source].trackSid;
};

commands.mute = async (source, muted) => {
  const { track } = publications[source];
  await (muted ? track.mute() : track.unmute());
};

// Digital silence instead of the tone, or the tone again.
commands.hush = (source, silent) => {
  gates[source].gain.value = silent ? 0 : 1;
};

commands.unpublish = async (source) => {
  await room.localParticipant.unpublishTrack(publications[source].track);
  stops[source]();
};

commands.leave = async () => {
  await room.disconnect();
  Object.values(stops).forEach((stop) => stop());
};

// What was encoded and sent: codec and frames of each layer.
commands.sent = async (source) => {
  const layers = [];
  const report = await publications[source].track.sender.getStats();
  report.forEach((row) => {
    if (row.type !== "outbound-rtp") return;
    const codec = report.get(row.codecId)?.mimeType;
    layers.push({ codec, rid: row.rid, frames: row.framesSent, width: row.frameWidth, packets: row.packetsSent });
  });
  return layers;
};

// A canvas that shows the marks of the frame that is due.
function painter({ width, height, fps, user = 0, noise = false }) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { alpha: false });
  let last = -1;
  const paint = () => {
    const frame = frameAt(wallMs(), fps);
    if (frame !== last) {
      drawFrame(context, { width, height, fps, user, frame });
      if (noise) drawNoise(context, width, height);
    }
    last = frame;
  };
  paint();
  const timer = setInterval(paint, 4);
  const track = canvas.captureStream(fps).getVideoTracks()[0];
  return { track, canvas, stop: () => (clearInterval(timer), track.stop()) };
}

// Snow in the upper left corner, where no mark is.
function drawNoise(context, width, height) {
  const snow = context.createImageData(Math.floor(width / 8), Math.floor(height / 6));
  const pixels = new Uint32Array(snow.data.buffer);
  for (let n = 0; n < pixels.length; n++) pixels[n] = 0xff000000 | (Math.random() * 0xffffff);
  context.putImageData(snow, 0, 0);
}

// This tab, as a person shares it: all of it shows what `painter` paints.
async function tab({ width, height, fps, user }) {
  const { canvas, stop } = painter({ width: innerWidth, height: innerHeight, fps, user });
  document.body.replaceChildren(canvas);
  canvas.style = "position: fixed; inset: 0";
  const video = { width: { max: width }, height: { max: height }, frameRate: fps };
  const stream = await navigator.mediaDevices.getDisplayMedia({ video, preferCurrentTab: true });
  const track = stream.getVideoTracks()[0];
  return { track, stop: () => (stop(), track.stop()) };
}

// Beeps on the same clock as the flashes of `painter`; in stereo at the left, and at the right the next user's tone.
async function beeper({ user = 0, stereo }) {
  const audio = new AudioContext({ sampleRate: 48000, latencyHint: 0.02 });
  await audio.resume();
  const destination = audio.createMediaStreamDestination();
  const gate = new GainNode(audio);
  gate.connect(destination);
  if (stereo) {
    const sides = new ChannelMergerNode(audio, { numberOfInputs: 2 });
    sides.connect(gate);
    startTone(audio, sides, user);
    const right = new OscillatorNode(audio, { frequency: toneHz(user + 1) });
    right.connect(new GainNode(audio, { gain: BEEP_LEVEL })).connect(sides, 0, 1);
    right.start();
  } else {
    startTone(audio, gate, user);
  }
  const schedule = () => scheduleBeeps(audio);
  schedule();
  const timer = setInterval(schedule, 250);
  const track = destination.stream.getAudioTracks()[0];
  return { track, gate, stop: () => (clearInterval(timer), track.stop(), audio.close()) };
}

obey();
