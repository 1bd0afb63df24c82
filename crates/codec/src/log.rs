//! Sends what FFmpeg and the libraries under it say to `tracing`, target `ffmpeg`, instead of stderr, and has its errors
//! say what they are.

use ffmpeg_next::ffi;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::Once;

/// Longest line passed on, bytes; FFmpeg cuts longer ones.
const LINE: usize = 1024;

/// Installs the log callback and the texts of errors once per process. Every constructor of this crate calls it first.
pub(crate) fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Until then ffmpeg-next shows most errors as empty texts.
        ffmpeg_next::util::error::register_all();
        // SAFETY: `forward` has the signature FFmpeg asks for and lives as long as the program.
        unsafe { ffi::av_log_set_callback(Some(forward)) }
    });
}

/// A line of FFmpeg's log. Damaged input is daily business for a recorder, and whoever passed it in gets the error as
/// a value, so FFmpeg's own errors are only `debug`.
unsafe extern "C" fn forward(
    context: *mut c_void,
    level: c_int,
    format: *const c_char,
    arguments: *mut ffi::__va_list_tag,
) {
    if level > ffi::AV_LOG_INFO || !tracing::enabled!(target: "ffmpeg", tracing::Level::DEBUG) {
        return;
    }
    let mut line: [c_char; LINE] = [0; LINE];
    let mut prefix: c_int = 1;
    // SAFETY: the arguments are handed on unchanged, as FFmpeg gave them; the buffer's true length goes with it, and
    // the result is NUL-terminated within it.
    let text = unsafe {
        ffi::av_log_format_line2(context, level, format, arguments, line.as_mut_ptr(), LINE as c_int, &mut prefix);
        CStr::from_ptr(line.as_ptr())
    };
    let text = text.to_string_lossy();
    let text = text.trim_end();
    if level <= ffi::AV_LOG_FATAL {
        tracing::error!(target: "ffmpeg", "{text}");
    } else {
        tracing::debug!(target: "ffmpeg", "{text}");
    }
}
