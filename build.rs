//! Generates `vpmeter.h` into `OUT_DIR`, and gives the shared library its name.
//!
//! The header that users get is the one in `include/`, which is checked in. This script never writes there: a unit test
//! compares the two, and says how to copy.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

/// The table of the groups of codes, which the header tells twice.
#[allow(dead_code)]
#[path = "core/src/group.rs"]
mod group;

use group::{Row, GROUPS};

/// What the library is made of.
const SOURCES: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "build.rs",
    "cbindgen.toml",
    "core/Cargo.toml",
    "core/src",
    "src",
];

/// Headings, each before the item that holds the line named.
const SECTIONS: &[(&str, &str)] = &[
    ("#define VP_OK ", "Results"),
    (
        "#define VP_CAUSE_NONE ",
        "Why, beside the code: vp_error.cause",
    ),
    (
        "#define VP_RETRY_NO ",
        "Whether repeating makes sense: vp_error.retry",
    ),
    (
        "#define VP_WHO_NOBODY_WAIT ",
        "Who can put it right: vp_error.who",
    ),
    (
        "#define VP_STATE_RECORDED ",
        "The state of a payment: vp_payment.state",
    ),
    (
        "#define VP_VERDICT_WAIT ",
        "May the passenger leave? vp_payment.verdict",
    ),
    (
        "#define VP_NEXT_DONE ",
        "What the program does next: vp_payment.next_step",
    ),
    (
        "#define VP_OWED_CAPTURE ",
        "What is owed, bits: vp_payment.owed",
    ),
    (
        "#define VP_MSG_WAITING ",
        "What the driver reads: vp_payment.message",
    ),
    (
        "#define VP_UNIT_PIECES ",
        "Units of a quantity: vp_order_line.unit",
    ),
    ("#define VP_SHELF_OPEN ", "Where a store keeps a record"),
    ("#define VP_STORE_OK ", "What the store hooks return"),
    (
        "#define VP_TRANSPORT_BEGIN ",
        "What the hook `transport` is called for",
    ),
    (
        "#define VP_TRANSPORT_DONE ",
        "What the hook `transport` returns",
    ),
    ("#define VP_TOKEN_OK ", "What the token hook returns"),
    ("#define VP_TICK_GO_ON ", "What on_tick returns"),
    ("#define VP_LOG_ERROR ", "The level of on_log"),
    ("#define VP_HEADER_VERSION ", "Version"),
    (
        "#define VP_GATEWAY_NONE ",
        "The fleet's own gateway: vp_config.gateway",
    ),
    (
        "#define VP_THEN_CAPTURE ",
        "What an approval means: vp_push_payment.on_approval",
    ),
    (
        "#define VP_CUSTOMER_PRESENT ",
        "vp_push_payment.customer_interaction",
    ),
    (
        "#define VP_CAPTURE_FINAL ",
        "Flags of vp_capture and vp_refund",
    ),
    ("#define VP_CANCEL_IF_NOT_APPROVED ", "How to cancel"),
    ("#define VP_LIST_ALL ", "Which payments: vp_filter.which"),
    (
        "#define VP_DECIDE_CAPTURE ",
        "What a human decides: vp_decide",
    ),
    ("#define VP_WEBHOOK_BODY_MAX ", "Webhooks"),
    ("typedef struct vp_client ", "Structs"),
    (
        "int32_t vp_answer_status(",
        "The answer, from inside the hook `transport`",
    ),
    ("int32_t vp_client_open(", "The client"),
    ("int32_t vp_create_push_payment(", "The ride"),
    ("int32_t vp_cancel(", "Around the ride"),
    ("int32_t vp_decide(", "The office"),
    (
        "int32_t vp_webhook_verify(",
        "Webhooks: the receiver, without a client, and the meter",
    ),
    (
        "int32_t vp_normalize_phone(",
        "Text and numbers, without a client",
    ),
    (
        "void vp_config_init(",
        "Setting up, for those who cannot use the INIT macros",
    ),
];

/// The members that an INIT macro does not set to zero.
const NOT_ZERO: &[(&str, &str)] = &[
    ("header_version", "VP_HEADER_VERSION"),
    ("line_size", "sizeof(vp_order_line)"),
    ("payment_size", "sizeof(vp_payment)"),
];

fn main() {
    for path in SOURCES {
        println!("cargo::rerun-if-changed={path}");
    }
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("vpmeter.h");
    let config =
        cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml can be read");
    let bindings = cbindgen::Builder::new()
        .with_config(config)
        .with_src(root.join("src/lib.rs"))
        .generate()
        .expect("the sources can be read");
    let mut raw = Vec::new();
    bindings.write(&mut raw);
    let raw = String::from_utf8(raw).expect("a header is UTF-8");
    let header = finish(&raw);
    assert!(
        header.is_ascii(),
        "the header must be ASCII: some compilers of meters read nothing else"
    );
    fs::write(&out, header).expect("OUT_DIR can be written");
    println!("cargo::rustc-env=VPMETER_HEADER={}", out.display());
    let id = build_id(&root);
    println!("cargo::rustc-env=VPMETER_BUILD_ID={id}");

    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libvpmeter.so.0");
        // A library that is unloaded would take its thread-local storage away from under the threads that used it.
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
        // The note that `readelf -n` shows says what vp_build_id says.
        println!("cargo::rustc-cdylib-link-arg=-Wl,--build-id=0x{id}");
    }
}

/// 40 hex digits of a hash of all that decides what the library becomes: its sources, the locked dependencies, the compiler
/// and what that is told. Holds no time and no directory, so the same sources give the same id, with git or without.
fn build_id(root: &Path) -> String {
    let mut files = Vec::new();
    for path in SOURCES {
        files_below(&root.join(path), &mut files);
    }
    files.sort();
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    for file in &files {
        let name = file.strip_prefix(root).expect("a file below the root");
        add(name.to_str().expect("a name in UTF-8").as_bytes());
        add(&fs::read(file).expect("a source can be read"));
    }
    let decides = |name: &str| {
        ["TARGET", "PROFILE", "OPT_LEVEL", "CARGO_ENCODED_RUSTFLAGS"].contains(&name)
            || name.starts_with("CARGO_FEATURE_")
    };
    let mut told: Vec<(String, String)> = env::vars().filter(|(name, _)| decides(name)).collect();
    told.sort();
    for (name, value) in told {
        add(name.as_bytes());
        add(value.as_bytes());
    }
    let rustc = env::var_os("RUSTC").expect("cargo sets it");
    let version = Command::new(rustc).arg("-vV").output();
    add(&version.expect("the compiler tells its version").stdout);
    let digest = hash.finalize();
    digest.iter().take(20).map(|b| format!("{b:02x}")).collect()
}

fn files_below(path: &Path, found: &mut Vec<PathBuf>) {
    if !path.is_dir() {
        found.push(path.to_owned());
        return;
    }
    for entry in fs::read_dir(path).expect("a directory of sources") {
        files_below(&entry.expect("an entry").path(), found);
    }
}

/// What cbindgen writes, as C89 and C++98 want it, with headings and INIT macros.
fn finish(raw: &str) -> String {
    let top = include_str!("src/header/top.h");
    let mut text = top.replace(" * @GROUPS@\n", &group_table());
    for block in blocks(&clean(raw)) {
        for row in GROUPS.iter().filter(|row| row.first < 0) {
            let first = format!(" ({})", row.first);
            let is_code =
                |line: &str| line.starts_with("#define VP_ERR_") && line.ends_with(&first);
            if block.lines().any(is_code) {
                let range = format!("{} .. {}", row.first, row.last);
                text.push_str(&format!("\n/* ---- {range}: {} ---- */\n", words(row)));
            }
        }
        for (first, heading) in SECTIONS {
            if block.lines().any(|line| line.starts_with(first)) {
                text.push_str(&format!("\n/* ---- {heading} ---- */\n"));
            }
        }
        text.push('\n');
        text.push_str(&block);
        text.push('\n');
        if block
            .lines()
            .any(|line| line.starts_with("#define VP_HEADER_VERSION "))
        {
            text.push_str(&version_macros());
        }
        if block
            .lines()
            .any(|line| line.starts_with("#define VP_CAPTURE_FINAL "))
        {
            text.push('\n');
            text.push_str(include_str!("src/header/macros.h"));
        }
        if let Some(init) = init_macro(&block) {
            text.push_str(&init);
        }
    }
    text
}

/// The groups, one a line, in the comment at the top.
fn group_table() -> String {
    let mut text = String::new();
    for row in GROUPS {
        let range = match row.first == row.last {
            true => format!("{:>6}          ", row.first),
            false => format!("{:>6} .. {:>5}  ", row.first, row.last),
        };
        text.push_str(&format!(" * {range}{}\n", words(row)));
    }
    text
}

fn words(row: &Row) -> String {
    format!("{}: {}", row.name, row.says)
}

/// Line by line: no `//`, no comma before `}`, no bare negative number, short comments on one line, long ones with stars.
fn clean(raw: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut comment = false;
    for line in raw.lines() {
        let mut line = line.trim_end().to_string();
        let bare = line.trim().to_string();
        let indent = line[..line.len() - line.trim_start().len()].to_string();
        if bare == "/*" {
            comment = true;
        } else if bare == "*/" {
            comment = false;
            let one = lines.len() >= 2 && lines[lines.len() - 2].trim() == "/*";
            if one {
                let text = lines.pop().unwrap_or_default();
                let indent = lines.pop().unwrap_or_default().replace("/*", "");
                line = format!("{indent}/* {} */", text.trim().trim_start_matches("* "));
            }
        } else if comment {
            let indent = lines
                .last()
                .map_or(0, |last| last.find(['/', '*']).unwrap_or(0));
            let indent = if lines.last().is_some_and(|last| last.trim() == "/*") {
                indent + 1
            } else {
                indent
            };
            line = format!("{}* {bare}", " ".repeat(indent))
                .trim_end()
                .to_string();
        } else if let Some((code, remark)) = line.split_once("//") {
            line = format!("{code}/* {} */", remark.trim());
        } else if bare.starts_with('}') {
            if let Some(last) = lines.last_mut().filter(|last| last.ends_with(',')) {
                last.pop();
            }
        } else if let Some((name, number)) = line
            .strip_prefix("#define ")
            .and_then(|d| d.split_once(" -"))
        {
            line = format!("{indent}#define {name} (-{number})");
        }
        lines.push(line);
    }
    lines.join("\n")
}

/// Pieces between empty lines; comments have none, since each of their lines has a star.
fn blocks(text: &str) -> Vec<String> {
    let pieces = text.split("\n\n").map(|b| b.trim_matches('\n').to_string());
    pieces.filter(|b| !b.is_empty()).collect()
}

fn version_macros() -> String {
    let part = |name: &str| env::var(format!("CARGO_PKG_VERSION{name}")).expect("cargo sets it");
    let number = |name: &str| {
        part(name)
            .parse::<u32>()
            .expect("a version is made of numbers")
    };
    let (major, minor, patch) = (number("_MAJOR"), number("_MINOR"), number("_PATCH"));
    format!(
        "\n/* The version of this header; compare with vp_version and vp_version_number, that of the library. */\n\
         #define VPMETER_VERSION_MAJOR {major}\n\
         #define VPMETER_VERSION_MINOR {minor}\n\
         #define VPMETER_VERSION_PATCH {patch}\n\
         /* major * 10000 + minor * 100 + patch */\n\
         #define VPMETER_VERSION_NUMBER {}\n\
         #define VPMETER_VERSION \"{}\"\n",
        major * 10_000 + minor * 100 + patch,
        part("")
    )
}

/// The INIT macro of a struct that begins with its size: every member, in its order.
fn init_macro(block: &str) -> Option<String> {
    let body = &block[block.find("typedef struct ")?..];
    let name = body.strip_prefix("typedef struct ")?.split_once(" {")?.0;
    let mut values = Vec::new();
    let mut comment = false;
    let mut member = String::new();
    for line in body
        .lines()
        .skip(1)
        .map(str::trim)
        .take_while(|line| !line.starts_with('}'))
    {
        comment |= line.starts_with("/*");
        let was_comment = comment;
        comment &= !line.ends_with("*/");
        if !was_comment {
            member.push_str(line);
        }
        if !member.ends_with(';') {
            continue;
        }
        values.push(init_value(name, &member));
        member.clear();
    }
    if !body.contains("uint32_t struct_size;") {
        return None;
    }
    let mut text = format!("#define {}_INIT \\\n    {{ ", name.to_uppercase());
    let mut width = 6;
    for (index, value) in values.iter().enumerate() {
        let last = index + 1 == values.len();
        if width + value.len() + 2 > 100 {
            text.push_str("\\\n      ");
            width = 6;
        }
        text.push_str(value);
        text.push_str(if last { " }\n" } else { ", " });
        width += value.len() + 2;
    }
    Some(text)
}

fn init_value(owner: &str, member: &str) -> String {
    let declared = member.trim_end_matches(';');
    // A function pointer: `ret (*name)(args)`.
    let name = match declared.split_once("(*") {
        Some((_, rest)) => rest.split(')').next().unwrap_or(rest),
        None => declared.rsplit([' ', '*']).next().unwrap_or(declared),
    };
    if name == "struct_size" {
        return format!("sizeof({owner})");
    }
    if let Some((_, value)) = NOT_ZERO.iter().find(|(n, _)| *n == name) {
        return (*value).to_string();
    }
    if name.ends_with(']') { "{ 0 }" } else { "0" }.to_string()
}
