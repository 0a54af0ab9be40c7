use std::fs;
use std::path::{Path, PathBuf};

use millstream_ports::{Meter, Sample, SampleKind};

const NAME: &str = "millstream_state_disk_bytes";
const HELP: &str = "What the tables of a group take on this machine's disk.";

/// Tells how much disk the tables of groups take, each below its own name in a state folder.
///
/// It is looked up when it is asked for: a folder's files are few and large. What can't be read counts as nothing, as files come
/// and go under it.
pub struct StateDisk {
    root: PathBuf,
    groups: Vec<String>,
}

impl StateDisk {
    /// The folders of `groups` in `root`.
    pub fn new(root: impl Into<PathBuf>, groups: Vec<String>) -> Self {
        Self { root: root.into(), groups }
    }
}

impl Meter for StateDisk {
    fn samples(&self, out: &mut Vec<Sample>) {
        for group in &self.groups {
            let labels = vec![("group", group.clone())];
            #[expect(clippy::cast_precision_loss, reason = "no disk has 2^53 bytes")]
            let value = bytes(&self.root.join(group)) as f64;
            out.push(Sample { name: NAME, help: HELP, kind: SampleKind::Gauge, labels, value });
        }
    }
}

/// The size of all files in a folder. Links are not followed.
fn bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_is_told_with_what_its_folder_takes() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("one/one-table/0");
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("db"), [0; 700]).unwrap();
        fs::write(folder.path().join("one/note"), [0; 11]).unwrap();
        fs::create_dir_all(folder.path().join("other/other-table")).unwrap();
        fs::write(folder.path().join("other/other-table/db"), [0; 5]).unwrap();
        let mut out = Vec::new();
        StateDisk::new(folder.path(), vec!["one".into(), "not there".into()]).samples(&mut out);
        let told: Vec<_> = out.iter().map(|sample| (sample.labels[0].1.as_str(), sample.value)).collect();
        assert_eq!(told, [("one", 711.0), ("not there", 0.0)]);
    }
}
