//! Where the files under test are, and that they are not old ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::OnceLock;
use std::time::SystemTime;

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn from_environment(name: &str) -> PathBuf {
    match std::env::var_os(name) {
        Some(path) if !path.is_empty() => PathBuf::from(path),
        _ => panic!(
            "{name} is not set. These tests run on the files that users link: run `make test`, or `make test-abi`."
        ),
    }
}

/// The directory with `libvpmeter.so`, `libvpmeter.a`, `include/vpmeter.h` and `vpmeter.pc`, made by `make lib` after the last
/// change of any source.
pub fn lib_dir() -> &'static Path {
    static CHECKED: OnceLock<PathBuf> = OnceLock::new();
    CHECKED.get_or_init(|| {
        let dir = from_environment("VPMETER_LIB_DIR");
        refuse_stale(&dir);
        dir
    })
}

/// The simulator's program.
pub fn simulator() -> PathBuf {
    let path = from_environment("VPMETER_SIMULATOR");
    assert!(
        path.is_file(),
        "VPMETER_SIMULATOR: there is no {}: run `make simulator`",
        path.display()
    );
    path
}

fn changed(path: &Path) -> SystemTime {
    fs::metadata(path)
        .and_then(|m| m.modified())
        .unwrap_or_else(|e| panic!("{}: {e}. Run `make lib`.", path.display()))
}

fn refuse_stale(dir: &Path) {
    let mut sources = vec![];
    for file in [
        "Cargo.toml",
        "Cargo.lock",
        "build.rs",
        "cbindgen.toml",
        "core/Cargo.toml",
    ] {
        sources.push(root().join(file));
    }
    for directory in ["src", "core/src", "include"] {
        files_below(&root().join(directory), &mut sources);
    }
    for name in [
        "libvpmeter.so",
        "libvpmeter.so.0",
        "libvpmeter.a",
        "include/vpmeter.h",
    ] {
        let made = changed(&dir.join(name));
        for source in &sources {
            assert!(
                changed(source) <= made,
                "{} is older than {}: run `make lib`",
                dir.join(name).display(),
                source.display()
            );
        }
    }
}

fn files_below(dir: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    for entry in entries {
        let path = entry.expect("a directory entry").path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// A directory of one test. Removed at its end, kept if the test fails.
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    pub fn new() -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("abi-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a scratch directory");
        Scratch { path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("kept: {}", self.path.display());
        } else {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
