use std::{
    io::{self, Write},
    path::Path,
};

use bt_metainfo::Metainfo;

use self::{
    link::ShownLink,
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
mod fetch;
mod link;
mod people;
mod shown;
mod tree;

pub(crate) fn run(show: &Show, quiet: bool) -> Result<(), Failure> {
    let mut first_failure = Ok(());
    for (position, source) in show.sources.iter().enumerate() {
        let heading = (show.sources.len() > 1).then_some(position);
        let said = Said::read(show, source, quiet);
        let reader = match &said {
            Ok(said) if show.json => stdout::print(|out| said.write_json(source, out))?,
            Ok(said) => print_for_people(source, said, heading)?,
            Err(failure) if show.json => {
                stdout::print(|out| json::write(out, &NotShown::of(source, failure)))?
            }
            Err(_) => Reader::Reads,
        };
        if let Err(failure) = said {
            logging::complain(&failure);
            first_failure = first_failure.and(Err(Failure::told(failure.exit)));
        }
        if reader == Reader::Left {
            break;
        }
    }
    first_failure
}

/// What there is to show of a source.
enum Said {
    Torrent(Box<Metainfo>),
    Link(Box<ShownLink>),
}

impl Said {
    fn read(show: &Show, source: &Path, quiet: bool) -> Result<Self, Failure> {
        let metainfo = if !torrent_file::is_magnet(source) {
            torrent_file::read(source)?
        } else {
            let link = torrent_file::read_link(source)?;
            if show.offline {
                return Ok(Self::Link(Box::new(ShownLink::of(source, link))));
            }
            fetch::fetch(show, &link, quiet)?
        };
        Ok(Self::Torrent(Box::new(metainfo)))
    }

    fn write_json(&self, source: &Path, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Torrent(metainfo) => json::write(out, &Shown::of(source, metainfo)),
            Self::Link(link) => json::write(out, link),
        }
    }

    fn write_for_people(&self, source: &Path, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Torrent(metainfo) => write_for_people(&Shown::of(source, metainfo), out),
            Self::Link(link) => link.write_for_people(out),
        }
    }
}

/// With a heading, as `head` has, if it is one of several: at this position.
fn print_for_people(source: &Path, said: &Said, heading: Option<usize>) -> Result<Reader, Failure> {
    stdout::print(|out| {
        if let Some(position) = heading {
            let gap = if position > 0 { "\n" } else { "" };
            writeln!(out, "{gap}==> {} <==", torrent_file::shown(source))?;
        }
        said.write_for_people(source, out)
    })
}
