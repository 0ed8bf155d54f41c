//! Compiling C programs the way a user does: with the header and the library that `make lib` has made.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use super::places::{lib_dir, root, Scratch};

/// How a program gets the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// `-lvpmeter`, found at run time by its soname.
    Shared,
    /// The archive, and what `pkg-config --static` adds.
    Static,
}

/// A compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    C,
    Cpp,
}

/// Every warning is an error.
const STRICT_C: &[&str] = &[
    "-std=c99",
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Wconversion",
    "-Wshadow",
    "-Wstrict-prototypes",
    "-Wmissing-prototypes",
    "-Werror",
];

pub fn strict() -> &'static [&'static str] {
    STRICT_C
}

/// The compiler of the environment (`CC`, `CXX`), or the system's.
pub fn tool(which: Tool) -> Command {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let compiler = cc::Build::new()
        .cpp(which == Tool::Cpp)
        .cargo_metadata(false)
        .no_default_flags(true)
        .warnings(false)
        .opt_level(0)
        .target(&target)
        .host(&target)
        .try_get_compiler()
        .unwrap_or_else(|e| panic!("no compiler for {which:?}: {e}"));
    compiler.to_command()
}

/// Runs a compiler; it must succeed and say nothing.
fn run(mut command: Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.is_empty(),
        "{command:?}: {}\n{said}",
        output.status
    );
    output
}

pub fn compile_object(which: Tool, flags: &[&str], source: &Path, object: &Path) {
    let mut command = tool(which);
    command.args(flags).arg("-I").arg(lib_dir().join("include"));
    command.arg("-c").arg(source).arg("-o").arg(object);
    run(command);
}

/// A field of `vpmeter.pc`, with the directories of an installation under `prefix`.
pub fn pkg_config(field: &str, prefix: &str) -> Vec<String> {
    let text = file_text(&lib_dir().join("vpmeter.pc"));
    let start = format!("{field}: ");
    let line = text.lines().find_map(|l| l.strip_prefix(&start));
    let line = line.unwrap_or_else(|| panic!("vpmeter.pc has no {field}: {text}"));
    let line = line.replace("${libdir}", &format!("{prefix}/lib"));
    let line = line.replace("${includedir}", &format!("{prefix}/include"));
    line.replace("${prefix}", prefix)
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

/// Compiles and links a program by the lines of `vpmeter.pc`, as after an installation.
pub fn compile_program(sources: &[PathBuf], flags: &[&str], link: Link, program: &Path) {
    compile_program_as(Tool::C, sources, flags, link, program);
}

/// The same in either language.
pub fn compile_program_as(
    which: Tool,
    sources: &[PathBuf],
    flags: &[&str],
    link: Link,
    program: &Path,
) {
    let installed = installed();
    let prefix = installed.path().to_str().expect("a path in UTF-8");
    let mut command = tool(which);
    command
        .args(flags)
        .args(pkg_config("Cflags", prefix))
        .args(sources);
    command.arg("-o").arg(program);
    match link {
        Link::Shared => {
            command.args(pkg_config("Libs", prefix));
            command.arg(format!("-Wl,-rpath,{}", lib_dir().display()));
        }
        Link::Static => {
            command.arg(lib_dir().join("libvpmeter.a"));
            command.args(pkg_config("Libs.private", prefix));
        }
    }
    run(command);
}

/// The files of `build/` in the places of an installation.
fn installed() -> Scratch {
    let place = Scratch::new();
    fs::create_dir(place.join("lib")).expect("lib");
    for name in ["libvpmeter.so", "libvpmeter.so.0", "libvpmeter.a"] {
        let to = place.join("lib").join(name);
        symlink(lib_dir().join(name), to).expect("a link");
    }
    symlink(lib_dir().join("include"), place.join("include")).expect("a link");
    place
}

/// The driver, compiled once for each way to link and shared by all tests.
pub fn driver(link: Link) -> &'static Path {
    static PROGRAMS: [OnceLock<PathBuf>; 2] = [OnceLock::new(), OnceLock::new()];
    PROGRAMS[link as usize].get_or_init(|| {
        let directory = root().join("tests/c");
        let mut sources: Vec<PathBuf> = fs::read_dir(&directory)
            .expect("tests/c")
            .map(|entry| entry.expect("an entry").path())
            .filter(|p| {
                let name = p.file_name().and_then(|n| n.to_str()).unwrap_or_default();
                name.starts_with("driver") && name.ends_with(".c")
            })
            .collect();
        sources.sort();
        // Its own doors are those that users copy.
        sources.push(root().join("examples-c/block_store.c"));
        sources.push(root().join("examples-c/socket_transport.c"));
        let include = format!("-I{}", root().join("examples-c").display());
        let flags = [STRICT_C, &["-g", "-pthread", &include]].concat();
        // Under a name of its own first: another run of the tests may be using the last one.
        let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let program = place.join(format!("driver-{link:?}"));
        let fresh = place.join(format!("driver-{link:?}-{}", std::process::id()));
        compile_program(&sources, &flags, link, &fresh);
        fs::rename(&fresh, &program).expect("the driver in its place");
        program
    })
}

pub fn file_text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
