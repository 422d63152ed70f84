//! The manual, made of the same texts as `--help`.

use clap::Command;
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

/// One page of the manual, in roff.
pub(crate) struct Page {
    pub(crate) file_name: String,
    pub(crate) text: Vec<u8>,
}

/// The page of a command, and then one for each of its verbs.
pub(crate) fn pages(command: Command) -> Vec<Page> {
    let source = format!("bt {}", command.get_version().unwrap_or_default());
    let mut command = command
        .disable_help_subcommand(true)
        .subcommand_value_name("verb")
        .subcommand_help_heading("VERBS");
    command.build();
    let verbs: Vec<_> = command.get_subcommands().cloned().collect();
    let titles = verbs.iter().map(title);
    let mut pages = vec![page(&command, &source, titles.collect())];
    let main = title(&command);
    pages.extend(
        verbs
            .iter()
            .map(|verb| page(verb, &source, vec![main.clone()])),
    );
    pages
}

fn page(command: &Command, source: &str, see_also: Vec<String>) -> Page {
    // Options that `-h` leaves out belong here.
    let whole = command.clone().mut_args(|arg| arg.hide_short_help(false));
    let man = Man::new(whole).source(source).manual("User Commands");
    let mut text = Vec::new();
    let written = write(&man, command, &see_also, &mut text);
    debug_assert!(written.is_ok(), "writing to memory does not fail");
    Page {
        file_name: man.get_filename(),
        text,
    }
}

fn write(
    man: &Man,
    command: &Command,
    see_also: &[String],
    text: &mut Vec<u8>,
) -> std::io::Result<()> {
    man.render_title(text)?;
    man.render_name_section(text)?;
    man.render_synopsis_section(text)?;
    man.render_description_section(text)?;
    man.render_options_section(text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(text)?;
    }
    let help = command.get_after_long_help();
    if let Some(help) = help.or_else(|| command.get_after_help()) {
        sections(&help.to_string()).to_writer(text)?;
    }
    let mut last = Roff::new();
    last.control("SH", ["SEE ALSO"]);
    for (position, title) in see_also.iter().enumerate() {
        let comma = if position + 1 < see_also.len() {
            ","
        } else {
            ""
        };
        last.text([bold(title.as_str()), roman(format!("(1){comma}"))]);
    }
    last.to_writer(text)
}

/// What follows the options in `--help`: headings that end in a colon, indented lines that stay as
/// they are, and paragraphs.
fn sections(help: &str) -> Roff {
    let mut roff = Roff::new();
    let mut is_literal = false;
    let mut lines = help.lines().peekable();
    while let Some(line) = lines.next() {
        let is_indented = line.starts_with("  ");
        if is_literal != is_indented {
            roff.control(if is_indented { "nf" } else { "fi" }, []);
            is_literal = is_indented;
        }
        let begins_block = lines.peek().is_some_and(|next| next.starts_with("  "));
        match line.strip_suffix(':') {
            Some(heading) if !is_indented && begins_block => {
                roff.control("SH", [heading.to_uppercase().as_str()]);
            }
            _ if line.is_empty() => {
                roff.control("PP", []);
            }
            _ => {
                roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
            }
        }
    }
    if is_literal {
        roff.control("fi", []);
    }
    roff
}

/// `bt` or `bt-get`.
fn title(command: &Command) -> String {
    let name = command.get_display_name();
    name.unwrap_or_else(|| command.get_name()).to_owned()
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        process::{Command as Process, Stdio},
    };

    use super::*;

    #[test]
    fn there_is_a_page_for_each_verb() {
        let bt = crate::command();
        let pages = pages(crate::command());
        let names: Vec<_> = pages.iter().map(|page| page.file_name.as_str()).collect();
        assert_eq!(names[0], "bt.1");
        for verb in bt.get_subcommands() {
            let name = format!("bt-{}.1", verb.get_name());
            assert!(names.contains(&name.as_str()), "{name}");
        }
    }

    #[test]
    fn every_option_is_explained() {
        let pages = pages(crate::command());
        let get = pages.iter().find(|page| page.file_name == "bt-get.1");
        let get = String::from_utf8_lossy(&get.unwrap().text);
        let lines: Vec<_> = get.lines().collect();
        for (at, _) in lines.iter().enumerate().filter(|(_, line)| **line == ".TP") {
            let (option, help) = (lines[at + 1], lines[at + 2]);
            assert!(help.starts_with(char::is_uppercase), "{option}: {help}");
        }
        assert!(get.contains("announce\\-interval"));
    }

    #[test]
    fn headings_and_literal_lines() {
        let help = "A paragraph:\nmore of it.\n\nExamples:\n  bt x\n  -y\nA last one.";
        let roff = sections(help).to_roff();
        let lines: Vec<_> = roff.lines().collect();
        let expected = [
            "A paragraph:",
            "more of it.",
            ".PP",
            ".SH EXAMPLES",
            ".nf",
            "bt x",
            "\\-y",
            ".fi",
            "A last one.",
        ];
        assert_eq!(lines, expected);
    }

    /// On machines that have the program.
    #[test]
    fn groff_has_nothing_to_say() {
        for page in pages(crate::command()) {
            let groff = Process::new("groff")
                .args(["-man", "-ww", "-z", "-Tutf8", "-Kutf8"])
                .stdin(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn();
            let Ok(mut groff) = groff else { return };
            groff.stdin.take().unwrap().write_all(&page.text).unwrap();
            let checked = groff.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&checked.stderr);
            assert!(
                checked.status.success() && said.is_empty(),
                "{}: {said}",
                page.file_name
            );
        }
    }
}
