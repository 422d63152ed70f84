use std::{fs, io, path::Path};

use crate::{
    arguments::Man,
    exit::{Exit, Failure},
    format::{printable, reason},
    logging,
    manual::{Page, pages},
    stdout,
};

pub(crate) fn run(man: &Man, quiet: bool) -> Result<(), Failure> {
    let pages = pages(crate::command());
    let Some(folder) = &man.folder else {
        stdout::print(|out| {
            // The first is that of bt itself.
            pages
                .iter()
                .take(1)
                .try_for_each(|page| out.write_all(&page.text))
        })?;
        return Ok(());
    };
    let shown = printable(&folder.to_string_lossy());
    write_all(&pages, folder).map_err(|error| {
        let message = format!("cannot write the manual to {shown}: {}", reason(&error));
        Failure::new(Exit::Disk, message)
    })?;
    if !quiet {
        logging::tell(&format!("{} pages written to {shown}", pages.len()));
    }
    Ok(())
}

fn write_all(pages: &[Page], folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    pages
        .iter()
        .try_for_each(|page| fs::write(folder.join(&page.file_name), &page.text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let man = Man {
            folder: Some(folder.path().join("share/man1")),
        };
        run(&man, true).unwrap();
        let written = fs::read(folder.path().join("share/man1/bt-get.1")).unwrap();
        assert!(written.starts_with(b".") && written.len() > 1000);
    }

    #[test]
    fn a_file_is_no_folder() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let man = Man {
            folder: Some(file.path().to_owned()),
        };
        assert_eq!(run(&man, true).unwrap_err().exit, Exit::Disk);
    }
}
