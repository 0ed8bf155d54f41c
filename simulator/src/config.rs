//! A configuration file in TOML: the options of the command line by their names, switches and fault rules as tables.

use std::ffi::OsString;
use std::fs;
use std::ops::Range;
use std::path::Path;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::cli::{self, FLAGS, Options};
use crate::faults::NewRule;

/// Paths in the file are relative to it, so that it can be moved together with what it names.
const PATHS: [&str; 4] = ["ca-out", "faults", "record", "webhook-ca-file"];

/// On a mistake: the file, the line, the key, and what is wrong.
pub fn read(path: &Path) -> Result<Options, String> {
    let name = path.display();
    let bytes = fs::read(path).map_err(|error| format!("{name}: cannot be read: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("{name}: is not UTF-8"))?;
    let base = path.parent().unwrap_or(Path::new(""));
    parse(&text, base).map_err(|Mistake { at, reason }| {
        let line = 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        format!("{name}:{line}: {reason}")
    })
}

struct Mistake {
    at: usize,
    reason: String,
}

fn wrong<T>(span: Range<usize>, reason: impl Into<String>) -> Result<T, Mistake> {
    Err(Mistake { at: span.start, reason: reason.into() })
}

fn parse(text: &str, base: &Path) -> Result<Options, Mistake> {
    let table = match DeTable::parse(text) {
        Ok(table) => table.into_inner(),
        Err(error) => return wrong(error.span().unwrap_or(0..0), error.message().replace('\n', ", ")),
    };
    // As they are written, but for the preset: it sets every switch, and single ones win over it.
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| (key.get_ref() != "preset", key.span().start));
    let mut options = Options::default();
    for (key, value) in entries {
        entry(&mut options, key.get_ref(), key.span(), value, base)?;
    }
    Ok(options)
}

fn entry(
    options: &mut Options,
    key: &str,
    span: Range<usize>,
    value: &Spanned<DeValue>,
    base: &Path,
) -> Result<(), Mistake> {
    match (key, value.get_ref()) {
        ("switches", DeValue::Table(table)) => {
            for (name, value) in table {
                let Some(text) = scalar(value.get_ref()) else {
                    return wrong(value.span(), format!("switches.{}: must be a string", name.get_ref()));
                };
                let set = options.settings.switches.set(name.get_ref(), &text);
                set.or_else(|reason| wrong(name.span(), format!("switches.{}: {reason}", name.get_ref())))?;
            }
            Ok(())
        }
        ("fault", DeValue::Array(rules)) => {
            for (index, rule) in rules.iter().enumerate() {
                let parsed = json(rule).and_then(|rule| NewRule::parse(&rule).map_err(|bad| bad.to_string()));
                match parsed {
                    Ok(rule) => options.settings.faults.push(rule),
                    Err(reason) => return wrong(rule.span(), format!("fault {}: {reason}", index + 1)),
                }
            }
            Ok(())
        }
        ("switches", _) => wrong(span, "switches: must be a table, [switches]"),
        ("fault", _) => wrong(span, "fault: must be a list of tables, [[fault]]"),
        (flag, DeValue::Boolean(on)) if FLAGS.contains(&flag) => {
            if *on {
                cli::apply(options, flag, None).or_else(|reason| wrong(span, reason))
            } else {
                Ok(())
            }
        }
        (flag, _) if FLAGS.contains(&flag) => wrong(value.span(), format!("{flag}: must be true or false")),
        ("config" | "switch", _) => wrong(span, format!("{key}: cannot be in a file")),
        (name, value) if cli::takes_value(name) => match scalar(value) {
            None => wrong(span, format!("{name}: must be a string or a number")),
            Some(text) => {
                let text: OsString = match PATHS.contains(&name) {
                    true => base.join(text).into(),
                    false => text.into(),
                };
                cli::apply(options, name, Some(text)).or_else(|reason| wrong(span, reason))
            }
        },
        (name, _) => wrong(span, format!("{name}: there is no such option")),
    }
}

/// As it would be written on the command line.
fn scalar(value: &DeValue) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// Fault rules are JSON everywhere else.
fn json(value: &Spanned<DeValue>) -> Result<Value, String> {
    Ok(match value.get_ref() {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Boolean(flag) => Value::from(*flag),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::from(number),
            Err(_) => return Err(format!("{} is out of range", number.as_str())),
        },
        DeValue::Float(number) => number.as_str().parse::<f64>().map(Value::from).map_err(|error| error.to_string())?,
        DeValue::Array(items) => items.iter().map(json).collect::<Result<Value, _>>()?,
        DeValue::Table(table) => {
            let pairs = table.iter().map(|(key, value)| Ok((key.get_ref().to_string(), json(value)?)));
            Value::Object(pairs.collect::<Result<_, String>>()?)
        }
        DeValue::Datetime(_) => return Err("a rule has no dates".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::switches::Switch;

    fn refused(text: &str) -> String {
        let dir = crate::temp::TempDir::new().expect("a directory");
        let path = dir.path().join("simulator.toml");
        fs::write(&path, text).expect("written");
        let reason = read(&path).expect_err("a mistake");
        reason.strip_prefix(&format!("{}:", path.display())).expect("the file").to_owned()
    }

    #[test]
    fn a_whole_file() {
        let text = r#"
            # A bench.
            port = 4_011
            tls = true
            verbose = false
            msn = "654321"
            client-secret = "of this bench"
            speed = 60
            passenger = "approve-after=5s"
            rate-limits = "off"
            preset = "other"
            faults = "rules.json"
            [switches]
            profile = "object"
            domain-status = 422
            [[fault]]
            operation = "capture"
            action = "reset_after"
            nth = 2
        "#;
        let dir = crate::temp::TempDir::new().expect("a directory");
        let path = dir.path().join("simulator.toml");
        fs::write(&path, text).expect("written");
        fs::write(dir.path().join("rules.json"), r#"{"operation": "get", "action": "refuse"}"#).expect("written");
        let settings = read(&path).expect("a good file").settings;
        assert_eq!((settings.port, settings.tls, settings.verbose, settings.speed), (4011, true, false, 60));
        assert_eq!((settings.credentials.msn.as_str(), settings.faults.len()), ("654321", 2));
        assert!(settings.switches.is(Switch::TokenNumbers, "numbers"));
        assert!(settings.switches.is(Switch::Profile, "object"));
        assert!(settings.switches.is(Switch::DomainStatus, "422"));
        assert!(settings.switches.is(Switch::RateLimits, "off"));
    }

    #[test]
    fn mistakes_are_told_with_their_line_and_key() {
        for (text, expected) in [
            ("port = 4010\nmsn = 123456\nprot = 1\n", "3: prot: there is no such option"),
            ("\nport = \"x\"", "2: --port: must be a number"),
            ("tls = \"yes\"", "1: tls: must be true or false"),
            ("\n\ntls = ", "3: "),
            ("port = 1\nport = 2", "2: duplicate key"),
            ("[switches]\n\nprofile = \"x\"", "3: switches.profile: switch profile takes"),
            ("[switches]\nno-such = \"x\"", "2: switches.no-such: no switch"),
            ("switches = 1", "1: switches: must be a table"),
            ("[[fault]]\noperation = \"get\"\naction = \"refuse\"\n[[fault]]\noperation = \"get\"", "4: fault 2: "),
            ("fault = \"x\"", "1: fault: must be a list"),
            ("speed = 0", "1: --speed: must be"),
            ("speed = 0x10", "1: speed: must be"),
            ("passenger = [1]", "1: passenger: must be a string"),
            ("config = \"other.toml\"", "1: config: cannot be in a file"),
            ("preset = \"odd\"", "1: --preset: no preset"),
            ("faults = \"none.json\"", "1: --faults: "),
        ] {
            let reason = refused(text);
            assert!(reason.starts_with(expected), "{text:?}: {reason}");
        }
    }
}
