//! The header alone, in every language and every mode that it promises, with all warnings as errors; and the C programs that
//! look at its structs.

use std::path::PathBuf;
use std::process::Command;

use crate::common::{
    compile_object, compile_program, root, skipped, strict, tool, Link, Scratch, Tool,
};

const WARNINGS: &[&str] = &["-Wall", "-Wextra", "-Wpedantic", "-Werror"];

fn source(name: &str) -> PathBuf {
    root().join("tests/c").join(name)
}

/// `gcc` and `clang` call the last C by another name before they had it.
fn knows(which: Tool, standard: &str, scratch: &Scratch) -> bool {
    let empty = scratch.join("empty.c");
    std::fs::write(&empty, "int main(void);\n").expect("a source");
    let mut command = tool(which);
    command
        .arg(standard)
        .args(["-x", if which == Tool::C { "c" } else { "c++" }, "-c"]);
    command.arg(&empty).arg("-o").arg(scratch.join("empty.o"));
    command.output().expect("the compiler").status.success()
}

#[test]
fn compiles_as_c() {
    let scratch = Scratch::new();
    for standard in [
        "-std=c89",
        "-std=gnu89",
        "-std=c99",
        "-std=c11",
        "-std=c17",
        "-std=c2x",
    ] {
        assert!(
            knows(Tool::C, standard, &scratch),
            "the compiler does not know {standard}"
        );
        let flags = [&[standard], WARNINGS].concat();
        compile_object(
            Tool::C,
            &flags,
            &source("header_only.c"),
            &scratch.join("header.o"),
        );
    }
}

#[test]
fn compiles_as_cpp() {
    let scratch = Scratch::new();
    let there = tool(Tool::Cpp)
        .arg("--version")
        .output()
        .is_ok_and(|o| o.status.success());
    if !there {
        skipped("there is no C++ compiler (CXX, or c++)");
        return;
    }
    for standard in [
        "-std=c++98",
        "-std=c++03",
        "-std=c++11",
        "-std=c++14",
        "-std=c++17",
        "-std=c++20",
    ] {
        assert!(
            knows(Tool::Cpp, standard, &scratch),
            "the compiler does not know {standard}"
        );
        let flags = [&["-x", "c++", standard], WARNINGS].concat();
        compile_object(
            Tool::Cpp,
            &flags,
            &source("header_only.c"),
            &scratch.join("header.o"),
        );
    }
}

#[test]
fn compiles_with_the_warnings_of_strict_houses() {
    let scratch = Scratch::new();
    let more = [
        "-Wconversion",
        "-Wshadow",
        "-Wundef",
        "-Wcast-align",
        "-Wpadded",
        "-Wmissing-declarations",
    ];
    let flags = [&["-std=c99"], WARNINGS, &more].concat();
    compile_object(
        Tool::C,
        &flags,
        &source("header_only.c"),
        &scratch.join("header.o"),
    );
}

/// A program that checks something by itself: exit code 0 is good.
fn passes(name: &str) {
    let scratch = Scratch::new();
    for link in [Link::Shared, Link::Static] {
        let program = scratch.join("program");
        compile_program(&[source(name)], strict(), link, &program);
        let output = Command::new(&program).output().expect("the program runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.success(),
            "{name}, {link:?}: {}\n{said}{complaints}",
            output.status
        );
    }
}

#[test]
fn sizes_and_offsets() {
    passes("layout.c");
}

#[test]
fn init_macros_and_init_functions_do_the_same() {
    passes("init.c");
}
