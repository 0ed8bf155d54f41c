//! What the header, the README, C++ and Python say of the groups of codes is what the table says.

use std::path::{Path, PathBuf};
use std::process::Command;

use vpmeter_core::error::{Acted, Code, Group};
use vpmeter_core::group::{Row, GROUPS};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Numbers at and around every edge of the table.
fn edges() -> impl Iterator<Item = i32> {
    (-130..=5).chain([i32::MIN, i32::MIN + 1, i32::MAX])
}

#[test]
fn the_table_has_no_gap_and_each_group_one_row() {
    let below = &GROUPS[2..];
    assert_eq!((GROUPS[0].first, GROUPS[1].first), (0, 1));
    assert_eq!(below[0].first, -1);
    for (row, next) in below.iter().zip(&below[1..]) {
        assert_eq!(row.last - 1, next.first, "{}", row.name);
    }
    for row in GROUPS {
        assert!(row.last <= row.first, "{}", row.name);
        assert_eq!(row.group.row().first, row.first);
        for number in row.last..=row.first {
            assert_eq!(Group::of(number), row.group, "{number}");
        }
    }
    assert_eq!(Group::of(-120), Group::OutcomeUnknown);
    assert_eq!(Group::of(i32::MIN), Group::OutcomeUnknown);
    assert_eq!(Group::of(2), Group::Pending);
}

/// A text that says that nothing happened stands only where nothing can have.
#[test]
fn a_group_that_says_nothing_means_it() {
    for row in GROUPS {
        let says_nothing = ["nothing was", "nothing happened", "surely"]
            .iter()
            .any(|words| row.says.contains(words));
        assert!(!says_nothing || row.acted == Acted::No, "{}", row.name);
    }
    let acted = |code: Code| code.group().row().acted;
    assert_eq!(acted(Code::OutcomeUnknown), Acted::Perhaps);
    assert_eq!(acted(Code::Pending), Acted::Perhaps);
    assert_eq!(acted(Code::Panic), Acted::Perhaps);
    assert_eq!(acted(Code::Network), Acted::No);
    assert_eq!(Code::NotGenuine.group(), Group::NoWebhook);
}

#[test]
fn the_header_has_the_table() {
    let header = text("include/vpmeter.h");
    let lines: Vec<&str> = header.lines().collect();
    let first = lines.iter().position(|l| l.contains("VP_OK: the step"));
    let first = first.expect("the first row of the table");
    for (row, line) in GROUPS.iter().zip(&lines[first..]) {
        let mut numbers = row.first.to_string();
        if row.last != row.first {
            numbers = format!("{} .. {}", row.first, row.last);
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let expected = format!("* {numbers} {}: {}", row.name, row.says);
        assert_eq!(words.join(" "), expected);
    }
    assert_eq!(lines[first + GROUPS.len()], " *", "no row is left over");
    for code in Code::ALL.iter().filter(|c| c.number() < 0) {
        let row = code.group().row();
        let heading = format!(
            "/* ---- {} .. {}: {}: {} ---- */",
            row.first, row.last, row.name, row.says
        );
        let heading = header.find(&heading).unwrap_or_else(|| panic!("{heading}"));
        let define = format!("#define {} ({})", code.name(), code.number());
        let define = header.find(&define).unwrap_or_else(|| panic!("{define}"));
        let between = &header[heading + 5..define];
        assert!(!between.contains("/* ---- "), "{}", code.name());
    }
}

#[test]
fn the_readme_has_the_table() {
    let readme = text("README.md");
    let rows: Vec<[String; 3]> = readme
        .lines()
        .skip_while(|l| *l != "| Code | Group | What to do |")
        .skip(2)
        .take_while(|l| l.starts_with('|'))
        .map(|l| {
            let cells: Vec<&str> = l.split('|').map(str::trim).collect();
            [1, 2, 3].map(|i| cells[i].to_string())
        })
        .collect();
    assert_eq!(rows.len(), GROUPS.len());
    for (
        Row {
            first,
            last,
            name,
            says,
            ..
        },
        [numbers, group, what],
    ) in GROUPS.iter().zip(&rows)
    {
        let expected = match first == last {
            true => first.to_string(),
            false => format!("{first} … {last}"),
        };
        assert_eq!(*numbers, expected);
        assert_eq!(group.trim_matches(['*', '`']), *name);
        let rest = what
            .strip_prefix(says)
            .unwrap_or_else(|| panic!("{what}: not {says}"));
        assert!(
            rest.is_empty() || rest.starts_with([';', ':', ',']),
            "{what}"
        );
    }
}

/// `group_of` of C++, read as what it is: a chain of `code >= last ? Group::word`.
#[test]
fn cpp_has_the_table() {
    let header = text("include/vpmeter.hpp");
    let body = header
        .split("inline Group group_of")
        .nth(1)
        .expect("group_of");
    let body = body.split('}').next().expect("its end");
    let body: String = body.split_whitespace().collect();
    let mut expected = String::from("(std::int32_tcode)noexcept{returncode>VP_OK?Group::pending");
    for row in GROUPS.iter().filter(|row| row.group != Group::Pending) {
        expected.push_str(&format!(":code>={}?Group::{}", row.last, row.word));
    }
    expected.push_str(":Group::outcome_unknown;");
    assert_eq!(body, expected);
    let words: Vec<&str> = GROUPS.iter().map(|row| row.word).collect();
    let declared = header.split("enum class Group {").nth(1).expect("Group");
    let declared = declared.split('}').next().expect("its end").trim();
    assert_eq!(declared, words.join(", "));
}

/// Asked of Python itself, number by number.
#[test]
fn python_has_the_table() {
    let program = "import sys\n\
        sys.path.insert(0, sys.argv[1])\n\
        source = open(sys.argv[1] + '/vpmeter.py').read().split('# ---- The structs')[0]\n\
        names = {'__name__': 'groups'}\n\
        exec(source, names)\n\
        for number in sys.argv[2:]: print(names['group_of'](int(number)).name.lower())\n";
    let numbers: Vec<i32> = edges().collect();
    let ran = Command::new("python3")
        .arg("-c")
        .arg(program)
        .arg(root().join("python"))
        .args(numbers.iter().map(i32::to_string))
        .output()
        .expect("python3, which the tests need");
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    let said: Vec<&str> = said.lines().collect();
    assert_eq!(said.len(), numbers.len());
    for (number, word) in numbers.iter().zip(said) {
        assert_eq!(word, Group::of(*number).row().word, "{number}");
    }
}
