use clap::Args;

use super::values::parse_demo_size;

/// See it work: a tracker, a seeder and a download on this machine
///
/// Makes a file, a torrent for it, a UDP tracker, a seeder and a downloader, all real but the
/// distance; compares the bytes and removes what it made.
#[derive(Args, Debug)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Demo {
    /// The size of the file: 512K, 64M, 2G
    #[arg(long, default_value = "64M", value_parser = parse_demo_size)]
    pub(crate) size: u64,

    /// Print one JSON object a line on stdout, as `get` does
    #[arg(long)]
    pub(crate) json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bt demo
  bt demo --size 1G";

#[cfg(test)]
mod tests {
    use super::super::{Verb, tests::parse};

    #[test]
    fn defaults() {
        let Verb::Demo(demo) = parse("bt demo").unwrap().verb else {
            panic!()
        };
        assert_eq!(demo.size, 64 << 20);
    }

    #[test]
    fn an_empty_file_makes_no_torrent() {
        assert!(parse("bt demo --size 0").is_err());
    }
}
