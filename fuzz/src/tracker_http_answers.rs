//! What trackers and the makers of torrents send to a client of HTTP trackers, and clients to a
//! tracker: bodies, URLs, redirects and request targets of any content.

use bt_tracker_http::{
    Answer, Extras, HttpUrl, MAX_PEERS, MAX_TEXT, Origin, Route, announce_url, is_local,
    parse_announce, parse_scrape, scrape_url, server,
};
use bt_types::{AnnounceEvent, AnnounceRequest, PeerId, SwarmId};

/// All of it is a body; and a URL, a `Location` behind a line feed, and a request's target.
pub fn run(data: &[u8]) {
    if let Ok(Answer::Granted(response)) = parse_announce(data) {
        assert!(response.peers.len() <= MAX_PEERS);
        assert!(response.peers.iter().all(|peer| peer.port() != 0));
        assert!(response.warning.as_ref().is_none_or(|text| is_shown(text)));
        let again = parse_announce(&server::encode_announce(&response, true));
        let Ok(Answer::Granted(again)) = again else {
            panic!("{again:?}");
        };
        assert_eq!(again.peers.len(), response.peers.len());
        assert_eq!(again.tracker_id, response.tracker_id);
    }
    if let Ok(Answer::Refused(refusal)) = parse_announce(data) {
        assert!(is_shown(&refusal.reason));
    }
    if let Ok(Answer::Granted(scrape)) = parse_scrape(data, &[SwarmId([b'x'; 20]); 2]) {
        assert_eq!(scrape.swarms.len(), 2);
    }
    let text = String::from_utf8_lossy(data);
    if let Ok(server::Request::Announce(announce)) = server::Request::parse(&text) {
        let tracker = "http://t/announce".parse().expect("a URL");
        let url = announce_url(&tracker, &announce.request, &Extras::default());
        let again = server::Request::parse(url.expect("short enough").target());
        assert!(
            matches!(again, Ok(server::Request::Announce(again)) if again.request == announce.request)
        );
    }
    let (url, location) = text.split_once('\n').unwrap_or((&text, ""));
    check_url(url, location);
}

fn check_url(url: &str, location: &str) {
    let Ok(url) = url.parse::<HttpUrl>() else {
        return;
    };
    assert_is_clean(&url);
    let request = AnnounceRequest {
        swarm_id: SwarmId([0xff; 20]),
        peer_id: PeerId([b'a'; 20]),
        uploaded: u64::MAX,
        downloaded: u64::MAX,
        left: u64::MAX,
        event: AnnounceEvent::Completed,
        key: u32::MAX,
        num_want: Some(u32::MAX),
        port: u16::MAX,
    };
    let asked = announce_url(&url, &request, &Extras::default());
    let scraped = scrape_url(&url, &[request.swarm_id]);
    for made in asked.into_iter().chain(scraped) {
        assert_is_clean(&made);
        assert_eq!(
            (made.host(), made.port(), made.scheme()),
            (url.host(), url.port(), url.scheme())
        );
    }
    let (public, local) = ([1, 1, 1, 1].into(), [127, 0, 0, 1].into());
    assert!(is_local(local) && !is_local(public));
    let mut route = Route::new(Origin::Torrent, &url, url.clone());
    if route.check(local).is_ok() {
        assert!(url.path().starts_with("/announce") || url.path().starts_with("/scrape"));
        assert!(url.query().is_none() && !url.path().contains('%'));
    }
    if route.follow(public, location).is_ok() {
        assert_is_clean(route.url());
        assert!(route.url().scheme() >= url.scheme(), "back into the clear");
        assert!(route.check(local).is_err() && route.check(public).is_ok());
    }
}

fn assert_is_clean(url: &HttpUrl) {
    let text = url.to_string();
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{text}");
    assert!(
        !url.path().split('/').any(|segment| segment == ".."),
        "{text}"
    );
    assert_eq!(text.parse().as_ref(), Ok(url));
}

fn is_shown(text: &str) -> bool {
    text.len() <= MAX_TEXT && !text.contains(char::is_control)
}
