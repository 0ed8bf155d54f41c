//! The two libraries as the linker sees them: what they export, what they need, and that the archive is enough.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::common::{
    compile_program, file_text, lib_dir, pkg_config, root, skipped, strict, tool, Link, Scratch,
    Tool,
};

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{program}: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}

fn path(name: &str) -> String {
    lib_dir().join(name).to_str().expect("UTF-8").to_owned()
}

/// Functions declared in the header: names before a parenthesis outside of comments, macros, typedefs and structs.
pub fn declared() -> BTreeSet<String> {
    let header = file_text(&lib_dir().join("include/vpmeter.h"));
    let mut code = String::new();
    let mut rest = header.as_str();
    while let Some((before, after)) = rest.split_once("/*") {
        code += before;
        rest = after.split_once("*/").expect("a comment ends").1;
    }
    code += rest;
    let mut continued = false;
    let mut depth = 0;
    let mut statements = String::new();
    for line in code.lines() {
        let macro_line = continued || line.trim_start().starts_with('#');
        continued = macro_line && line.ends_with('\\');
        if macro_line || line.contains("extern \"C\"") {
            continue;
        }
        for c in line.chars().chain(['\n']) {
            match c {
                '{' => depth += 1,
                // The end of extern "C" has no beginning here.
                '}' if depth > 0 => depth -= 1,
                _ if depth == 0 => statements.push(c),
                _ => {}
            }
        }
    }
    statements
        .split(';')
        .filter(|s| !s.contains("typedef") && s.contains('('))
        .map(|s| {
            let name = s.split('(').next().unwrap_or_default().trim_end();
            name.rsplit([' ', '*', '\n'])
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .collect()
}

/// Names of symbols that `nm` prints, by their letter.
fn symbols(arguments: &[&str]) -> BTreeSet<(char, String)> {
    let text = output("nm", arguments);
    let symbol = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [_, letter, name] => Some((letter.chars().next()?, name.to_owned())),
            _ => None,
        }
    };
    text.lines().filter_map(symbol).collect()
}

fn as_functions(names: &BTreeSet<String>) -> BTreeSet<(char, String)> {
    names.iter().map(|n| ('T', n.clone())).collect()
}

#[test]
fn the_header_is_read_right() {
    let names = declared();
    for name in [
        "vp_client_open",
        "vp_version",
        "vp_interrupt",
        "vp_run_ride",
        "vp_error_init",
        "vp_status_name",
    ] {
        assert!(names.contains(name), "{name} in {names:?}");
    }
    assert!(names.iter().all(|n| n.starts_with("vp_")), "{names:?}");
    assert!(names.len() >= 30, "{names:?}");
}

#[test]
fn the_shared_library_exports_the_header_and_nothing_else() {
    let exported = symbols(&["-D", "--defined-only", &path("libvpmeter.so")]);
    assert_eq!(exported, as_functions(&declared()));
}

#[test]
fn the_archive_shows_the_header_and_nothing_else() {
    let shown = symbols(&["-g", "--defined-only", &path("libvpmeter.a")]);
    assert_eq!(shown, as_functions(&declared()));
}

#[test]
fn the_shared_library_says_its_name_and_needs_little() {
    let dynamic = output("readelf", &["-dW", &path("libvpmeter.so")]);
    let values = |tag: &str| -> Vec<&str> {
        let lines = dynamic.lines().filter(|l| l.contains(tag));
        lines
            .filter_map(|l| l.split('[').nth(1)?.split(']').next())
            .collect()
    };
    assert_eq!(values("(SONAME)"), ["libvpmeter.so.0"]);
    let allowed = [
        "libc.so.6",
        "libgcc_s.so.1",
        "libm.so.6",
        "libpthread.so.0",
        "libdl.so.2",
        "librt.so.1",
    ];
    for needed in values("(NEEDED)") {
        assert!(
            allowed.contains(&needed) || needed.starts_with("ld-linux"),
            "it needs {needed}"
        );
    }
    assert!(
        values("(RPATH)").is_empty() && values("(RUNPATH)").is_empty(),
        "{dynamic}"
    );
    // A code segment that could be written, or a stack that could be run, is no library for a till.
    assert!(!dynamic.contains("TEXTREL"), "{dynamic}");
    let segments = output("readelf", &["-lW", &path("libvpmeter.so")]);
    let stack = segments
        .lines()
        .find(|l| l.contains("GNU_STACK"))
        .expect("GNU_STACK");
    assert!(!stack.contains("RWE"), "{stack}");
}

#[test]
fn the_file_behind_the_names_is_one() {
    let real = |name: &str| lib_dir().join(name).canonicalize().expect("the library");
    assert_eq!(real("libvpmeter.so"), real("libvpmeter.so.0"));
    let name = real("libvpmeter.so");
    let version = file_text(&lib_dir().join("vpmeter.pc"));
    let version = version
        .lines()
        .find_map(|l| l.strip_prefix("Version: "))
        .expect("a version")
        .to_owned();
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
    assert!(
        name.ends_with(format!("libvpmeter.so.{version}")),
        "{}",
        name.display()
    );
}

#[test]
fn no_path_of_the_builder_is_in_what_ships() {
    for name in ["libvpmeter.so", "include/vpmeter.h", "vpmeter.pc"] {
        let bytes = std::fs::read(lib_dir().join(name)).expect("the file");
        let text = String::from_utf8_lossy(&bytes);
        let root = root().to_str().expect("UTF-8");
        assert!(!text.contains(root), "{root} in {name}");
    }
}

/// `vp_build_id` of a program with either library is what `readelf -n` shows of the shared one.
#[test]
fn the_build_id_at_run_time_is_that_of_the_file() {
    let notes = output("readelf", &["-nW", &path("libvpmeter.so")]);
    let (_, id) = notes.split_once("Build ID: ").expect("a GNU build id");
    let id = id.split_whitespace().next().expect("an id");
    assert!(
        id.len() == 40 && id.bytes().all(|b| b.is_ascii_hexdigit()),
        "{id}"
    );
    let scratch = Scratch::new();
    let (source, program) = (scratch.join("id.c"), scratch.join("id"));
    let text = "#include <stdio.h>\n#include <vpmeter.h>\nint main(void)\n{\n    return puts(vp_build_id()) < 0;\n}\n";
    std::fs::write(&source, text).expect("a source");
    for link in [Link::Shared, Link::Static] {
        compile_program(std::slice::from_ref(&source), strict(), link, &program);
        assert_eq!(output(program.to_str().expect("UTF-8"), &[]).trim(), id);
    }
}

/// What a static link needs is what the compiler of the library says that it needs.
#[test]
fn the_static_link_line_is_that_of_the_compiler() {
    let scratch = Scratch::new();
    let source = scratch.join("empty.rs");
    std::fs::write(&source, "").expect("a source");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = Command::new(rustc)
        .args([
            "--crate-type",
            "staticlib",
            "--print",
            "native-static-libs",
            "-o",
        ])
        .arg(scratch.join("libempty.a"))
        .arg(&source)
        .output()
        .expect("rustc");
    assert!(said.status.success());
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    let line = said
        .lines()
        .find_map(|l| l.split_once("native-static-libs: "))
        .expect("the line")
        .1;
    let needed: BTreeSet<&str> = line.split_whitespace().collect();
    let given = pkg_config("Libs.private", "/usr");
    let given: BTreeSet<&str> = given.iter().map(String::as_str).collect();
    assert_eq!(given, needed);
}

/// pkg-config itself, where it is installed, reads the file as these tests do.
#[test]
fn pkg_config_agrees() {
    let run = |arguments: &[&str]| {
        let mut command = Command::new("pkg-config");
        command
            .args(arguments)
            .arg("vpmeter")
            .env("PKG_CONFIG_PATH", lib_dir());
        command.output()
    };
    let Ok(said) = run(&["--libs", "--static"]) else {
        skipped("pkg-config is not installed");
        return;
    };
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("-lvpmeter"), "{said}");
    for library in pkg_config("Libs.private", "/usr") {
        assert!(
            said.split_whitespace().any(|w| w == library),
            "{library} in {said}"
        );
    }
    let version = run(&["--modversion"]).expect("pkg-config");
    assert_eq!(
        String::from_utf8_lossy(&version.stdout).trim(),
        env!("CARGO_PKG_VERSION")
    );
    assert!(Path::new(&path("vpmeter.pc")).is_file());
}

/// A firmware with a second Rust archive in it: both work, in either order.
#[test]
fn a_second_rust_archive_does_not_clash() {
    let scratch = Scratch::new();
    let file = |name: &str, text: &str| {
        let path = scratch.join(name);
        std::fs::write(&path, text).expect("a source");
        path
    };
    let rust = file(
        "other.rs",
        "#[no_mangle] pub extern \"C\" fn other_length(n: i32) -> i32 {\n\
         std::panic::catch_unwind(|| { assert!(n > 0); format!(\"{n}\").len() as i32 }).unwrap_or(-1) }\n",
    );
    let program = file(
        "both.c",
        "#include \"vpmeter.h\"\nint other_length(int n);\nint main(void)\n{\n    int64_t net, vat;\n\
         return vp_split_gross(24900, 1200, &net, &vat, 0) == VP_OK && vat == 2668 && other_length(123) == 3 &&\n\
         other_length(0) == -1 ? 0 : 1;\n}\n",
    );
    let other = scratch.join("libother.a");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let built = Command::new(rustc)
        .args(["--edition", "2021", "--crate-type", "staticlib", "-o"])
        .arg(&other)
        .arg(&rust)
        .output()
        .expect("rustc");
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let ours = lib_dir().join("libvpmeter.a");
    for archives in [[&ours, &other], [&other, &ours]] {
        let mut command = tool(Tool::C);
        command
            .arg("-I")
            .arg(lib_dir().join("include"))
            .arg(&program)
            .args(archives);
        command
            .args(pkg_config("Libs.private", "/usr"))
            .arg("-o")
            .arg(scratch.join("both"));
        let linked = command.output().expect("the linker");
        assert!(
            linked.status.success(),
            "{}",
            String::from_utf8_lossy(&linked.stderr)
        );
        let run = Command::new(scratch.join("both"))
            .output()
            .expect("the program");
        assert_eq!(
            run.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&run.stderr)
        );
    }
}
