use std::net::IpAddr;

use bt_tracker_http::is_local;

use super::clients::Answer;

/// Our address, as a tracker sees it (BEP 24): one vote of that tracker's host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct SeenAs {
    pub(crate) by: IpAddr,
    pub(crate) address: IpAddr,
}

impl SeenAs {
    /// What an answer says of it. A tracker in our own network sees another address than the rest of
    /// the world does; and what nobody on the internet can have, or of the other family than that by
    /// which we have asked, is not what it sees.
    pub(super) fn of(answer: &Answer) -> Option<Self> {
        let by = answer.from.ip().to_canonical();
        let address = answer.response.external_ip?.to_canonical();
        let is_vote = by.is_ipv4() == address.is_ipv4() && !is_local(by) && !is_local(address);
        is_vote.then_some(Self { by, address })
    }
}

#[cfg(test)]
mod tests {
    use bt_types::AnnounceResponse;

    use super::*;

    #[test]
    fn only_the_internet_says_what_we_are_on_the_internet() {
        for (from, says, is_vote) in [
            ("1.1.1.1", "8.8.8.8", true),
            ("::ffff:1.1.1.1", "8.8.8.8", true),
            ("2606:4700::1111", "2600::1", true),
            // Trackers of our own.
            ("127.0.0.1", "8.8.8.8", false),
            ("192.168.1.1", "8.8.8.8", false),
            ("fe80::1", "2600::1", false),
            // What is nobody's address on the internet.
            ("1.1.1.1", "192.168.1.1", false),
            ("1.1.1.1", "127.0.0.1", false),
            ("1.1.1.1", "100.64.0.1", false),
            ("1.1.1.1", "224.0.0.1", false),
            ("1.1.1.1", "0.0.0.0", false),
            ("2606:4700::1111", "fd00::1", false),
            ("2606:4700::1111", "ff02::1", false),
            // What it cannot have seen.
            ("1.1.1.1", "2600::1", false),
            ("2606:4700::1111", "8.8.8.8", false),
        ] {
            let (by, address): (IpAddr, IpAddr) = (from.parse().unwrap(), says.parse().unwrap());
            let answer = Answer {
                response: AnnounceResponse {
                    external_ip: Some(address),
                    ..AnnounceResponse::default()
                },
                from: (by, 80).into(),
            };
            let by = by.to_canonical();
            let expected = is_vote.then_some(SeenAs { by, address });
            assert_eq!(SeenAs::of(&answer), expected, "{from} says {says}");
        }
        let (response, from) = (AnnounceResponse::default(), ([1, 1, 1, 1], 80).into());
        assert_eq!(SeenAs::of(&Answer { response, from }), None);
    }
}
