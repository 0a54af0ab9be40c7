//! Files of statements.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// What some editors put before a text to say how it is written.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// The files that are named, and in place of a folder its .sql files by name.
pub(crate) fn named(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for path in paths {
        if path.is_dir() {
            let is_rule = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "sql");
            let mut found: Vec<_> = folder(path)?.into_iter().filter(is_rule).collect();
            found.sort();
            all.extend(found);
        } else {
            all.push(path.clone());
        }
    }
    anyhow::ensure!(!all.is_empty(), "there is no .sql file in the folders named");
    Ok(all)
}

fn folder(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(path).with_context(|| format!("can't read folder {}", path.display()))?;
    Ok(entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?)
}

/// A file's text.
pub(crate) fn read(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))?;
    match text.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => Ok(rest.to_owned()),
        None => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_is_no_statement() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.sql");
        std::fs::write(&file, "\u{feff}SHOW STREAMS;\r\n").unwrap();
        assert_eq!(read(&file).unwrap(), "SHOW STREAMS;\r\n");
        assert_eq!(named(&[folder.path().to_path_buf()]).unwrap(), [file]);
        assert!(read(&folder.path().join("none")).unwrap_err().to_string().contains("can't read"));
    }
}
