use std::collections::BTreeSet;

/// Replaces links to items by their text; links to addresses stay.
pub(super) fn flatten(prose: &str) -> String {
    let (prose, kept) = without_item_references(prose);
    let mut out = String::new();
    let mut rest = prose.as_str();
    while let Some(at) = rest.find(['`', '[']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(length) = code_span(rest) {
            out.push_str(&rest[..length]);
            rest = &rest[length..];
        } else if let Some(link) = Link::parse(rest) {
            out.push_str(link.text(&kept));
            rest = &rest[link.whole.len()..];
        } else {
            out.push_str(&rest[..1]);
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out
}

/// `[label]`, `[label](target)` or `[label][reference]`.
struct Link<'a> {
    whole: &'a str,
    label: &'a str,
    target: Target<'a>,
}

enum Target<'a> {
    None,
    Inline(&'a str),
    Reference(&'a str),
}

impl<'a> Link<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let label = enclosed(text, '[', ']')?;
        let after = &text[label.len() + 2..];
        let (target, length) = if let Some(target) = enclosed(after, '(', ')') {
            (Target::Inline(target), target.len() + 2)
        } else if let Some(reference) = enclosed(after, '[', ']') {
            (Target::Reference(reference), reference.len() + 2)
        } else {
            (Target::None, 0)
        };
        Some(Self {
            whole: &text[..label.len() + 2 + length],
            label,
            target,
        })
    }

    /// What to print, knowing which references are addresses.
    fn text(&self, addresses: &BTreeSet<String>) -> &'a str {
        let is_item = match self.target {
            Target::Inline(target) => !is_address(target),
            Target::Reference("") => !addresses.contains(self.label),
            Target::Reference(reference) => !addresses.contains(reference),
            Target::None => {
                let is_code = code_span(self.label) == Some(self.label.len());
                is_code && !addresses.contains(self.label)
            }
        };
        if is_item { self.label } else { self.whole }
    }
}

/// Leaves out lines such as ``[`Foo`]: crate::Foo``; gives the names of references that stay.
fn without_item_references(prose: &str) -> (String, BTreeSet<String>) {
    let mut out = String::new();
    let mut kept = BTreeSet::new();
    for line in prose.split_inclusive('\n') {
        let definition = enclosed(line, '[', ']')
            .and_then(|label| Some((label, line[label.len() + 2..].strip_prefix(':')?)));
        match definition {
            Some((_, target)) if !is_address(target.trim()) => continue,
            Some((label, _)) => drop(kept.insert(label.to_owned())),
            None => {}
        }
        out.push_str(line);
    }
    (out, kept)
}

/// What stands between `open` at the very start and its `close`; code spans are skipped.
fn enclosed(text: &str, open: char, close: char) -> Option<&str> {
    let inner = text.strip_prefix(open)?;
    let (mut depth, mut at) = (1, 0);
    while let Some(c) = inner[at..].chars().next() {
        if let Some(length) = code_span(&inner[at..]) {
            at += length;
            continue;
        }
        depth += u32::from(c == open);
        depth -= u32::from(c == close);
        if depth == 0 {
            return Some(&inner[..at]);
        }
        at += c.len_utf8();
    }
    None
}

/// The length of the code span with which `text` begins: as many backticks at its end as at its
/// start.
fn code_span(text: &str) -> Option<usize> {
    let ticks = text.len() - text.trim_start_matches('`').len();
    if ticks == 0 {
        return None;
    }
    let mut at = ticks;
    loop {
        at += text[at..].find('`')?;
        let run = text[at..].len() - text[at..].trim_start_matches('`').len();
        at += run;
        if run == ticks {
            return Some(at);
        }
    }
}

fn is_address(target: &str) -> bool {
    target.contains("://") || target.starts_with('#') || target.contains(".md")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(docs: &str, expected: &str) {
        assert_eq!(flatten(docs), expected);
    }

    #[test]
    fn links_to_items_become_their_text() {
        check(
            "call [`Decoder::decode`] first",
            "call `Decoder::decode` first",
        );
        check("[`announce`](Self::announce) and", "`announce` and");
        check("a [piece\nlayout](crate::PieceLayout)", "a piece\nlayout");
        check("[the decoder][Decoder], [`x`][]", "the decoder, `x`");
        check("[`Foo`] is\n\n[`Foo`]: crate::Foo\n", "`Foo` is\n\n");
    }

    #[test]
    fn links_to_addresses_stay() {
        for text in [
            "[BEP 3](https://www.bittorrent.org/beps/bep_0003.html)",
            "see [BEP 3]\n\n[BEP 3]: https://www.bittorrent.org/\n",
            "[below](#beps) and [x][BEP 3]\n\n[BEP 3]: https://www.bittorrent.org/\n",
        ] {
            check(text, text);
        }
    }

    #[test]
    fn brackets_that_are_no_links_stay() {
        for text in [
            "`a[0](b)` and ``[`x`]``",
            "one [of them] and a[1",
            "`open [x](y)",
        ] {
            let expected = text.replace("[x](y)", "x");
            check(text, &expected);
        }
    }
}
