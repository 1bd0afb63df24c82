//! FFmpeg's muxers: coded pictures and sound into the container formats beside MP4.

mod kinds;

use std::ffi::CString;
use std::path::Path;
use std::ptr::{NonNull, null, null_mut};

use ffmpeg_next::packet::Mut;
use ffmpeg_next::{self as ffmpeg, Rational, ffi};

use crate::ff::named;
use crate::{Error, Result};

pub use kinds::{Codec, Format, Packet, Shape, Stream};

/// A muxer at work. Packets of all streams come in the order of time.
pub struct Muxer {
    context: NonNull<ffi::AVFormatContext>,
    timescales: Vec<u32>,
    in_memory: bool,
}

// SAFETY: a format context belongs to whoever holds it and uses no thread-local state; it is never shared.
unsafe impl Send for Muxer {}

impl Muxer {
    /// Writes a file at `path`, in place of what may be there.
    pub fn create(format: Format, path: &Path, streams: &[Stream]) -> Result<Muxer> {
        let mut url = b"file:".to_vec();
        url.extend(path.as_os_str().as_encoded_bytes());
        let url = CString::new(url).map_err(|_| Error::Argument("a path has no NUL byte".into()))?;
        let muxer = Muxer::allocate(format, false)?;
        // SAFETY: the context was just allocated and has no output yet; the address lives during the call.
        let code = unsafe { ffi::avio_open(&mut (*muxer.context.as_ptr()).pb, url.as_ptr(), ffi::AVIO_FLAG_WRITE) };
        checked("avio_open", code)?;
        muxer.begin(format, streams)
    }

    /// Keeps what it makes until it is taken; for [`Format::MpegTs`].
    pub fn in_memory(format: Format, streams: &[Stream]) -> Result<Muxer> {
        let muxer = Muxer::allocate(format, true)?;
        // SAFETY: the context was just allocated and has no output yet.
        checked("avio_open_dyn_buf", unsafe { ffi::avio_open_dyn_buf(&mut (*muxer.context.as_ptr()).pb) })?;
        muxer.begin(format, streams)
    }

    fn allocate(format: Format, in_memory: bool) -> Result<Muxer> {
        crate::log::init();
        let name = CString::new(format.name()).expect("a name has no NUL byte");
        let mut context = null_mut();
        // SAFETY: the name lives during the call; FFmpeg writes a context of its own, or an error and null.
        let code = unsafe { ffi::avformat_alloc_output_context2(&mut context, null(), name.as_ptr(), null()) };
        checked("avformat_alloc_output_context2", code)?;
        let context = NonNull::new(context).ok_or_else(|| Error::Missing(format.name().into()))?;
        Ok(Muxer { context, timescales: Vec::new(), in_memory })
    }

    fn begin(mut self, format: Format, streams: &[Stream]) -> Result<Muxer> {
        for stream in streams {
            self.add(stream)?;
        }
        let mut options = ffmpeg::Dictionary::new();
        format.options().iter().for_each(|(key, value)| options.set(key, value));
        // SAFETY: the context is owned, has its output and its streams, and was not begun; its plain fields may be
        // written before that. The dictionary is handed over and what FFmpeg leaves of it taken back.
        let code = unsafe {
            let raw = self.context.as_ptr();
            // The same bytes whenever the same is written, and times as they are given.
            (*raw).flags |= ffi::AVFMT_FLAG_BITEXACT;
            (*raw).avoid_negative_ts = ffi::AVFMT_AVOID_NEG_TS_DISABLED;
            if format == Format::MpegTs {
                (*raw).max_delay = TS_DELAY_US;
            }
            let mut dictionary = options.disown();
            let code = ffi::avformat_write_header(raw, &mut dictionary);
            drop(ffmpeg::Dictionary::own(dictionary));
            code
        };
        checked("avformat_write_header", code)?;
        self.timescales = streams.iter().map(|stream| stream.timescale).collect();
        Ok(self)
    }

    fn add(&mut self, stream: &Stream) -> Result<()> {
        let Stream { codec, timescale, shape } = stream;
        // SAFETY: the context is owned and not begun. The new stream belongs to it and has parameters without extradata,
        // of which plain fields are written; the layout is initialised in place by FFmpeg's own function. Extradata is
        // allocated by FFmpeg with the padding that it asks for, zeroed, and written within its size.
        unsafe {
            let new = ffi::avformat_new_stream(self.context.as_ptr(), null());
            if new.is_null() {
                return Err(out_of_memory("avformat_new_stream"));
            }
            (*new).time_base = ffi::AVRational { num: 1, den: *timescale as i32 };
            let parameters = &mut *(*new).codecpar;
            parameters.codec_id = codec.id();
            parameters.bit_rate = shape.bitrate.into();
            if codec.is_video() {
                parameters.codec_type = ffi::AVMediaType::AVMEDIA_TYPE_VIDEO;
                (parameters.width, parameters.height) = (shape.width as i32, shape.height as i32);
            } else {
                parameters.codec_type = ffi::AVMediaType::AVMEDIA_TYPE_AUDIO;
                parameters.sample_rate = shape.rate as i32;
                ffi::av_channel_layout_default(&mut parameters.ch_layout, shape.channels.into());
                parameters.frame_size = codec.frame();
                parameters.initial_padding = shape.padding as i32;
                if *codec == Codec::Pcm {
                    parameters.bits_per_coded_sample = 16;
                    parameters.block_align = 2 * i32::from(shape.channels);
                }
            }
            if !shape.extradata.is_empty() {
                let len = shape.extradata.len();
                let memory = ffi::av_mallocz(len + ffi::AV_INPUT_BUFFER_PADDING_SIZE as usize).cast::<u8>();
                if memory.is_null() {
                    return Err(out_of_memory("av_mallocz"));
                }
                std::ptr::copy_nonoverlapping(shape.extradata.as_ptr(), memory, len);
                (parameters.extradata, parameters.extradata_size) = (memory, len as i32);
            }
        }
        Ok(())
    }

    /// Writes one packet.
    pub fn write(&mut self, packet: &Packet<'_>) -> Result<()> {
        let Some(timescale) = self.timescales.get(packet.stream) else {
            return Err(Error::Argument(format!("there is no stream {}", packet.stream)));
        };
        let mut new = ffmpeg::Packet::copy(packet.data);
        new.set_stream(packet.stream);
        new.set_pts(Some(packet.pts));
        new.set_dts(Some(packet.dts));
        new.set_duration(packet.duration);
        if packet.key {
            new.set_flags(ffmpeg::packet::Flags::KEY);
        }
        if let Some(extradata) = packet.extradata {
            attach(&mut new, ffi::AVPacketSideDataType::AV_PKT_DATA_NEW_EXTRADATA, extradata)?;
        }
        if packet.skip > 0 || packet.trim > 0 {
            // Both, and two reasons.
            let skip = [packet.skip.to_le_bytes(), packet.trim.to_le_bytes(), [0; 4]].concat();
            attach(&mut new, ffi::AVPacketSideDataType::AV_PKT_DATA_SKIP_SAMPLES, &skip[..10])?;
        }
        // SAFETY: the context was begun and has this stream (checked above).
        let time_base = unsafe { (**(*self.context.as_ptr()).streams.add(packet.stream)).time_base };
        new.rescale_ts(Rational(1, *timescale as i32), time_base);
        // SAFETY: the context was begun; the packet is owned and whole, and stays ours.
        checked("av_write_frame", unsafe { ffi::av_write_frame(self.context.as_ptr(), new.as_mut_ptr()) })?;
        self.check_output()
    }

    /// Everything written so far and not taken yet. What comes next can be played by itself from its first key frame on:
    /// MPEG-TS begins with its tables again, and its counters go on.
    pub fn take(&mut self) -> Result<Vec<u8>> {
        if !self.in_memory {
            return Err(Error::Argument("only what is kept in memory can be taken".into()));
        }
        // SAFETY: the context was begun. Without a packet the muxer writes what it holds back; then its output is
        // exchanged for an empty one, and its own options are set by their names, which live during the call.
        unsafe {
            let raw = self.context.as_ptr();
            checked("av_write_frame", ffi::av_write_frame(raw, null_mut()))?;
            let bytes = take_buffer(&mut (*raw).pb);
            checked("avio_open_dyn_buf", ffi::avio_open_dyn_buf(&mut (*raw).pb))?;
            let again = ffi::av_opt_set((*raw).priv_data, c"mpegts_flags".as_ptr(), c"+resend_headers".as_ptr(), 0);
            checked("av_opt_set", again)?;
            Ok(bytes)
        }
    }

    /// Ends the file. Gives what was kept in memory and not taken.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        // SAFETY: the context was begun, and is used for nothing else after this.
        checked("av_write_trailer", unsafe { ffi::av_write_trailer(self.context.as_ptr()) })?;
        self.check_output()?;
        // SAFETY: as above; the output is of the kind that is said, and null afterwards.
        unsafe {
            let pb = &mut (*self.context.as_ptr()).pb;
            if self.in_memory {
                return Ok(take_buffer(pb));
            }
            checked("avio_closep", ffi::avio_closep(pb))?;
        }
        Ok(Vec::new())
    }

    /// A disk that refused is not always told by the call that wrote.
    fn check_output(&mut self) -> Result<()> {
        // SAFETY: the context was begun, so it has an output, of which a plain field is read.
        checked("write", unsafe { (*(*self.context.as_ptr()).pb).error })
    }
}

impl Drop for Muxer {
    fn drop(&mut self) {
        // SAFETY: the context is owned, and nothing points into it. Its output, if there is one, is of the kind that is
        // said, and is closed before the context goes.
        unsafe {
            let raw = self.context.as_ptr();
            match (self.in_memory, (*raw).pb.is_null()) {
                (_, true) => {}
                (true, false) => _ = take_buffer(&mut (*raw).pb),
                (false, false) => _ = ffi::avio_closep(&mut (*raw).pb),
            }
            ffi::avformat_free_context(raw);
        }
    }
}

/// By how much (halved) the clock of a transport stream is behind its times.
const TS_DELAY_US: i32 = 100_000;

/// Closes an output in memory and gives what was in it.
///
/// # Safety
/// `pb` was opened by `avio_open_dyn_buf`.
unsafe fn take_buffer(pb: &mut *mut ffi::AVIOContext) -> Vec<u8> {
    let mut memory = null_mut();
    // SAFETY: by this function's own condition. The memory has as many bytes as FFmpeg says and is ours to free.
    unsafe {
        let len = ffi::avio_close_dyn_buf(*pb, &mut memory);
        *pb = null_mut();
        if memory.is_null() {
            return Vec::new();
        }
        let bytes = std::slice::from_raw_parts(memory, len.max(0) as usize).to_vec();
        ffi::av_free(memory.cast());
        bytes
    }
}

fn attach(packet: &mut ffmpeg::Packet, kind: ffi::AVPacketSideDataType, bytes: &[u8]) -> Result<()> {
    // SAFETY: the packet is owned; FFmpeg gives memory of this size that belongs to the packet, or null.
    unsafe {
        let memory = ffi::av_packet_new_side_data(packet.as_mut_ptr(), kind, bytes.len());
        if memory.is_null() {
            return Err(out_of_memory("av_packet_new_side_data"));
        }
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), memory, bytes.len());
    }
    Ok(())
}

fn out_of_memory(call: &'static str) -> Error {
    named(call)(ffmpeg::Error::Other { errno: ffmpeg::error::ENOMEM })
}

fn checked(call: &'static str, code: i32) -> Result<()> {
    if code < 0 { Err(named(call)(code.into())) } else { Ok(()) }
}
