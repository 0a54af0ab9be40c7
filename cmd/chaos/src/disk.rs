use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What the small disk holds, in the words of `mount`.
const SIZE: &str = "size=96m";

const CHUNK_BYTES: usize = 64 << 10;

/// A small disk in memory over a folder, which can be filled. Dropping it takes it away.
pub(crate) struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// `None` where this user may not mount one.
    pub(crate) fn over(folder: &Path) -> Option<Self> {
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(folder).stderr(Stdio::null());
        let mounted = command.status().is_ok_and(|status| status.success());
        mounted.then(|| Self { folder: folder.to_owned() })
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }

    /// Leaves no room on it.
    pub(crate) fn fill(&self) -> std::io::Result<()> {
        let (mut file, chunk) = (File::create(self.ballast())?, vec![1; CHUNK_BYTES]);
        loop {
            match file.write_all(&chunk) {
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                written => written?,
            }
        }
    }

    pub(crate) fn make_room(&self) -> std::io::Result<()> {
        fs::remove_file(self.ballast())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
    }
}
