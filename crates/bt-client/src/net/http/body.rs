use std::{io::Read, net::SocketAddr};

use flate2::read::MultiGzDecoder;
use http_body_util::BodyExt;
use hyper::{
    Response,
    body::{Body, Incoming},
    header::{CONTENT_ENCODING, HeaderValue},
};

use super::HttpError;

/// Reads a body of at most `max` bytes, and unpacks it to at most as many.
pub(super) async fn read(
    response: Response<Incoming>,
    from: SocketAddr,
    max: usize,
) -> Result<Vec<u8>, HttpError> {
    let encoding = response.headers().get(CONTENT_ENCODING).cloned();
    let mut body = response.into_body();
    // Said honestly, it saves reading it.
    if body.size_hint().lower() > max as u64 {
        return Err(HttpError::TooLong { from, max });
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|source| HttpError::Exchange { from, source })?;
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > max {
                return Err(HttpError::TooLong { from, max });
            }
            bytes.extend_from_slice(&data);
        }
    }
    match encoding.as_ref().map(HeaderValue::as_bytes) {
        None | Some(b"" | b"identity") => Ok(bytes),
        Some(b"gzip" | b"x-gzip") => unpack(&bytes, from, max),
        Some(_) => Err(HttpError::Encoding { from }),
    }
}

fn unpack(packed: &[u8], from: SocketAddr, max: usize) -> Result<Vec<u8>, HttpError> {
    let mut unpacked = Vec::new();
    let mut bounded = MultiGzDecoder::new(packed).take(max as u64 + 1);
    bounded
        .read_to_end(&mut unpacked)
        .map_err(|_| HttpError::Encoding { from })?;
    if unpacked.len() > max {
        return Err(HttpError::TooLong { from, max });
    }
    Ok(unpacked)
}
