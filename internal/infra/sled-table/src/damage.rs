//! What says that a store was found damaged while it was open.

use std::fs;
use std::path::Path;

/// A folder with this file in it is set aside when it is opened.
const MARKER: &str = "found-damaged";

/// Notes that the store in `folder` is damaged; answers whether that could be written down.
pub(crate) fn mark(folder: &Path, reason: &str) -> bool {
    tracing::error!(folder = %folder.display(), reason, "a table's store is damaged; it is set aside and built anew from its changelog");
    fs::write(folder.join(MARKER), reason).is_ok()
}

/// Why the store in `folder` is not to be used, when it was found damaged before.
pub(crate) fn reason(folder: &Path) -> Option<String> {
    fs::read_to_string(folder.join(MARKER)).ok()
}
