use std::path::Path;

use bt_metainfo::Metainfo;

use self::{
    people::write_for_people,
    shown::{NotShown, Shown},
};
use crate::{
    arguments::Show,
    exit::Failure,
    json, logging,
    stdout::{self, Reader},
    torrent_file,
};

mod date;
mod people;
mod shown;
mod tree;

pub(crate) fn run(show: &Show) -> Result<(), Failure> {
    let mut first_failure = Ok(());
    for (position, source) in show.sources.iter().enumerate() {
        let torrent = torrent_file::read(source);
        let reader = match &torrent {
            Ok(metainfo) if show.json => {
                stdout::print(|out| json::write(out, &Shown::of(source, metainfo)))?
            }
            Ok(metainfo) => {
                let heading = (show.sources.len() > 1).then_some(position);
                print_for_people(source, metainfo, heading)?
            }
            Err(failure) if show.json => {
                stdout::print(|out| json::write(out, &NotShown::of(source, failure)))?
            }
            Err(_) => Reader::Reads,
        };
        if let Err(failure) = torrent {
            logging::complain(&failure);
            first_failure = first_failure.and(Err(Failure::told(failure.exit)));
        }
        if reader == Reader::Left {
            break;
        }
    }
    first_failure
}

/// With a heading, as `head` has, if it is one of several: at this position.
fn print_for_people(
    source: &Path,
    metainfo: &Metainfo,
    heading: Option<usize>,
) -> Result<Reader, Failure> {
    stdout::print(|out| {
        if let Some(position) = heading {
            let gap = if position > 0 { "\n" } else { "" };
            writeln!(out, "{gap}==> {} <==", torrent_file::shown(source))?;
        }
        write_for_people(&Shown::of(source, metainfo), out)
    })
}
