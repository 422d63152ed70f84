use std::io::{self, Write};

use super::shown::{ShownFile, ShownSymlink};
use crate::format::{bytes, printable};

/// Writes files, then links, in their order in the torrent; each folder is named when files of it
/// begin. Files have numbers, by which they can be chosen.
pub(super) fn write(
    files: &[ShownFile<'_>],
    links: &[ShownSymlink<'_>],
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut tree = Tree {
        out,
        folders: Vec::new(),
    };
    for file in files {
        let mark = match (file.executable, file.hidden) {
            (false, false) => "",
            (true, false) => " (executable)",
            (false, true) => " (hidden)",
            (true, true) => " (executable, hidden)",
        };
        tree.write(
            &file.number.to_string(),
            &bytes(file.length),
            file.path,
            mark,
        )?;
    }
    for link in links {
        tree.write(
            "",
            "",
            link.path,
            &format!(" -> {}", printable(link.target)),
        )?;
    }
    Ok(())
}

struct Tree<'a, W: ?Sized> {
    out: &'a mut W,
    /// Those around the file that was written last, from the outermost.
    folders: Vec<&'a str>,
}

impl<'a, W: Write + ?Sized> Tree<'a, W> {
    fn write(&mut self, number: &str, size: &str, path: &'a str, mark: &str) -> io::Result<()> {
        let (around, name) = path.rsplit_once('/').unwrap_or(("", path));
        let around = around.split('/').filter(|folder| !folder.is_empty());
        let mut depth = 0;
        for folder in around {
            if self.folders.get(depth) != Some(&folder) {
                self.folders.truncate(depth);
                self.folders.push(folder);
                self.line("", "", depth, &format!("{}/", printable(folder)))?;
            }
            depth += 1;
        }
        self.folders.truncate(depth);
        self.line(number, size, depth, &format!("{}{mark}", printable(name)))
    }

    fn line(&mut self, number: &str, size: &str, depth: usize, text: &str) -> io::Result<()> {
        writeln!(
            self.out,
            "{number:>4} {size:>10}  {:indent$}{text}",
            "",
            indent = 2 * depth
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[ShownFile<'_>], links: &[ShownSymlink<'_>], expected: &str) {
        let mut out = Vec::new();
        write(files, links, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn folders_are_named_when_they_begin() {
        let paths = ["t/a", "t/x/y/b", "t/x/c", "t/x/y/d", "t/e", "f"];
        check(
            &[1, 2, 3, 4, 5, 6].map(|number| ShownFile::plain(number, paths[number - 1], 1)),
            &[],
            "                 t/
   1        1 B    a
                   x/
                     y/
   2        1 B        b
   3        1 B      c
                     y/
   4        1 B        d
   5        1 B    e
   6        1 B  f
",
        );
    }

    #[test]
    fn what_is_special_is_said() {
        let executable = ShownFile {
            executable: true,
            ..ShownFile::plain(1, "t/run", 2048)
        };
        let hidden = ShownFile {
            hidden: true,
            ..ShownFile::plain(12_345, "t/.rc", 0)
        };
        let link = ShownSymlink {
            path: "t/link",
            target: "t/run",
        };
        check(
            &[executable, hidden],
            &[link],
            "                 t/
   1    2.0 KiB    run (executable)
12345        0 B    .rc (hidden)
                   link -> t/run
",
        );
    }
}
