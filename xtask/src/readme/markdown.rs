use super::links;

/// Markdown that reads well outside rustdoc: hidden lines of examples left out, fences marked as
/// Rust, headings one level down, links to items only as their text.
pub(super) fn from_rustdoc(docs: &str) -> String {
    let mut out = String::new();
    let mut prose = String::new();
    let mut lines = docs.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.trim_start().strip_prefix("```") else {
            prose.push_str(&demoted(line));
            prose.push('\n');
            continue;
        };
        out.push_str(&links::flatten(&std::mem::take(&mut prose)));
        let is_rust = is_rust(info);
        let indent = &line[..line.len() - line.trim_start().len()];
        let info = if is_rust { "rust" } else { info };
        out.push_str(&format!("{indent}```{info}\n"));
        for line in lines.by_ref() {
            if let Some(line) = shown(line, is_rust) {
                out.push_str(line);
                out.push('\n');
            }
            if line.trim() == "```" {
                break;
            }
        }
    }
    out.push_str(&links::flatten(&prose));
    out
}

fn demoted(line: &str) -> String {
    if line.trim_start_matches('#').starts_with(' ') && line.starts_with('#') {
        format!("#{line}")
    } else {
        line.to_owned()
    }
}

/// Whether rustdoc would run a fence with these words as an example.
fn is_rust(info: &str) -> bool {
    let mut words = info.split(',').map(str::trim);
    words.all(|word| word.starts_with("edition") || RUST_WORDS.contains(&word))
}

/// What of an example's line rustdoc shows: not those that begin with `# `; `##` stands for `#`.
fn shown(line: &str, is_rust: bool) -> Option<&str> {
    let trimmed = line.trim_start();
    if !is_rust {
        Some(line)
    } else if trimmed == "#" || trimmed.starts_with("# ") {
        None
    } else if trimmed.starts_with("##") {
        Some(&trimmed[1..])
    } else {
        Some(line)
    }
}

const RUST_WORDS: &[&str] = &[
    "",
    "rust",
    "no_run",
    "ignore",
    "should_panic",
    "compile_fail",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_lose_their_hidden_lines() {
        let docs = "```\n# use x;\nlet a = [`b`];\n#\n#[attr]\n## c\n# Ok::<(), E>(())\n```\n";
        let expected = "```rust\nlet a = [`b`];\n#[attr]\n# c\n```\n";
        assert_eq!(from_rustdoc(docs), expected);
    }

    #[test]
    fn fences_are_marked_as_rust_only_if_they_are() {
        assert_eq!(from_rustdoc("```no_run,edition2024\n```"), "```rust\n```\n");
        let shell = "```console\n# as root\n```\n";
        assert_eq!(from_rustdoc(shell), shell);
    }

    #[test]
    fn headings_go_one_level_down() {
        assert_eq!(
            from_rustdoc("# BEPs\n\n#3 is no heading"),
            "## BEPs\n\n#3 is no heading\n"
        );
    }
}
