//! The examples, as a firmware engineer would compile them.

use crate::common::{compile_program, file_text, root, strict, Link, Scratch};

#[test]
fn compile_strictly_and_link_both_ways() {
    let scratch = Scratch::new();
    for name in ["minimal", "taximeter"] {
        let source = root().join("examples-c").join(format!("{name}.c"));
        for link in [Link::Shared, Link::Static] {
            for optimised in ["-O0", "-O2"] {
                let flags = [strict(), &[optimised]].concat();
                compile_program(
                    std::slice::from_ref(&source),
                    &flags,
                    link,
                    &scratch.join(name),
                );
            }
        }
    }
}

#[test]
fn the_short_one_is_short() {
    let text = file_text(&root().join("examples-c/minimal.c"));
    assert!(text.lines().count() < 60, "{} lines", text.lines().count());
}
