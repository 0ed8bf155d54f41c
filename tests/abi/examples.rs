//! The examples, as a firmware engineer would compile them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::common::{compile_program, file_text, root, simulator, strict, until, Link, Scratch};

fn compile(names: &[&str], flags: &[&str], link: Link, program: &Path) {
    let source = |name: &&str| root().join("examples-c").join(format!("{name}.c"));
    let sources: Vec<PathBuf> = names.iter().map(source).collect();
    compile_program(&sources, &[strict(), flags].concat(), link, program);
}

#[test]
fn compile_strictly_and_link_both_ways() {
    let scratch = Scratch::new();
    for names in [
        &["minimal"][..],
        &["taximeter"],
        &["with_simulator", "simulator"],
        &["main_loop"],
        &["payment_process"],
        &["single_thread", "socket_transport"],
    ] {
        for link in [Link::Shared, Link::Static] {
            for optimised in ["-O0", "-O2"] {
                compile(
                    names,
                    &[optimised, "-pthread"],
                    link,
                    &scratch.join(names[0]),
                );
            }
        }
    }
}

/// `with_simulator`, and an empty folder for whatever it and its simulator write.
fn with_simulator(scratch: &Scratch) -> (Command, PathBuf) {
    let (program, folder) = (scratch.join("with_simulator"), scratch.join("tmp"));
    compile(
        &["with_simulator", "simulator"],
        &["-g"],
        Link::Shared,
        &program,
    );
    fs::create_dir(&folder).expect("a folder");
    let mut command = Command::new(program);
    command
        .env("TMPDIR", &folder)
        .env_remove("VPMETER_SIMULATOR");
    (command, folder)
}

fn files_in(folder: &Path) -> usize {
    fs::read_dir(folder).expect("a folder").count()
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_ride_with_servers_of_its_own_leaves_nothing_behind() {
    let scratch = Scratch::new();
    let (mut command, folder) = with_simulator(&scratch);
    let output = command.arg(simulator()).output().expect("runs");
    let (out, err) = texts(&output);
    assert!(
        output.status.success() && err.is_empty(),
        "{}: {out}{err}",
        output.status
    );
    assert!(
        out.ends_with("bench-ride-0001: captured 24900 of 24900\n"),
        "{out}"
    );
    assert_eq!(files_in(&folder), 0);
}

#[test]
fn servers_that_do_not_start_are_said() {
    let scratch = Scratch::new();
    let (mut command, folder) = with_simulator(&scratch);
    for (program, word) in [("/nowhere", "/nowhere"), ("false", "did not start")] {
        let output = command.args([program]).output().expect("runs");
        let (out, err) = texts(&output);
        assert_eq!(output.status.code(), Some(1), "{out}{err}");
        assert!(err.contains(word), "{err}");
        assert_eq!(files_in(&folder), 0);
        command = Command::new(scratch.join("with_simulator"));
        command.env("TMPDIR", &folder);
    }
}

/// Killed in the middle of a ride: the servers end with it.
#[test]
fn the_servers_end_with_a_test_that_crashes() {
    let scratch = Scratch::new();
    let (mut command, folder) = with_simulator(&scratch);
    let (wrapper, pid_file) = (scratch.join("wrapper"), scratch.join("pid"));
    let script = format!(
        "#!/bin/sh\necho $$ > {}\nexec {} \"$@\" --passenger ignore\n",
        pid_file.display(),
        simulator().display()
    );
    fs::write(&wrapper, script).expect("a script");
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).expect("a mode");
    let mut child = command
        .arg(&wrapper)
        .stdout(Stdio::null())
        .spawn()
        .expect("runs");
    until("the ride is on the disk", || {
        let made = fs::read_dir(&folder).expect("a folder");
        made.filter_map(Result::ok)
            .any(|entry| entry.path().join("open").is_dir())
    });
    let place = format!("/proc/{}", file_text(&pid_file).trim());
    child.kill().expect("killed");
    child.wait().expect("ended");
    until("the servers are gone", || {
        // Whoever adopts it may take its time to wait for it.
        fs::read_to_string(format!("{place}/stat")).map_or(true, |stat| stat.contains(") Z "))
    });
}

#[test]
fn the_short_one_is_short() {
    let text = file_text(&root().join("examples-c/minimal.c"));
    assert!(text.lines().count() < 60, "{} lines", text.lines().count());
}
