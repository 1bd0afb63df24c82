// Reads a playlist by the rules of RFC 8216, and says what it is; a rule that is broken ends it.
const fs = require("node:fs");
const HLS = require("hls-parser");

HLS.setOptions({ strictMode: true });
const { segments, playlistType, endlist } = HLS.parse(fs.readFileSync(process.argv[2], "utf8"));
console.log(JSON.stringify({ segments: segments.length, type: playlistType, endlist }));
