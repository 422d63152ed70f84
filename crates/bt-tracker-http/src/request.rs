use std::{
    fmt::Write,
    net::{Ipv4Addr, Ipv6Addr},
};

use bt_types::{AnnounceEvent, AnnounceRequest, SwarmId};

use crate::{HttpUrl, UrlError, url::push_percent};

/// What an announce over HTTP may say beside what every announce says.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Extras<'a> {
    /// What this tracker gave us to be sent back (BEP 3, "tracker id").
    pub tracker_id: Option<&'a [u8]>,
    /// Our IPv4 address, where the tracker cannot see it: only if the user says so, since most
    /// trackers ignore it and a proxy's user may not want to tell.
    pub ip: Option<Ipv4Addr>,
    /// Our IPv6 address, likewise (BEP 7 prefers an announce of its own over IPv6).
    pub ipv6: Option<Ipv6Addr>,
}

/// Why there is no such request.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The tracker's URL already says what is for us to say, so that its maker could make us say
    /// something else; libtorrent refuses it as well.
    #[error("the tracker's url says \"{0}\" itself")]
    ReservedParameter(&'static str),
    /// The URL would be too long.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// BEP 48: scrapes are for trackers whose URL's last path segment begins with "announce".
    #[error("the tracker's url does not end in \"announce\", so there is none to scrape")]
    NoScrape,
    /// None, or more than [`MAX_SCRAPE`].
    #[error("scrape of {0} swarms, from 1 to {MAX_SCRAPE} allowed")]
    Count(usize),
}

/// The URL of an announce: the tracker's, its query kept, and all that BEP 3 wants. Asks for
/// compact peers (BEP 23).
///
/// # Errors
/// If the tracker's URL speaks for us, or would become too long.
pub fn announce_url(
    tracker: &HttpUrl,
    request: &AnnounceRequest,
    extras: &Extras<'_>,
) -> Result<HttpUrl, RequestError> {
    refuse_reserved(tracker)?;
    let mut query = String::with_capacity(TYPICAL_QUERY);
    push_bytes(&mut query, "info_hash=", &request.swarm_id.0);
    push_bytes(&mut query, "&peer_id=", &request.peer_id.0);
    // Writing to a string does not fail.
    let _ = write!(
        query,
        "&port={}&uploaded={}&downloaded={}&left={}&key={:08X}&compact=1&no_peer_id=1",
        request.port, request.uploaded, request.downloaded, request.left, request.key,
    );
    if let Some(event) = event_name(request.event) {
        let _ = write!(query, "&event={event}");
    }
    if let Some(num_want) = request.num_want {
        let _ = write!(query, "&numwant={num_want}");
    }
    if let Some(tracker_id) = extras.tracker_id {
        push_bytes(&mut query, "&trackerid=", tracker_id);
    }
    if let Some(ip) = extras.ip {
        let _ = write!(query, "&ip={ip}");
    }
    if let Some(ipv6) = extras.ipv6 {
        push_bytes(&mut query, "&ipv6=", ipv6.to_string().as_bytes());
    }
    Ok(tracker.with_query(&query)?)
}

/// The URL of a scrape of some swarms (BEP 48): in the last segment of the tracker's path,
/// `announce` becomes `scrape`; what follows it and the query stay.
///
/// # Errors
/// If that segment does not begin so, these are too many swarms or none, or the tracker's URL
/// speaks for us.
pub fn scrape_url(tracker: &HttpUrl, swarm_ids: &[SwarmId]) -> Result<HttpUrl, RequestError> {
    if !(1..=MAX_SCRAPE).contains(&swarm_ids.len()) {
        return Err(RequestError::Count(swarm_ids.len()));
    }
    refuse_reserved(tracker)?;
    let path = tracker.path();
    let (folder, last) = path.rsplit_once('/').ok_or(RequestError::NoScrape)?;
    let suffix = last
        .strip_prefix("announce")
        .ok_or(RequestError::NoScrape)?;
    let mut target = format!("{folder}/scrape{suffix}");
    if let Some(query) = tracker.query() {
        let _ = write!(target, "?{query}");
    }
    let mut query = String::with_capacity(TYPICAL_QUERY);
    for (position, id) in swarm_ids.iter().enumerate() {
        let key = if position == 0 {
            "info_hash="
        } else {
            "&info_hash="
        };
        push_bytes(&mut query, key, &id.0);
    }
    Ok(tracker.with_target(&target)?.with_query(&query)?)
}

fn event_name(event: AnnounceEvent) -> Option<&'static str> {
    match event {
        AnnounceEvent::None => None,
        AnnounceEvent::Completed => Some("completed"),
        AnnounceEvent::Started => Some("started"),
        AnnounceEvent::Stopped => Some("stopped"),
    }
}

fn refuse_reserved(tracker: &HttpUrl) -> Result<(), RequestError> {
    let parameters = tracker.query().unwrap_or_default().split('&');
    for parameter in parameters {
        let key = parameter.split('=').next().unwrap_or_default();
        let key = decode(key.as_bytes()).to_ascii_lowercase();
        if let Some(reserved) = RESERVED.iter().find(|name| name.as_bytes() == key) {
            return Err(RequestError::ReservedParameter(reserved));
        }
    }
    Ok(())
}

/// Escapes every byte that has a meaning in a query, or none that all servers agree on: the hash
/// is bytes, so no form encoder may see it (`+` would be a space).
fn push_bytes(query: &mut String, key: &str, value: &[u8]) {
    query.push_str(key);
    for &byte in value {
        // RFC 3986, 2.3: what never needs to be escaped.
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            query.push(char::from(byte));
        } else {
            push_percent(query, byte);
        }
    }
}

/// Resolves `%XX`; what is no such escape stays as it is.
pub(crate) fn decode(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, behind)) = rest.split_first() {
        let digit = |at: usize| {
            let digit = char::from(*behind.get(at)?).to_digit(16)?;
            Some(digit as u8)
        };
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(high << 4 | low);
                rest = &behind[2..];
            }
            _ => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    bytes
}

/// Swarms in one scrape: keeps its URL below 5 KiB.
pub const MAX_SCRAPE: usize = 64;
/// What libtorrent refuses to see in a tracker's URL (`ssrf_mitigation`).
const RESERVED: [&str; 9] = [
    "info_hash",
    "peer_id",
    "port",
    "uploaded",
    "downloaded",
    "left",
    "event",
    "key",
    "corrupt",
];
const TYPICAL_QUERY: usize = 256;

#[cfg(test)]
mod tests {
    use bt_types::PeerId;
    use proptest::prelude::*;

    use super::*;

    fn request() -> AnnounceRequest {
        AnnounceRequest {
            swarm_id: "123456789abcdef123456789abcdef123456789a".parse().unwrap(),
            peer_id: PeerId(*b"-XX0001-abcdefghijkl"),
            uploaded: 3000,
            downloaded: 1000,
            left: 2000,
            event: AnnounceEvent::Started,
            key: 0xcafe_babe,
            num_want: Some(200),
            port: 6881,
        }
    }

    fn url(text: &str) -> HttpUrl {
        text.parse().unwrap()
    }

    /// The hash is the example of the wiki at theory.org.
    #[test]
    fn an_announce_says_all_that_bep_3_wants() {
        let announce = announce_url(&url("http://t/announce"), &request(), &Extras::default());
        assert_eq!(
            announce.unwrap().to_string(),
            "http://t/announce?info_hash=%124Vx%9A%BC%DE%F1%23Eg%89%AB%CD%EF%124Vx%9A\
             &peer_id=-XX0001-abcdefghijkl&port=6881&uploaded=3000&downloaded=1000&left=2000\
             &key=CAFEBABE&compact=1&no_peer_id=1&event=started&numwant=200"
        );
    }

    #[test]
    fn what_is_not_known_is_not_said() {
        let request = AnnounceRequest {
            event: AnnounceEvent::None,
            num_want: None,
            key: 7,
            ..request()
        };
        let announce = announce_url(&url("http://t/a"), &request, &Extras::default()).unwrap();
        let query = announce.query().unwrap();
        assert!(
            query.ends_with("&key=00000007&compact=1&no_peer_id=1"),
            "{query}"
        );
    }

    #[test]
    fn extras_are_said_if_given() {
        let extras = Extras {
            tracker_id: Some(b"a&b\0"),
            ip: Some([192, 0, 2, 1].into()),
            ipv6: Some("2001:db8::1".parse().unwrap()),
        };
        let announce = announce_url(&url("http://t/a"), &request(), &extras).unwrap();
        let query = announce.query().unwrap();
        let expected = "&trackerid=a%26b%00&ip=192.0.2.1&ipv6=2001%3Adb8%3A%3A1";
        assert!(query.ends_with(expected), "{query}");
    }

    #[test]
    fn a_query_that_is_there_stays() {
        for (tracker, before) in [
            ("http://t/a?passkey=x", "passkey=x&info_hash="),
            ("http://t/a?", "info_hash="),
            ("http://t/a?x&", "x&info_hash="),
            ("http://t/a?x=a?b/c", "x=a?b/c&info_hash="),
        ] {
            let announce = announce_url(&url(tracker), &request(), &Extras::default()).unwrap();
            assert!(announce.query().unwrap().starts_with(before), "{announce}");
        }
    }

    #[test]
    fn a_tracker_url_does_not_speak_for_us() {
        for query in [
            "left=0",
            "a=b&event=stopped",
            "%69nfo_hash=x",
            "PORT",
            "key=1",
        ] {
            let tracker = url(&format!("http://t/announce?{query}"));
            let announce = announce_url(&tracker, &request(), &Extras::default());
            let reserved = |error| matches!(error, RequestError::ReservedParameter(_));
            assert!(announce.is_err_and(reserved), "{query}");
            assert!(scrape_url(&tracker, &[SwarmId([1; 20])]).is_err_and(reserved));
        }
        let mine = url("http://t/announce?keys=1&leftover=2&pid=info_hash");
        assert!(announce_url(&mine, &request(), &Extras::default()).is_ok());
    }

    /// BEP 48, and the list of the wiki at theory.org where it does not contradict the BEP.
    #[test]
    fn scrapes_follow_the_convention() {
        for (announce, scrape) in [
            ("/announce", Some("/scrape?")),
            ("/x/announce", Some("/x/scrape?")),
            ("/announce.php", Some("/scrape.php?")),
            ("/announce?x2%0644", Some("/scrape?x2%0644&")),
            ("/announce?x=2/4", Some("/scrape?x=2/4&")),
            ("/announce/passkey", None),
            ("/a", None),
            ("/x%064announce", None),
            ("/", None),
        ] {
            let tracker = url(&format!("http://t{announce}"));
            let found = scrape_url(&tracker, &[SwarmId([b'a'; 20]), SwarmId([0xff; 20])]);
            let hashes = format!(
                "info_hash=aaaaaaaaaaaaaaaaaaaa&info_hash={}",
                "%FF".repeat(20)
            );
            match scrape {
                Some(scrape) => assert_eq!(found.unwrap().target(), scrape.to_owned() + &hashes),
                None => assert_eq!(found, Err(RequestError::NoScrape), "{announce}"),
            }
        }
        let tracker = url("http://t/announce");
        assert_eq!(scrape_url(&tracker, &[]), Err(RequestError::Count(0)));
        let many = vec![SwarmId([0; 20]); MAX_SCRAPE + 1];
        assert_eq!(scrape_url(&tracker, &many), Err(RequestError::Count(65)));
        let most = scrape_url(&tracker, &many[1..]).unwrap();
        assert!(most.to_string().len() < 5 * 1024);
    }

    /// BEP 17's example.
    #[test]
    fn escapes_are_resolved() {
        let escaped = b"%9C%D9i%8A%F5Uu%1A%91%86%AE%06lW%EA%21W%235%E0";
        let id = SwarmId(decode(escaped).try_into().unwrap());
        assert_eq!(id.to_string(), "9cd9698af555751a9186ae066c57ea21572335e0");
        assert_eq!(decode(b"%zz%4%"), b"%zz%4%");
    }

    proptest! {
        #[test]
        fn every_byte_of_a_hash_arrives(hash: [u8; 20], id in proptest::collection::vec(any::<u8>(), 0..40)) {
            let request = AnnounceRequest { swarm_id: SwarmId(hash), ..request() };
            let extras = Extras { tracker_id: Some(&id), ..Extras::default() };
            let announce = announce_url(&url("http://t/a"), &request, &extras).unwrap();
            let value = |key: &str| {
                let parameter = announce.query().unwrap().split('&').find_map(|parameter| {
                    parameter.strip_prefix(key)?.strip_prefix('=')
                });
                decode(parameter.unwrap().as_bytes())
            };
            prop_assert_eq!(value("info_hash"), hash);
            prop_assert_eq!(value("trackerid"), id);
        }
    }
}
