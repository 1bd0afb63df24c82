//! The order of a mix's streams, kept in the task's folder for another recorder to show everybody where they were.

use std::io::ErrorKind;
use std::path::Path;

use rules::select::StreamId;

use crate::Result;

const NAME: &str = "order.json";
/// Until it is whole.
const NEW: &str = "order.json.new";

/// All that may be in the folder of it.
pub const NAMES: [&str; 2] = [NAME, NEW];

/// The order that was written last; nothing if there is none.
pub fn read(dir: &Path) -> Vec<StreamId> {
    let read = std::fs::read(dir.join(NAME)).and_then(|text| Ok(serde_json::from_slice(&text)?));
    read.unwrap_or_else(|error| {
        // A mix whose order is lost is better than none.
        if error.kind() != ErrorKind::NotFound {
            tracing::error!(?dir, %error, "the order of the mix's streams cannot be read");
        }
        Vec::new()
    })
}

/// Puts this order in the place of the one before. It is not synced: a machine that lost its power loses its rooms, too.
pub fn write(dir: &Path, order: &[StreamId]) -> Result<()> {
    std::fs::write(dir.join(NEW), serde_json::to_vec(order).map_err(std::io::Error::from)?)?;
    Ok(std::fs::rename(dir.join(NEW), dir.join(NAME))?)
}

#[cfg(test)]
mod tests {
    use rules::select::StreamKind;

    use super::*;

    #[test]
    fn the_newest_order_is_read_and_goes_with_the_folder() {
        let dir = tempfile::tempdir().expect("a folder").keep();
        let stream = |user: &str| StreamId { user: user.into(), kind: StreamKind::Camera };
        assert_eq!(read(&dir), []);
        for order in [vec![stream("b"), stream("a")], vec![stream("a")]] {
            write(&dir, &order).expect("written");
            assert_eq!(read(&dir), order);
        }
        std::fs::write(dir.join(NEW), "[").expect("written, by somebody who died");
        crate::remove_folder(&dir).expect("nothing is left");
        assert!(!dir.exists());
    }

    #[test]
    fn a_damaged_order_is_none() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join(NAME), "[{").expect("written");
        assert_eq!(read(dir.path()), []);
    }
}
