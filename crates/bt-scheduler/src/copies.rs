use std::fmt;

/// How often a torrent is there, as distributed copies: how many have the rarest piece, and which
/// part of the pieces more than that have. 1 or more means that nothing is lacking.
///
/// As libtorrent and so qBittorrent count it, what we have ourselves included.
///
/// ```
/// use bt_scheduler::Copies;
/// // The rarest of four pieces is there twice, three pieces are there more often.
/// let copies = Copies::of([2, 5, 3, 3]);
/// assert_eq!((copies.whole(), copies.thousandths()), (2, 750));
/// assert_eq!(copies.to_string(), "2.750");
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Copies {
    whole: u32,
    thousandths: u32,
}

impl Copies {
    /// By how many have each of the pieces; none if there are no pieces.
    #[must_use]
    pub fn of(pieces: impl IntoIterator<Item = u32>) -> Self {
        let (mut least, mut with_least, mut all) = (u32::MAX, 0_u64, 0_u64);
        for count in pieces {
            all += 1;
            if count < least {
                (least, with_least) = (count, 0);
            }
            with_least += u64::from(count == least);
        }
        if all == 0 {
            return Self::default();
        }
        Self {
            whole: least,
            thousandths: ((all - with_least) * 1000 / all) as u32,
        }
    }

    /// How many have the rarest piece.
    #[must_use]
    pub fn whole(self) -> u32 {
        self.whole
    }

    /// The part of the pieces that more than that have; never 1000, as one piece is the rarest.
    #[must_use]
    pub fn thousandths(self) -> u32 {
        self.thousandths
    }

    /// Both as one number.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        f64::from(self.whole) + f64::from(self.thousandths) / 1000.0
    }
}

/// `2.750`.
impl fmt::Display for Copies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.whole, self.thousandths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_has_counts_and_so_does_what_all_have() {
        for (pieces, shown) in [
            (&[][..], "0.000"),
            (&[0], "0.000"),
            (&[0, 7, 7, 7], "0.750"),
            (&[1, 1, 1], "1.000"),
            (&[3, 1, 2], "1.666"),
            (&[u32::MAX], "4294967295.000"),
        ] {
            let copies = Copies::of(pieces.iter().copied());
            assert_eq!(copies.to_string(), shown, "{pieces:?}");
            assert!(copies.thousandths() < 1000);
        }
    }
}
