use std::time::Duration;

use bt_tracker::Retry;
use bt_tracker_http::{
    Answer, Extras, HttpUrl, Origin, Refusal, ResponseError, RetryIn, Route, Scrape, announce_url,
    parse_announce, parse_scrape, scrape_url,
};
use bt_types::{AnnounceEvent, SwarmId};

use super::clients::{Answer as Answered, What};
use crate::{
    AnnounceError,
    net::{Bounds, HttpClient, HttpError, Line, Reply, Wait},
};

/// Announces over HTTP or HTTPS.
pub(super) async fn announce(
    client: &HttpClient,
    announce: &What<'_>,
    tell: impl Fn(Wait),
) -> Result<Answered, AnnounceError> {
    let tracker: HttpUrl = announce.tracker.parse()?;
    let extras = Extras {
        tracker_id: announce.tracker_id,
        ..Extras::default()
    };
    let url = announce_url(&tracker, &announce.request, &extras)?;
    let route = Route::new(announce.origin, &tracker, url);
    let line = match announce.request.event {
        AnnounceEvent::Stopped => Line::Goodbye,
        _ => Line::Ordinary,
    };
    let reply = client.get_telling(route, announce.family, line, BOUNDS, tell);
    let reply = reply.await?;
    let response = judge(&reply, parse_announce(&reply.body))?;
    let from = reply.from;
    Ok(Answered { response, from })
}

/// Scrapes over HTTP or HTTPS, for the user.
pub(super) async fn scrape(
    client: &HttpClient,
    url: &str,
    swarm_ids: &[SwarmId],
) -> Result<Scrape, AnnounceError> {
    let tracker: HttpUrl = url.parse()?;
    let route = Route::new(Origin::User, &tracker, scrape_url(&tracker, swarm_ids)?);
    let reply = client.get(route, None, BOUNDS).await?;
    let answer = parse_scrape(&reply.body, swarm_ids);
    judge(&reply, answer)
}

/// A tracker that refuses may do so with any status; one that grants says 200.
fn judge<T>(reply: &Reply, answer: Result<Answer<T>, ResponseError>) -> Result<T, AnnounceError> {
    let tracker = reply.from;
    match answer {
        Ok(Answer::Refused(Refusal { reason, retry })) => Err(AnnounceError::Refused {
            tracker,
            reason,
            retry: match retry {
                RetryIn::Unspecified => Retry::Unspecified,
                RetryIn::After(wait) => Retry::After(wait),
                RetryIn::Never => Retry::Never,
            },
        }),
        _ if !reply.status.is_success() => Err(AnnounceError::Http(HttpError::Status {
            from: tracker,
            status: reply.status.as_u16(),
        })),
        Ok(Answer::Granted(granted)) => Ok(granted),
        Err(source) => Err(AnnounceError::NotAnAnswer { tracker, source }),
    }
}

/// 200 listed peers take 20 KiB, and libtorrent takes 1 MiB at most. Its timeout, too.
const BOUNDS: Bounds = Bounds {
    body: 1 << 20,
    time: Duration::from_secs(30),
};

#[cfg(test)]
mod tests {
    use hyper::StatusCode;

    use super::*;

    fn judged(status: StatusCode, body: &str) -> Result<(), AnnounceError> {
        let reply = Reply {
            status,
            body: body.into(),
            from: ([192, 0, 2, 1], 80).into(),
        };
        judge(&reply, parse_announce(&reply.body)).map(drop)
    }

    /// BEP 31, with any status.
    #[test]
    fn a_refusal_says_when_to_come_again() {
        let minutes = Retry::After(Duration::from_secs(5 * 60));
        for (says, expected) in [
            ("8:retry ini5e", minutes),
            ("8:retry in5:never", Retry::Never),
            ("", Retry::Unspecified),
        ] {
            let body = format!("d14:failure reason2:no{says}e");
            for status in [StatusCode::OK, StatusCode::BAD_REQUEST] {
                let refused = judged(status, &body).unwrap_err();
                let AnnounceError::Refused { reason, retry, .. } = &refused else {
                    panic!("{refused}")
                };
                assert_eq!((reason.as_str(), *retry), ("no", expected), "{status}");
                // And so the schedule hears of it.
                assert_eq!(super::super::clients::failure(&refused).retry, expected);
            }
        }
    }

    #[test]
    fn what_is_granted_comes_with_a_good_status() {
        let body = "d8:intervali1800e5:peers0:e";
        assert!(judged(StatusCode::OK, body).is_ok());
        let error = judged(StatusCode::NOT_FOUND, body).unwrap_err();
        assert!(matches!(
            error,
            AnnounceError::Http(HttpError::Status { status: 404, .. })
        ));
        let error = judged(StatusCode::OK, "<html>").unwrap_err();
        assert!(matches!(error, AnnounceError::NotAnAnswer { .. }));
    }
}
