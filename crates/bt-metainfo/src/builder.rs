use bt_bencoding::{Encoder, ListEncoder};

use crate::{Info, MetainfoError};

/// Writes a v1 info dictionary in canonical form.
///
/// Nothing is checked while building; [`build`](Self::build) checks the whole.
#[derive(Clone, Debug)]
pub struct InfoBuilder {
    name: String,
    piece_length: u32,
    content: Content,
    pieces: Vec<u8>,
    is_private: bool,
    source: Option<String>,
}

#[derive(Clone, Debug)]
enum Content {
    SingleFile { length: u64, attr: &'static str },
    Files(Vec<BuilderFile>),
}

#[derive(Clone, Debug)]
struct BuilderFile {
    path: Vec<String>,
    length: u64,
    attr: &'static str,
}

impl InfoBuilder {
    /// A torrent with no files yet. `piece_length` is in bytes.
    pub fn new(name: impl Into<String>, piece_length: u32) -> Self {
        Self {
            name: name.into(),
            piece_length,
            content: Content::Files(Vec::new()),
            pieces: Vec::new(),
            is_private: false,
            source: None,
        }
    }

    /// Makes it a torrent of one file, which has the torrent's name.
    #[must_use]
    pub fn single_file(mut self, length: u64) -> Self {
        self.content = Content::SingleFile { length, attr: "" };
        self
    }

    /// Adds a file to a torrent of many. The folder with the torrent's name is not part of `path`.
    #[must_use]
    pub fn file(self, path: impl IntoIterator<Item = impl Into<String>>, length: u64) -> Self {
        let path = path.into_iter().map(Into::into).collect();
        self.push(path, length, "")
    }

    /// Says that the file which was given last is a program (BEP 47).
    #[must_use]
    pub fn executable(mut self) -> Self {
        match &mut self.content {
            Content::SingleFile { attr, .. } => *attr = "x",
            Content::Files(files) => {
                if let Some(last) = files.last_mut() {
                    last.attr = "x";
                }
            }
        }
        self
    }

    /// Adds a pad file: `length` zeros (BEP 47).
    #[must_use]
    pub fn pad(self, length: u64) -> Self {
        self.push(vec![".pad".to_owned(), length.to_string()], length, "p")
    }

    /// The SHA-1 hashes of all pieces, in order.
    #[must_use]
    pub fn pieces(mut self, hashes: impl IntoIterator<Item = [u8; 20]>) -> Self {
        self.pieces = hashes.into_iter().flatten().collect();
        self
    }

    /// Makes the torrent private (BEP 27).
    #[must_use]
    pub fn private(mut self) -> Self {
        self.is_private = true;
        self
    }

    /// A mark that gives the same content another hash, for private trackers.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The dictionary's bytes, unchecked.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.pieces.len() + 256);
        Encoder::new(&mut out).dict(|info| {
            match &self.content {
                Content::SingleFile { length, attr } => {
                    if !attr.is_empty() {
                        info.bytes("attr", attr);
                    }
                    info.int("length", as_int(*length));
                }
                Content::Files(files) => {
                    info.list("files", |list| {
                        for file in files {
                            file.encode(list);
                        }
                    });
                }
            }
            info.bytes("name", &self.name);
            info.int("piece length", self.piece_length);
            info.bytes("pieces", &self.pieces);
            if self.is_private {
                info.int("private", 1);
            }
            if let Some(source) = &self.source {
                info.bytes("source", source);
            }
        });
        out
    }

    /// The torrent, checked.
    ///
    /// # Errors
    /// If what was given is no torrent: wrong number of pieces, no data, impossible lengths.
    pub fn build(&self) -> Result<Info, MetainfoError> {
        Info::from_bytes(&self.encode())
    }

    fn push(mut self, path: Vec<String>, length: u64, attr: &'static str) -> Self {
        let file = BuilderFile { path, length, attr };
        match &mut self.content {
            Content::Files(files) => files.push(file),
            Content::SingleFile { .. } => self.content = Content::Files(vec![file]),
        }
        self
    }
}

impl BuilderFile {
    fn encode(&self, list: &mut ListEncoder<'_>) {
        list.dict(|file| {
            if !self.attr.is_empty() {
                file.bytes("attr", self.attr);
            }
            file.int("length", as_int(self.length));
            file.list("path", |path| {
                for name in &self.path {
                    path.bytes(name);
                }
            });
        });
    }
}

/// Lengths beyond bencode's integers are refused by [`Info::from_bytes`] all the same.
fn as_int(length: u64) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// Writes a `.torrent` around an info dictionary.
#[derive(Clone, Debug)]
pub struct MetainfoBuilder {
    info: Vec<u8>,
    tiers: Vec<Vec<String>>,
    web_seeds: Vec<String>,
    comment: Option<String>,
    created_by: Option<String>,
    creation_date: Option<i64>,
}

impl MetainfoBuilder {
    /// `info` is bencoded, and written as it is: from [`InfoBuilder::encode`] or [`Info::raw`].
    pub fn new(info: impl Into<Vec<u8>>) -> Self {
        Self {
            info: info.into(),
            tiers: Vec::new(),
            web_seeds: Vec::new(),
            comment: None,
            created_by: None,
            creation_date: None,
        }
    }

    /// Adds a tier of trackers, to be tried after those before it (BEP 12).
    #[must_use]
    pub fn tier(mut self, urls: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.tiers.push(urls.into_iter().map(Into::into).collect());
        self
    }

    /// Adds a web seed (BEP 19).
    #[must_use]
    pub fn web_seed(mut self, url: impl Into<String>) -> Self {
        self.web_seeds.push(url.into());
        self
    }

    /// A text for the user.
    #[must_use]
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    /// The name of the program.
    #[must_use]
    pub fn created_by(mut self, program: impl Into<String>) -> Self {
        self.created_by = Some(program.into());
        self
    }

    /// In seconds since 1970.
    #[must_use]
    pub fn creation_date(mut self, date: i64) -> Self {
        self.creation_date = Some(date);
        self
    }

    /// The file's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.info.len() + 256);
        Encoder::new(&mut out).dict(|torrent| {
            let mut trackers = self.tiers.iter().flatten();
            if let Some(first) = trackers.next() {
                torrent.bytes("announce", first);
            }
            if trackers.next().is_some() {
                torrent.list("announce-list", |tiers| {
                    for tier in &self.tiers {
                        tiers.list(|urls| push_all(urls, tier));
                    }
                });
            }
            if let Some(comment) = &self.comment {
                torrent.bytes("comment", comment);
            }
            if let Some(program) = &self.created_by {
                torrent.bytes("created by", program);
            }
            if let Some(date) = self.creation_date {
                torrent.int("creation date", date);
            }
            torrent.raw("info", &self.info);
            if !self.web_seeds.is_empty() {
                torrent.list("url-list", |urls| push_all(urls, &self.web_seeds));
            }
        });
        out
    }
}

fn push_all(list: &mut ListEncoder<'_>, texts: &[String]) {
    for text in texts {
        list.bytes(text);
    }
}

#[cfg(test)]
mod tests {
    use bt_hash::sha1;

    use super::*;

    /// Made by libtorrent 2.0.8, v1 only, of files in canonical order; 2.1.1 writes the same.
    #[test]
    fn a_folder_as_libtorrent_writes_it() {
        let golden = [
            "d5:filesld6:lengthi0e4:pathl1:Aeed6:lengthi7e4:pathl1:a1:xeed6:lengthi5e4:pathl5:a.txte\
             ed4:attr1:x6:lengthi2e4:pathl6:run.sheed6:lengthi2e4:pathl5:ünïeee4:name4:name12:piece \
             lengthi16384e6:pieces20:"
                .as_bytes(),
            b"\xfc\x2a\xc8\xd5\x36\x8a\xbb\xcd\xc7\x23\xa5\x78\x82\x72\x09\xa0\x27\xbb\x31\x3c",
            b"7:privatei1e6:source3:SRCe",
        ];
        let info = InfoBuilder::new("name", 16_384)
            .file(["A"], 0)
            .file(["a", "x"], 7)
            .file(["a.txt"], 5)
            .file(["run.sh"], 2)
            .executable()
            .file(["ünï"], 2)
            .pieces([sha1(b"222222211111#!55")])
            .private()
            .source("SRC");
        assert_eq!(info.encode(), golden.concat());
        let executable = info.build().unwrap();
        let executable = executable.files().iter().map(|file| file.executable);
        assert!(executable.eq([false, false, false, true, false]));
    }

    #[test]
    fn a_program_as_libtorrent_writes_it() {
        let golden = [
            &b"d4:attr1:x6:lengthi2e4:name6:run.sh12:piece lengthi16384e6:pieces20:"[..],
            b"\x2d\x46\xbc\x44\x5f\xe5\xee\xf1\x12\x52\x28\xcc\xe2\x71\xca\x63\xa0\x2b\x24\x6d",
            b"e",
        ];
        let info = InfoBuilder::new("run.sh", 16_384).single_file(2);
        let info = info.executable().pieces([sha1(b"#!")]);
        assert_eq!(info.encode(), golden.concat());
        assert!(info.build().unwrap().files()[0].executable);
    }
}
