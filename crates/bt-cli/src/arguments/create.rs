use std::path::PathBuf;

use clap::{Args, ValueEnum};

mod values;

pub(super) use values::parse_pattern;
pub(crate) use values::{Pattern, Tier, as_size, is_date};
use values::{parse_date, parse_name, parse_piece_length, parse_tier, parse_web_seed};

/// Make a torrent of a file or a folder
///
/// Reads and hashes everything on all cores and writes NAME.torrent into the current folder. The
/// same files make the same info hash on every machine if the same of them are executable, or with
/// --no-attributes: they are ordered by their names' bytes, folder by folder.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Create {
    /// The file or folder
    pub(crate) path: PathBuf,

    /// Write to this file, as NAME.torrent into this folder, or to stdout if it is `-`
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Replace the output file if there is one
    #[arg(short, long)]
    pub(crate) force: bool,

    /// A tracker; each -t is a tier of its own, several with commas between them are one
    ///
    /// Clients try the trackers of the first tier first; within a tier, in random order (BEP 12).
    #[arg(
        short = 't',
        long = "tracker",
        short_alias = 'a',
        visible_alias = "announce",
        value_name = "URL[,URL]",
        value_parser = parse_tier
    )]
    pub(crate) tiers: Vec<Tier>,

    /// A web server that has the content (BEP 19); may be given several times
    ///
    /// For a folder: the URL below which clients find NAME/path/to/file.
    #[arg(short = 'w', long = "web-seed", value_name = "URL", value_parser = parse_web_seed)]
    pub(crate) web_seeds: Vec<String>,

    /// How long pieces are: 256K, 1M; a power of two from 16K to 128M
    ///
    /// By default what suits the size of the content: 16K up to 2.5 MiB, 512K at 1 GiB, 4M at
    /// 100 GiB, at most 16M. libtorrent chooses the same.
    #[arg(short = 'l', long, value_name = "SIZE", value_parser = parse_piece_length)]
    pub(crate) piece_length: Option<u32>,

    /// Let clients find peers through the torrent's trackers only (BEP 27)
    #[arg(short, long)]
    pub(crate) private: bool,

    /// A mark that gives the torrent an info hash of its own, as private trackers wish
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) source: Option<String>,

    /// A text for those who look at the torrent
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) comment: Option<String>,

    /// Name the torrent, and what is downloaded by it, otherwise than PATH
    #[arg(short, long, value_parser = parse_name)]
    pub(crate) name: Option<String>,

    /// Leave out what has such a name or path; may be given several times
    ///
    /// `*.nfo` matches files and folders of that name wherever they are; a pattern with a slash is
    /// matched against the whole path below PATH, without PATH itself, as in `extras/*.jpg` or
    /// `/*.jpg`. `*` and `?` do not match slashes, `**` does; `[ab]` and `{jpg,png}` work, too, and
    /// `[[]` is a bracket.
    #[arg(short = 'x', long, value_name = "GLOB", value_parser = parse_pattern)]
    pub(crate) exclude: Vec<Pattern>,

    /// Take hidden files and folders in, too: those whose names begin with a dot
    #[arg(long, alias = "include-hidden")]
    pub(crate) hidden: bool,

    /// What to do if there are symbolic links below PATH
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Links::Refuse)]
    pub(crate) links: Links,

    /// Do not tell which files are programs, so that the info hash does not depend on it (BEP 47)
    #[arg(long)]
    pub(crate) no_attributes: bool,

    /// The date in the torrent: 2026-11-22, 2026-11-22T12:00:00 (UTC), or @ and seconds since 1970
    ///
    /// By default that of SOURCE_DATE_EPOCH if the environment has it, or else now. It does not
    /// count for the info hash.
    #[arg(long, value_parser = parse_date, allow_hyphen_values = true)]
    pub(crate) date: Option<i64>,

    /// Write no date
    #[arg(long, conflicts_with = "date")]
    pub(crate) no_date: bool,

    /// Name another program as the one that made it
    #[arg(long, value_name = "TEXT")]
    pub(crate) created_by: Option<String>,

    /// Name no program
    #[arg(long, conflicts_with = "created_by")]
    pub(crate) no_creator: bool,

    /// Hash on so many threads instead of one for each core
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,

    /// Print one JSON object a line on stdout: `hashing`, `created`, `error`
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Links {
    /// Stop and name the first one
    Refuse,
    /// Leave them out
    Skip,
    /// Take in what they lead to
    Follow,
}

const EXAMPLES: &str = "\
What is left out is told: hidden files, empty folders (torrents hold files only), pipes and the
like. A file that cannot be read or that is changed meanwhile ends it with an error that names it;
nothing is written then.

With --json, each line on stdout is one object, and what it is is its \"event\". Sizes are in bytes.
This form is stable: keys and events may be added, none goes or changes its meaning.
  hashing  a few times a second: bytes_done, bytes_total, bytes_per_sec,
           eta_secs: seconds until it is done, at the present rate; null if unknown
  created  path, name, info_hash (hex), bytes_total, file_count, piece_length, piece_count, private,
           left_out: how many files and folders are not in it, by reason:
           excluded, hidden, links, empty_folders, special;
           hash_cpu_ms: CPU time that hashing took
  error    message, code: what is wrong, and the exit code; the last line

Examples:
  bt create album
  bt create debian.iso -t udp://tracker.example.org:6969 -c \"Debian 12, amd64\"
  bt create album -t udp://a.example:1,udp://b.example:1 -t https://c.example/announce
  bt create album -x '*.nfo' -x .DS_Store --hidden -o ~/torrents
  bt create film.mkv --private --source SITE -t https://site.example/announce/KEY
  bt create dataset -w https://mirror.example/pub/ --no-date --no-creator
  bt create album -o - | ssh host 'cat > watch/album.torrent'
  bt create album && bt seed album.torrent album";

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{
        super::{Arguments, Verb, tests::parse},
        *,
    };

    fn create(words: &str) -> Create {
        match parse(&format!("bt create {words}")).unwrap().verb {
            Verb::Create(create) => *create,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn everything() {
        let words = "album -o - -f -t udp://a:1,udp://b:2 -t http://c/x -w http://d/ -l 256K -p \
                     -s SRC -c text -n other -x *.nfo -x a/b --hidden --links follow --date @12 \
                     --created-by me --threads 3 --no-attributes";
        let create = create(words);
        assert_eq!(create.output.as_deref(), Some("-".as_ref()));
        let tiers: Vec<_> = create.tiers.iter().map(|tier| tier.0.clone()).collect();
        assert_eq!(tiers, [vec!["udp://a:1", "udp://b:2"], vec!["http://c/x"]]);
        assert_eq!(create.web_seeds, ["http://d/"]);
        assert_eq!(create.piece_length, Some(256 << 10));
        assert!(create.force && create.private && create.hidden && create.no_attributes);
        assert_eq!(create.name.as_deref(), Some("other"));
        assert_eq!((create.links, create.date), (Links::Follow, Some(12)));
        assert_eq!((create.exclude.len(), create.threads), (2, Some(3)));
    }

    #[test]
    fn defaults() {
        let create = create("album");
        assert!(create.output.is_none() && create.tiers.is_empty() && !create.hidden);
        assert_eq!(create.links, Links::Refuse);
    }

    #[test]
    fn what_mktorrent_and_imdl_call_it() {
        let create = create("album -a udp://a:1 --announce udp://b:1");
        assert_eq!(create.tiers.len(), 2);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (words, says) in [
            ("-l 18", "256K"),
            ("-l 300K", "power of two"),
            ("-l 8K", "16K"),
            ("-l 256M", "128M"),
            ("-t tracker.example", "udp://host:port"),
            ("-t udp://a:1,b", "udp://host:port"),
            ("-w udp://a:1", "https://"),
            ("-n a/b", "slash"),
            ("-n a\\b", "backslash"),
            ("-n ..", "name"),
            ("-x a{b", "a{b"),
            ("--date tomorrow", "2026-11-22"),
            ("--date 2026", "2026-11-22"),
            ("--no-date --date @1", "cannot be used with"),
            ("--no-creator --created-by x", "cannot be used with"),
            ("--threads 0", "1..=1024"),
            ("--links maybe", "refuse"),
        ] {
            let words = format!("bt create a {words}");
            let error = Arguments::try_parse_from(words.split(' ')).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(says), "{words}: {error}");
        }
    }
}
