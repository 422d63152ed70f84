use std::{net::IpAddr, time::Duration};

use bt_tracker_http::{HttpUrl, Origin, Route, UrlError};

use crate::net::{Bounds, HttpClient, HttpError};

/// Why a URL brought nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// It is no `http` or `https` URL that can be asked.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The web server gave no answer, or another.
    #[error(transparent)]
    Http(#[from] HttpError),
}

/// Fetches what an `http` or `https` URL leads to, which the user has named: a .torrent. From the
/// local address `bind`, if one is given.
///
/// At most `max` bytes, and for two minutes, redirects included, of which five are followed; none
/// of them from the internet into the local network.
///
/// # Errors
/// If there is no such answer; a status that is no success is one.
pub async fn fetch(url: &str, bind: Option<IpAddr>, max: usize) -> Result<Vec<u8>, FetchError> {
    let url: HttpUrl = url.parse()?;
    let route = Route::new(Origin::User, &url, url.clone());
    let bounds = Bounds {
        body: max,
        time: PATIENCE,
    };
    let reply = HttpClient::new(bind).get(route, None, bounds).await?;
    if !reply.status.is_success() {
        return Err(FetchError::Http(HttpError::Status {
            from: reply.from,
            status: reply.status.as_u16(),
        }));
    }
    Ok(reply.body)
}

/// For 64 MiB over a slow line.
const PATIENCE: Duration = Duration::from_secs(120);
