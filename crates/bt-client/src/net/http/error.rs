use std::{error::Error, io, net::SocketAddr, sync::Arc, time::Duration};

use bt_tracker::Family;
use bt_tracker_http::{Forbidden, RedirectError};

/// Why a web server gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The host has no address that we know of.
    #[error("cannot look up {host}")]
    LookUp {
        /// The host in the URL. Untrusted text.
        host: String,
        /// Why not, in the system's words.
        source: io::Error,
    },
    /// The host has addresses of a family only that this machine does not have.
    #[error("no address of it can be reached from here")]
    NoReachableAddress,
    /// The host has no address of the family that was asked for.
    #[error("it has no {0} address")]
    NoAddressOf(Family),
    /// All addresses of the host are such as may not be asked.
    #[error("not asked: {0}")]
    Forbidden(Forbidden),
    /// Nobody answers at the address.
    #[error("{address}: cannot connect")]
    Connect {
        /// The last one that was tried.
        address: SocketAddr,
        /// Why not, in the system's words.
        source: io::Error,
    },
    /// The program has no TLS.
    #[error("https is not available: {0}")]
    NoTls(&'static str),
    /// There is nothing to verify a server's certificate with.
    #[error("https is not available: {0}")]
    NoRoots(String),
    /// The server's certificate leads to none of those that are trusted.
    #[error(
        "{from}: its certificate is of nobody whom this system trusts (SSL_CERT_FILE names others)"
    )]
    NotTrusted {
        /// Its address.
        from: SocketAddr,
    },
    /// The server's certificate is one that signs others, as one that was made to sign itself mostly
    /// is; to trust it does not help.
    #[error("{from}: its certificate is an authority's (CA:TRUE), not a server's")]
    OfAnAuthority {
        /// Its address.
        from: SocketAddr,
    },
    /// The server could not show that it is who it should be, or speaks no TLS.
    #[error("{from}: no secure connection")]
    Tls {
        /// Its address.
        from: SocketAddr,
        /// What is wrong.
        source: io::Error,
    },
    /// What came is no HTTP, or ended too early.
    #[error("{from}: no valid HTTP answer")]
    Exchange {
        /// Its address.
        from: SocketAddr,
        /// What is wrong.
        source: hyper::Error,
    },
    /// The body is packed in a way that was not asked for, or not well.
    #[error("{from}: the answer cannot be unpacked")]
    Encoding {
        /// Its address.
        from: SocketAddr,
    },
    /// The body is longer than it may be, packed or unpacked.
    #[error("{from}: the answer has more than {max} bytes")]
    TooLong {
        /// Its address.
        from: SocketAddr,
        /// Bytes that were allowed.
        max: usize,
    },
    /// The server sends us where we do not go.
    #[error("not followed: {0}")]
    Redirect(#[from] RedirectError),
    /// It took too long.
    #[error("no complete answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The server has something else to say than what was asked for.
    #[error("{from}: HTTP status {status}")]
    Status {
        /// Its address.
        from: SocketAddr,
        /// The number, as 404.
        status: u16,
    },
    /// The URL makes no request.
    #[error("the url cannot be asked for")]
    Unaskable,
    /// Others have found the server down while this waited for its turn; what they saw.
    #[error("{0}")]
    FoundDown(Arc<str>),
}

impl HttpError {
    /// Whether it may be so for whoever asks the server, whatever for.
    pub(super) fn says_that_it_is_down(&self) -> bool {
        matches!(
            self,
            Self::LookUp { .. }
                | Self::Connect { .. }
                | Self::NotTrusted { .. }
                | Self::OfAnAuthority { .. }
                | Self::Tls { .. }
                | Self::TimedOut(_)
        )
    }

    /// What it says, and why.
    pub(super) fn in_full(&self) -> String {
        match self.source() {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        }
    }
}
