use bt_hash::sha1;

use super::content::{Ben, DataFile, Entries, Torrent, content, dict, int, list, text, texts};

/// A v1 torrent that is right unless it is told not to be.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// As `bt` writes it.
    name: String,
    piece_length: usize,
    files: Vec<DraftFile>,
    is_single: bool,
    info: Entries,
    root: Entries,
    /// Keys of the info dictionary that are left out.
    without: Vec<&'static str>,
    is_reversed: bool,
}

#[derive(Clone, Debug)]
struct DraftFile {
    entries: Entries,
    /// Where `bt` writes it, below the torrent's folder; `None` for what it does not write.
    path: Option<String>,
    bytes: Vec<u8>,
}

impl Draft {
    /// A folder `t`, still empty; pieces of 16 KiB.
    pub(super) fn folder() -> Self {
        let new = Self {
            name: "t".to_owned(),
            piece_length: 16_384,
            files: Vec::new(),
            is_single: false,
            info: Entries::new(),
            root: Entries::new(),
            without: Vec::new(),
            is_reversed: false,
        };
        new.info("name", text("t"))
    }

    /// A file `t`.
    pub(super) fn single(length: usize) -> Self {
        let mut new = Self::folder();
        new.files.push(DraftFile {
            entries: Entries::new(),
            path: None,
            bytes: content(0, length),
        });
        new.is_single = true;
        new
    }

    /// The torrent's name, and what `bt` makes of it.
    pub(super) fn named(mut self, name: impl AsRef<[u8]>, written: &str) -> Self {
        written.clone_into(&mut self.name);
        self.info("name", text(name))
    }

    pub(super) fn piece_length(mut self, length: usize) -> Self {
        self.piece_length = length;
        self
    }

    /// A file that is written where the torrent says.
    pub(super) fn file(self, path: &str, length: usize) -> Self {
        let names: Vec<_> = path.split('/').collect();
        self.odd_file(&names, path, length)
    }

    /// A file that is written elsewhere.
    pub(super) fn odd_file<N: AsRef<[u8]>>(
        mut self,
        names: &[N],
        written: &str,
        length: usize,
    ) -> Self {
        let bytes = content(self.files.len(), length);
        self.push(texts(names), Some(written.to_owned()), bytes);
        self
    }

    /// `length` zeros that are written nowhere (BEP 47).
    pub(super) fn pad(self, length: usize) -> Self {
        self.pad_named(&[".pad", &length.to_string()], length)
            .attr("p")
    }

    /// The same by a name, without the attribute.
    pub(super) fn pad_named(mut self, names: &[&str], length: usize) -> Self {
        self.push(texts(names), None, vec![0; length]);
        self
    }

    /// A link that leads to something in the torrent. `bt` does not make it.
    pub(super) fn link(mut self, path: &str, target: &[&str]) -> Self {
        self.push(texts(path.split('/')), None, Vec::new());
        self.key("symlink path", texts(target)).attr("l")
    }

    /// A link that leads nowhere or outside: `bt` makes an empty file, here.
    pub(super) fn bad_link(mut self, path: &str, target: &[&str], written: &str) -> Self {
        self.push(texts(path.split('/')), Some(written.to_owned()), Vec::new());
        self.key("symlink path", texts(target)).attr("l")
    }

    fn push(&mut self, path: Ben, written: Option<String>, bytes: Vec<u8>) {
        let length = int(bytes.len() as i64);
        let entries = [("length", length), ("path", path)];
        self.files.push(DraftFile {
            entries: entries
                .map(|(key, value)| (key.into(), value))
                .into_iter()
                .collect(),
            path: written,
            bytes,
        });
    }

    /// The last file's attributes (BEP 47).
    pub(super) fn attr(self, letters: &str) -> Self {
        self.key("attr", text(letters))
    }

    /// An entry of the last file, instead of what is there.
    pub(super) fn key(mut self, key: &str, value: Ben) -> Self {
        let file = self.files.last_mut().expect("a file was added before");
        file.entries.insert(key.into(), value);
        self
    }

    /// Takes an entry of the last file away.
    pub(super) fn without_key(mut self, key: &str) -> Self {
        let file = self.files.last_mut().expect("a file was added before");
        file.entries.remove(key.as_bytes());
        self
    }

    /// An entry of the info dictionary, instead of what is there.
    pub(super) fn info(mut self, key: impl AsRef<[u8]>, value: Ben) -> Self {
        self.info.insert(key.as_ref().into(), value);
        self
    }

    pub(super) fn without(mut self, key: &'static str) -> Self {
        self.without.push(key);
        self
    }

    /// An entry beside the info dictionary.
    pub(super) fn root(mut self, key: impl AsRef<[u8]>, value: Ben) -> Self {
        self.root.insert(key.as_ref().into(), value);
        self
    }

    pub(super) fn without_root(mut self, key: &str) -> Self {
        self.root.remove(key.as_bytes());
        self
    }

    /// Every file that is no padding: its names as the torrent has them, and its content.
    pub(super) fn content_by_path(&self) -> impl Iterator<Item = (Vec<Vec<u8>>, &[u8])> {
        let name = || match self.info.get(&b"name"[..]) {
            Some(Ben::Bytes(name)) => vec![name.clone()],
            _ => Vec::new(),
        };
        let names = move |file: &DraftFile| match file.entries.get(&b"path"[..]) {
            Some(Ben::List(names)) => names.iter().map(Ben::bytes).collect(),
            _ => name(),
        };
        let files = self
            .files
            .iter()
            .filter(|file| file.path.is_some() || self.is_single);
        files.map(move |file| (names(file), file.bytes.as_slice()))
    }

    pub(super) fn piece_length_in_bytes(&self) -> usize {
        self.piece_length
    }

    /// The info dictionary's keys are in the wrong order, as are those of files.
    pub(super) fn reversed(mut self) -> Self {
        self.is_reversed = true;
        self
    }

    pub(super) fn torrent(&self) -> Torrent {
        let info = self.encode_info();
        let mut root = self.root.clone();
        let encoded = root
            .entry(b"info".to_vec())
            .or_insert_with(|| Ben::Raw(info));
        let info = match encoded {
            Ben::Raw(info) => info.clone(),
            _ => Vec::new(),
        };
        let data = self.files.iter().filter_map(|file| self.written(file));
        Torrent {
            bytes: dict(root).encode(),
            info,
            data: data.collect(),
        }
    }

    fn written(&self, file: &DraftFile) -> Option<DataFile> {
        let path = match &file.path {
            Some(path) => format!("{}/{path}", self.name),
            None if self.is_single => self.name.clone(),
            None => return None,
        };
        Some(DataFile {
            path,
            bytes: file.bytes.clone(),
        })
    }

    /// The info dictionary's bytes.
    pub(super) fn encode_info(&self) -> Vec<u8> {
        let order = |entries: Entries| {
            let mut entries: Vec<_> = entries.into_iter().collect();
            if self.is_reversed {
                entries.reverse();
            }
            dict(entries)
        };
        let all: Vec<u8> = self
            .files
            .iter()
            .flat_map(|file| file.bytes.clone())
            .collect();
        let hashes = all.chunks(self.piece_length).map(sha1);
        let mut info = Entries::new();
        info.insert(b"piece length".into(), int(self.piece_length as i64));
        info.insert(b"pieces".into(), text(hashes.flatten().collect::<Vec<_>>()));
        if self.is_single {
            info.insert(b"length".into(), int(all.len() as i64));
        } else {
            let files = self.files.iter().map(|file| order(file.entries.clone()));
            info.insert(b"files".into(), list(files));
        }
        info.extend(self.info.clone());
        info.retain(|key, _| !self.without.iter().any(|gone| gone.as_bytes() == key));
        order(info).encode()
    }
}
