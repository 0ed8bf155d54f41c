//! `docs/proof.md`: each command writes its own section.

/// Puts a section that stands between two marks into a file, in place of an earlier one.
pub fn put(path: &str, begin: &str, end: &str, section: &str) -> std::io::Result<()> {
    let old = std::fs::read_to_string(path).unwrap_or_else(|_| "# Proof\n\n".into());
    let section = section.trim_end();
    let new = match (old.split_once(begin), old.split_once(end)) {
        (Some((before, _)), Some((_, after))) => format!("{before}{section}{after}"),
        _ => format!("{}\n\n{section}\n", old.trim_end()),
    };
    std::fs::write(path, new)
}
