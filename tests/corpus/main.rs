//! Writes what is made of the corpus: the page for people and the seeds of the fuzz target.
//!
//! `cargo xtask corpus` runs it. `corpus FOLDER` writes every torrent there, and beside each a folder
//! with its data, to be tried with other clients.
#![allow(
    clippy::print_stderr,
    reason = "a command-line tool talks to a terminal"
)]

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use bt_tests::corpus::{MAX_SEED_LENGTH, Torrent, samples, table};

fn main() -> ExitCode {
    let result = match env::args_os().nth(1) {
        Some(folder) => write_all(Path::new(&folder)),
        None => write_page_and_seeds(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write_page_and_seeds() -> io::Result<()> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    fs::write(root.join("docs/corpus.md"), table())?;
    let seeds = root.join("fuzz/corpus/metainfo_parse");
    for sample in samples() {
        let torrent = sample.make();
        if torrent.bytes.len() <= MAX_SEED_LENGTH {
            let name = format!("{}.torrent", sample.file_stem());
            fs::write(seeds.join(name), torrent.bytes)?;
        }
    }
    Ok(())
}

fn write_all(folder: &Path) -> io::Result<()> {
    for sample in samples() {
        let torrent = sample.make();
        fs::create_dir_all(folder)?;
        let name = sample.file_stem();
        fs::write(folder.join(format!("{name}.torrent")), &torrent.bytes)?;
        write_data(&torrent, &folder.join(name))?;
    }
    Ok(())
}

fn write_data(torrent: &Torrent, folder: &Path) -> io::Result<()> {
    for file in &torrent.data {
        let path = folder.join(&file.path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, &file.bytes)?;
    }
    Ok(())
}
