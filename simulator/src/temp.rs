//! A directory of this process's own that goes when the process ends in good order.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::random;

pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new() -> io::Result<TempDir> {
        let name = format!("vp-simulator-{}", random::hex(&random::bytes::<8>()));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path)?;
        Ok(TempDir(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
