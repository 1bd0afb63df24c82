//! The few places where ffmpeg-next has no safe call: channel layouts of FFmpeg 5.1 and later, extradata, frames with
//! buffers that are checked to exist. Everything else of this crate builds on these.

use crate::{Error, Result};
use ffmpeg_next::{self as ffmpeg, codec, ffi, format, frame};

/// Names the call in an FFmpeg error.
pub(crate) fn named(call: &'static str) -> impl Fn(ffmpeg::Error) -> Error {
    move |source| Error::Ffmpeg { call, source }
}

/// True for the answer "nothing now, send more" and for "nothing any more".
pub(crate) fn is_empty(error: &ffmpeg::Error) -> bool {
    matches!(error, ffmpeg::Error::Eof | ffmpeg::Error::Other { errno: ffmpeg::error::EAGAIN })
}

/// Turns "nothing to take" into `None` and keeps true errors.
pub(crate) fn taken(call: &'static str, result: std::result::Result<(), ffmpeg::Error>) -> Result<Option<()>> {
    match result {
        Ok(()) => Ok(Some(())),
        Err(error) if is_empty(&error) => Ok(None),
        Err(error) => Err(named(call)(error)),
    }
}

/// A context for the decoder of that name.
pub(crate) fn decoder_context(name: &str) -> Result<codec::Context> {
    crate::log::init();
    let codec = ffmpeg::decoder::find_by_name(name).ok_or_else(|| Error::Missing(name.into()))?;
    Ok(codec::Context::new_with_codec(codec))
}

/// A context for the encoder of that name.
pub(crate) fn encoder_context(name: &str) -> Result<codec::Context> {
    crate::log::init();
    if name.contains('\0') {
        return Err(Error::Missing(name.replace('\0', "?")));
    }
    let codec = ffmpeg::encoder::find_by_name(name).ok_or_else(|| Error::Missing(name.into()))?;
    Ok(codec::Context::new_with_codec(codec))
}

/// Sets rate (Hz) and the default layout of 1 or 2 channels on an unopened context.
pub(crate) fn set_audio(context: &mut codec::Context, rate: u32, channels: usize) {
    // SAFETY: the context is owned, not null and not open yet, so its plain fields may be written; the layout is
    // initialised in place by FFmpeg's own function.
    unsafe {
        let raw = context.as_mut_ptr();
        (*raw).sample_rate = rate as i32;
        ffi::av_channel_layout_default(&mut (*raw).ch_layout, channels as i32);
    }
}

/// Samples an encoder puts before the first sample it was given.
pub(crate) fn initial_padding(context: &codec::Context) -> usize {
    // SAFETY: reads a plain field of an owned context that is not null.
    unsafe { (*context.as_ptr()).initial_padding.max(0) as usize }
}

/// The codec's out-of-band header, empty when it has none.
pub(crate) fn extradata(context: &codec::Context) -> Vec<u8> {
    // SAFETY: `extradata` points at `extradata_size` bytes owned by the context, which is borrowed here; both are
    // checked and the bytes are copied.
    unsafe {
        let raw = context.as_ptr();
        if (*raw).extradata.is_null() || (*raw).extradata_size <= 0 {
            return Vec::new();
        }
        std::slice::from_raw_parts((*raw).extradata, (*raw).extradata_size as usize).to_vec()
    }
}

/// Gives an unopened context such a header.
pub(crate) fn set_extradata(context: &mut codec::Context, bytes: &[u8]) -> Result<()> {
    // SAFETY: the context is owned and not open yet; the memory has the padding that FFmpeg asks for, zeroed, is written
    // within its size, and belongs to the context from then on. What was there before is freed.
    unsafe {
        let memory = ffi::av_mallocz(bytes.len() + ffi::AV_INPUT_BUFFER_PADDING_SIZE as usize).cast::<u8>();
        if memory.is_null() {
            return Err(named("av_mallocz")(ffmpeg::Error::Other { errno: ffmpeg::error::ENOMEM }));
        }
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), memory, bytes.len());
        let raw = context.as_mut_ptr();
        ffi::av_freep((&raw mut (*raw).extradata).cast());
        ((*raw).extradata, (*raw).extradata_size) = (memory, bytes.len() as i32);
    }
    Ok(())
}

/// An audio frame with its own buffers.
pub(crate) fn audio_frame(kind: format::Sample, samples: usize, channels: usize, rate: u32) -> Result<frame::Audio> {
    let mut new = frame::Audio::empty();
    new.set_format(kind);
    new.set_samples(samples);
    new.set_rate(rate);
    // SAFETY: the frame was just allocated and is owned; format, sample count and layout are set before FFmpeg
    // allocates the buffers for exactly these, and a failure is returned before anything reads them.
    let code = unsafe {
        let raw = new.as_mut_ptr();
        if raw.is_null() {
            return Err(named("av_frame_alloc")(ffmpeg::Error::Other { errno: ffmpeg::error::ENOMEM }));
        }
        ffi::av_channel_layout_default(&mut (*raw).ch_layout, channels as i32);
        ffi::av_frame_get_buffer(raw, 0)
    };
    if code < 0 {
        return Err(named("av_frame_get_buffer")(code.into()));
    }
    Ok(new)
}

/// An I420 picture frame with its own buffers.
pub(crate) fn i420_frame(width: u32, height: u32) -> Result<frame::Video> {
    picture_frame(format::Pixel::YUV420P, width, height)
}

/// A picture frame with its own buffers.
pub(crate) fn picture_frame(kind: format::Pixel, width: u32, height: u32) -> Result<frame::Video> {
    let new = frame::Video::new(kind, width, height);
    // SAFETY: only looks whether the frame has a buffer, which it lacks when memory is short.
    if unsafe { new.as_ptr().is_null() || new.is_empty() } {
        return Err(named("av_frame_get_buffer")(ffmpeg::Error::Other { errno: ffmpeg::error::ENOMEM }));
    }
    Ok(new)
}

/// Makes the buffers of a frame ours alone again, in case an encoder still holds a reference to them.
pub(crate) fn make_writable(frame: &mut ffmpeg::Frame) -> Result<()> {
    // SAFETY: the frame is owned, borrowed mutably and has buffers; FFmpeg either keeps or replaces them.
    let code = unsafe { ffi::av_frame_make_writable(frame.as_mut_ptr()) };
    if code < 0 { Err(named("av_frame_make_writable")(code.into())) } else { Ok(()) }
}

/// Channels of a frame.
pub(crate) fn channels(frame: &frame::Audio) -> usize {
    // SAFETY: reads a plain field of an owned frame that is not null.
    unsafe { (*frame.as_ptr()).ch_layout.nb_channels.max(0) as usize }
}

/// Plane `index` of a planar frame, or all interleaved samples (index 0) of a packed one, as f32; `None` when the frame
/// does not hold f32 samples or has no such plane.
pub(crate) fn samples_f32(frame: &frame::Audio, index: usize) -> Option<&[f32]> {
    let (planes, length) = f32_shape(frame)?;
    if index >= planes {
        return None;
    }
    // SAFETY: the format is f32 and the plane exists (both checked above); a plane of an FFmpeg frame is aligned for
    // its format and holds `length` samples; the slice borrows the frame, which keeps the buffer.
    unsafe {
        let data = *(*frame.as_ptr()).extended_data.add(index) as *const f32;
        (!data.is_null()).then(|| std::slice::from_raw_parts(data, length))
    }
}

/// The same plane to write; the frame must be writable.
pub(crate) fn samples_f32_mut(frame: &mut frame::Audio, index: usize) -> Option<&mut [f32]> {
    let (planes, length) = f32_shape(frame)?;
    if index >= planes {
        return None;
    }
    // SAFETY: as in `samples_f32`; the frame is borrowed mutably, so this is the only slice of it.
    unsafe {
        let data = *(*frame.as_mut_ptr()).extended_data.add(index) as *mut f32;
        (!data.is_null()).then(|| std::slice::from_raw_parts_mut(data, length))
    }
}

/// Number of planes and samples in each, of a frame of f32 samples.
fn f32_shape(frame: &frame::Audio) -> Option<(usize, usize)> {
    match frame.format() {
        format::Sample::F32(format::sample::Type::Planar) => Some((channels(frame), frame.samples())),
        format::Sample::F32(format::sample::Type::Packed) => Some((1, frame.samples() * channels(frame))),
        _ => None,
    }
}
