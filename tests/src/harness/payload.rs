use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Write},
    ops::RangeInclusive,
    path::Path,
};

use super::{Context, Failure, Outcome, ensure};

/// What a torrent carries, made from a seed: it can be written anywhere and compared without a
/// second copy.
#[derive(Clone, Debug)]
pub struct Payload {
    /// The torrent's name: that of the file, or of the folder with all files.
    pub name: String,
    files: Vec<PayloadFile>,
    seed: u64,
}

#[derive(Clone, Debug)]
struct PayloadFile {
    /// From the folder that holds the payload, so it begins with the payload's name.
    path: String,
    length: u64,
}

impl Payload {
    pub fn single(length: u64) -> Self {
        let name = "payload.bin".to_owned();
        Self {
            files: vec![PayloadFile {
                path: name.clone(),
                length,
            }],
            name,
            seed: 0x5eed,
        }
    }

    /// Nested folders, names beyond ASCII, an empty file, a file smaller than a block, files that
    /// share a piece, and the rest of `length` in one.
    pub fn multi(length: u64) -> Self {
        let small = [
            ("a/first.bin", 300_000),
            ("a/b/c/deep.bin", 1),
            ("a/b/empty", 0),
            ("nested folder/naïve – 漢字 имя.bin", 70_001),
            ("z.txt", 13_000),
        ];
        let rest = length.saturating_sub(small.iter().map(|(_, length)| length).sum());
        Self::tree(small.into_iter().chain([("large.bin", rest)]))
    }

    /// About 50 MiB: most files lie within a piece.
    pub fn five_thousand_files() -> Self {
        Self::many(5_000, 20_000)
    }

    /// `count` files of up to `max_length` bytes in folders of a hundred.
    fn many(count: u64, max_length: u64) -> Self {
        Self::many_between(count, 0..=max_length)
    }

    /// `count` files, each as long as one of `lengths`, in folders of a hundred.
    pub fn many_between(count: u64, lengths: RangeInclusive<u64>) -> Self {
        let (shortest, longest) = lengths.into_inner();
        let length = |n| shortest + mix(n) % (longest - shortest + 1);
        let files: Vec<_> = (0..count)
            .map(|n| (format!("{:03}/{n:05}.bin", n / 100), length(n)))
            .collect();
        Self::tree(files.iter().map(|(path, length)| (path.as_str(), *length)))
    }

    fn tree<'a>(files: impl Iterator<Item = (&'a str, u64)>) -> Self {
        let name = "payload".to_owned();
        let files = files
            .map(|(path, length)| PayloadFile {
                path: format!("{name}/{path}"),
                length,
            })
            .collect();
        Self {
            name,
            files,
            seed: 0xf01de2,
        }
    }

    /// The same without files of no bytes.
    pub fn without_empty_files(mut self) -> Self {
        self.files.retain(|file| file.length > 0);
        self
    }

    /// The same under another name, and with other bytes.
    pub fn named(mut self, name: &str) -> Self {
        for file in &mut self.files {
            file.path.replace_range(..self.name.len(), name);
        }
        self.seed = name
            .bytes()
            .fold(self.seed, |seed, byte| mix(seed ^ u64::from(byte)));
        self.name = name.to_owned();
        self
    }

    pub fn length(&self) -> u64 {
        self.files.iter().map(|file| file.length).sum()
    }

    /// Path (with `/`, from the payload's folder) and length of each file.
    pub fn files(&self) -> impl Iterator<Item = (&str, u64)> {
        self.files
            .iter()
            .map(|file| (file.path.as_str(), file.length))
    }

    /// Writes everything below `folder`.
    pub fn write_to(&self, folder: &Path) -> Outcome {
        for (index, file) in self.files.iter().enumerate() {
            let path = folder.join(&file.path);
            let doing = format!("writing {}", path.display());
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).context(&doing)?;
            }
            let mut out = BufWriter::new(File::create(&path).context(&doing)?);
            io::copy(&mut self.content(index), &mut out).context(&doing)?;
            out.flush().context(&doing)?;
        }
        Ok(())
    }

    /// Fails unless `folder` holds exactly this payload under its name: every byte of every
    /// file, and no file more.
    pub fn compare(&self, folder: &Path) -> Outcome {
        self.compare_files(folder, |_| true)
    }

    /// The same, but a file of no bytes may be missing: some clients do not make them.
    pub fn compare_but_empty_files(&self, folder: &Path) -> Outcome {
        self.compare_files(folder, |length| length > 0)
    }

    fn compare_files(&self, folder: &Path, must_exist: impl Fn(u64) -> bool) -> Outcome {
        for (index, file) in self.files.iter().enumerate() {
            let path = folder.join(&file.path);
            if !must_exist(file.length) && !path.exists() {
                continue;
            }
            let found = File::open(&path).context(format_args!("opening {}", path.display()))?;
            let difference = first_difference(self.content(index), found)
                .context(format_args!("reading {}", path.display()))?;
            if let Some(offset) = difference {
                return Err(Failure::new(format!(
                    "{} differs from the original at byte {offset} of {}",
                    path.display(),
                    file.length
                )));
            }
        }

        let expected: BTreeSet<_> = self
            .files
            .iter()
            .map(|file| folder.join(&file.path))
            .collect();
        let mut folders = vec![folder.join(&self.name)];
        while let Some(inside) = folders.pop().filter(|folder| folder.is_dir()) {
            for entry in fs::read_dir(&inside).context("listing what was downloaded")? {
                let path = entry.context("listing what was downloaded")?.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    ensure!(
                        expected.contains(&path),
                        "{} was never asked for",
                        path.display()
                    );
                }
            }
        }
        Ok(())
    }

    /// Of a payload of one file: how many bytes lie in pieces that are right on disk.
    pub fn bytes_in_good_pieces(&self, folder: &Path, piece_length: u64) -> Outcome<u64> {
        ensure!(self.files.len() == 1, "only asked of payloads of one file");
        let path = folder.join(&self.name);
        let mut found = match File::open(&path) {
            Ok(file) => BufReader::new(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(error).context(format_args!("opening {}", path.display())),
        };
        let mut content = self.content(0);
        let (mut good, mut left) = (0, self.length());
        while left > 0 {
            let length = left.min(piece_length);
            let (mut expected, mut piece) = (Vec::new(), Vec::new());
            for (bytes, source) in [
                (&mut expected, &mut content as &mut dyn Read),
                (&mut piece, &mut found as &mut dyn Read),
            ] {
                source
                    .take(length)
                    .read_to_end(bytes)
                    .context("reading pieces to compare")?;
            }
            good += if expected == piece { length } else { 0 };
            left -= length;
        }
        Ok(good)
    }

    fn content(&self, index: usize) -> Content {
        let length = self.files[index].length;
        Content {
            key: mix(self.seed ^ mix(index as u64)),
            position: 0,
            length,
        }
    }
}

/// One file's bytes: the n-th word is a mix of the file's key and n.
struct Content {
    key: u64,
    position: u64,
    length: u64,
}

impl Read for Content {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = out
            .len()
            .min(usize::try_from(self.length - self.position).unwrap_or(usize::MAX));
        let mut filled = 0;
        while filled < count {
            let word = mix(self.key.wrapping_add(self.position / 8)).to_le_bytes();
            let rest = &word[(self.position % 8) as usize..];
            let n = rest.len().min(count - filled);
            out[filled..filled + n].copy_from_slice(&rest[..n]);
            filled += n;
            self.position += n as u64;
        }
        Ok(count)
    }
}

/// SplitMix64's finaliser: neighbouring numbers give unrelated ones.
fn mix(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Where two streams part, or where the shorter one ends.
fn first_difference(mut a: impl Read, mut b: impl Read) -> io::Result<Option<u64>> {
    let (mut x, mut y) = (vec![0; COMPARED_AT_ONCE], vec![0; COMPARED_AT_ONCE]);
    let mut offset = 0;
    loop {
        let (n, m) = (read_full(&mut a, &mut x)?, read_full(&mut b, &mut y)?);
        if x[..n] != y[..m] {
            let same = x[..n]
                .iter()
                .zip(&y[..m])
                .take_while(|(x, y)| x == y)
                .count();
            return Ok(Some(offset + same as u64));
        }
        if n < COMPARED_AT_ONCE {
            return Ok(None);
        }
        offset += n as u64;
    }
}

fn read_full(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}

const COMPARED_AT_ONCE: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::tempdir::TempDir;

    #[test]
    fn what_was_written_compares_equal_and_nothing_else_does() {
        let dir = TempDir::new().unwrap();
        let payload = Payload::multi(600_000);
        assert_eq!(payload.length(), 600_000);
        payload.write_to(dir.path()).unwrap();
        payload.compare(dir.path()).unwrap();

        let victim = dir.path().join("payload/z.txt");
        let good = fs::read(&victim).unwrap();
        let mut bad = good.clone();
        bad[12_999] ^= 1;
        fs::write(&victim, &bad).unwrap();
        assert!(
            payload
                .compare(dir.path())
                .unwrap_err()
                .to_string()
                .contains("byte 12999")
        );
        fs::write(&victim, &good[..12_000]).unwrap();
        assert!(
            payload
                .compare(dir.path())
                .unwrap_err()
                .to_string()
                .contains("byte 12000")
        );
        fs::write(&victim, &good).unwrap();

        fs::write(dir.path().join("payload/a/.pad"), b"").unwrap();
        assert!(payload.compare(dir.path()).is_err());
    }

    #[test]
    fn good_pieces_are_counted_apart() {
        let dir = TempDir::new().unwrap();
        let payload = Payload::single(100_000);
        assert_eq!(payload.bytes_in_good_pieces(dir.path(), 16_384).unwrap(), 0);
        payload.write_to(dir.path()).unwrap();
        assert_eq!(
            payload.bytes_in_good_pieces(dir.path(), 16_384).unwrap(),
            100_000
        );

        let path = dir.path().join("payload.bin");
        let mut bytes = fs::read(&path).unwrap();
        bytes[20_000] ^= 1;
        bytes.truncate(99_999);
        fs::write(&path, &bytes).unwrap();
        assert_eq!(
            payload.bytes_in_good_pieces(dir.path(), 16_384).unwrap(),
            5 * 16_384
        );
    }
}
