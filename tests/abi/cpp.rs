//! `vpmeter.hpp`: in every C++ that it promises, with and without exceptions, and at work in a C++ program: values, moves,
//! callbacks that throw, hooks in C beside it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::common::{
    compile_object, compile_program_as, file_text, lib_dir, root, skipped, tool, Bench, Link,
    Scratch, Tool, FARE,
};
use crate::libraries::declared;

const STRICT: &[&str] = &[
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Wconversion",
    "-Wsign-conversion",
    "-Wshadow",
    "-Wold-style-cast",
    "-Weffc++",
    "-Werror",
    "-pthread",
];

const WITHOUT: &[&str] = &["-fno-exceptions", "-fno-rtti"];

fn there() -> bool {
    let there = tool(Tool::Cpp)
        .arg("--version")
        .output()
        .is_ok_and(|o| o.status.success());
    if !there {
        skipped("there is no C++ compiler (CXX, or c++)");
    }
    there
}

fn source() -> PathBuf {
    root().join("tests/c/client.cpp")
}

fn header() -> String {
    file_text(&lib_dir().join("include/vpmeter.hpp"))
}

#[test]
fn compiles_in_every_cpp_from_11() {
    if !there() {
        return;
    }
    let scratch = Scratch::new();
    let mut compilers: Vec<Box<dyn Fn() -> Command>> = vec![Box::new(|| tool(Tool::Cpp))];
    match Command::new("clang++").arg("--version").output() {
        Ok(output) if output.status.success() => {
            compilers.push(Box::new(|| Command::new("clang++")));
        }
        _ => skipped("clang++ is not installed: vpmeter.hpp is compiled by one compiler only"),
    }
    let empty = scratch.join("empty.cpp");
    std::fs::write(&empty, "int main();\n").expect("a source");
    for compiler in compilers {
        let check = |standard: &str, flags: &[&str], source: &Path| -> Output {
            let mut command = compiler();
            command
                .arg(format!("-std=c++{standard}"))
                .args(STRICT)
                .args(flags);
            command.arg("-I").arg(lib_dir().join("include"));
            command.arg("-fsyntax-only").arg(source);
            command.output().expect("the compiler")
        };
        for standard in ["11", "14", "17", "20", "2b"] {
            if standard == "2b" && !check(standard, &[], &empty).status.success() {
                skipped("this C++ compiler does not know C++23");
                continue;
            }
            for flags in [&[][..], WITHOUT] {
                for source in [source(), root().join("examples-c/ride.cpp")] {
                    // The example is written with exceptions.
                    if flags == WITHOUT && source.ends_with("ride.cpp") {
                        continue;
                    }
                    let output = check(standard, flags, &source);
                    let said = String::from_utf8_lossy(&output.stderr);
                    assert!(
                        output.status.success() && said.is_empty(),
                        "C++{standard} {flags:?}: {said}"
                    );
                }
            }
        }
    }
}

#[test]
fn every_function_and_every_hook_of_c_is_there() {
    let ours = header();
    for name in declared() {
        // Structs set themselves up, and an answer is given from inside of a hook in C.
        if !name.ends_with("_init") && !name.starts_with("vp_answer_") {
            assert!(ours.contains(&format!("{name}(")), "{name}");
        }
    }
    let c = file_text(&lib_dir().join("include/vpmeter.h"));
    let (_, hooks) = c.split_once("typedef struct vp_hooks {").expect("vp_hooks");
    let (hooks, _) = hooks.split_once("} vp_hooks;").expect("its end");
    let mut count = 0;
    for line in hooks.lines().map(str::trim) {
        let pointer = line.split_once("(*").and_then(|(_, r)| r.split_once(')'));
        let typed = line.strip_prefix("vp_").and_then(|l| l.split_once(' '));
        let name = match (pointer, typed) {
            (Some((name, _)), _) => name,
            (None, Some((kind, name))) if kind.ends_with("_fn") => name.trim_end_matches(';'),
            _ => continue,
        };
        count += 1;
        let forwarded = ours.contains(&format!("VPMETER_FORWARD({name});"));
        assert!(forwarded || name == "on_tick", "the hook {name}");
    }
    assert!(count >= 11, "{count}");
}

fn program(scratch: &Scratch, flags: &[&str], link: Link) -> PathBuf {
    let program = scratch.join("client");
    let flags = [&["-std=c++11", "-g"], STRICT, flags].concat();
    compile_program_as(Tool::Cpp, &[source()], &flags, link, &program);
    program
}

/// One scenario of the program; it checks itself.
#[track_caller]
fn plays(program: &Path, scenario: &str, passenger: &str) -> Bench {
    let bench = Bench::new(&["--passenger", passenger]);
    let output = Command::new(program)
        .arg(scenario)
        .env("VPMETER_URL", &bench.sim.url)
        .env("VPMETER_JOURNAL_DIR", bench.journal())
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success() && complaints.is_empty(),
        "{scenario}: {}\n{said}{complaints}",
        output.status
    );
    bench
}

fn all(program: &Path) {
    let bench = plays(program, "values", "approve");
    bench.sim.books("cpp-ride-0001", &[FARE], 0, &[]);
    bench.sim.books("cpp-ride-0002", &[FARE], 0, &[]);
    bench.sim.books("cpp-ride-0003", &[900, 100], 0, &[]);
    plays(program, "moves", "approve");
    let bench = plays(program, "in_callbacks", "approve");
    bench.sim.books("cpp-ride-0001", &[FARE], 0, &[]);
    assert_eq!(bench.sim.count("create"), 1);
    plays(program, "threads", "ignore");
    plays(program, "webhooks", "ignore");
    let bench = plays(program, "c_hooks", "approve");
    bench.sim.books("cpp-ride-0001", &[FARE], 0, &[]);
    assert!(bench.journal_files().is_empty());
}

#[test]
fn values_moves_threads_and_hooks() {
    if there() {
        all(&program(&Scratch::new(), &[], Link::Static));
    }
}

#[test]
fn the_same_without_exceptions() {
    if there() {
        all(&program(&Scratch::new(), WITHOUT, Link::Shared));
    }
}

#[test]
fn what_a_callback_throws_comes_out_of_the_call() {
    if !there() {
        return;
    }
    let bench = plays(
        &program(&Scratch::new(), &[], Link::Shared),
        "throwing",
        "ignore",
    );
    bench.sim.books("cpp-ride-0001", &[], FARE, &[]);
    bench.sim.books("cpp-ride-0002", &[], FARE, &[]);
    // Handed over, so nobody here cancels it.
    bench.sim.books("cpp-ride-0003", &[], 0, &[]);
    // No exception has torn a request and had it sent anew.
    assert_eq!(bench.sim.count("create"), 3);
}

/// Watched by the compiler: nothing is used after it was freed, and nothing is left behind.
#[test]
fn with_sanitizers() {
    if !there() {
        return;
    }
    let scratch = Scratch::new();
    let (empty, out) = (scratch.join("empty.cpp"), scratch.join("empty"));
    std::fs::write(&empty, "int main() {}\n").expect("a source");
    let sanitize = "-fsanitize=address,undefined";
    let mut command = tool(Tool::Cpp);
    command.arg(sanitize).arg(&empty).arg("-o").arg(&out);
    if !command.output().is_ok_and(|o| o.status.success()) {
        skipped("the C++ compiler has no sanitizers");
        return;
    }
    let program = program(&scratch, &[sanitize], Link::Shared);
    plays(&program, "throwing", "ignore");
    plays(&program, "in_callbacks", "approve");
    plays(&program, "threads", "ignore");
    plays(&program, "moves", "approve");
}

/// Source files with and without exceptions, linked into one program.
#[test]
fn both_kinds_in_one_program() {
    if !there() {
        return;
    }
    let scratch = Scratch::new();
    let file = |name: &str, text: &str| {
        let path = scratch.join(name);
        std::fs::write(&path, text).expect("a source");
        path
    };
    let plain = file(
        "plain.cpp",
        "#include <vpmeter.hpp>\nint plain();\n\
         int plain() { return vpmeter::Client().known_payment(\"nobody-knows\").code(); }\n",
    );
    let main = file(
        "main.cpp",
        "#include <vpmeter.hpp>\nint plain();\nint main() {\n\
         try { vpmeter::Client().known_payment(\"nobody-knows\").or_throw(); }\n\
         catch (const vpmeter::Exception &e) { return e.code() == plain() ? 0 : 1; }\nreturn 2;\n}\n",
    );
    let object = scratch.join("plain.o");
    let flags = [&["-std=c++11"], STRICT];
    compile_object(
        Tool::Cpp,
        &[&flags.concat()[..], WITHOUT].concat(),
        &plain,
        &object,
    );
    let program = scratch.join("both");
    compile_program_as(
        Tool::Cpp,
        &[main, object],
        &flags.concat(),
        Link::Shared,
        &program,
    );
    let status = Command::new(program).status().expect("the program runs");
    assert_eq!(status.code(), Some(0));
}

#[test]
fn the_example_takes_a_ride() {
    if !there() {
        return;
    }
    let scratch = Scratch::new();
    let program = scratch.join("ride");
    let source = root().join("examples-c/ride.cpp");
    let flags = [&["-std=c++11", "-O2"], STRICT].concat();
    compile_program_as(Tool::Cpp, &[source], &flags, Link::Shared, &program);
    let bench = Bench::tls(&["--passenger", "approve"]);
    let ca_file = bench.sim.ca_file.clone().expect("its authority");
    let ride = |device: Option<&str>| {
        let mut command = Command::new(&program);
        command
            .args(["24900", "912 34 567", "cpp-ride-0001"])
            .env("VPMETER_URL", &bench.sim.url)
            .env("VPMETER_CA_FILE", &ca_file)
            .env("VPMETER_CLIENT_ID", "sim-client-id")
            .env("VPMETER_CLIENT_SECRET", "sim-client-secret")
            .env("VPMETER_SUBSCRIPTION_KEY", "sim-subscription-key")
            .env("VPMETER_MSN", device.unwrap_or("123456"))
            .env("VPMETER_JOURNAL_DIR", bench.journal());
        let output = command.output().expect("the example runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    for _ in 0..2 {
        let (code, out, err) = ride(None);
        assert_eq!(code, Some(0), "{out}{err}");
        assert!(out.ends_with("captured 24900 of 24900\n"), "{out}");
        assert!(err.is_empty(), "{err}");
    }
    bench.sim.books("cpp-ride-0001", &[FARE], 0, &[]);
    let (code, out, err) = ride(Some("no number"));
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(
        err.contains("VP_ERR_INVALID_ARGUMENT") && err.contains("msn"),
        "{err}"
    );
}
