use std::{io, net::SocketAddr, sync::Arc};

use bt_tracker_http::HttpUrl;
use rustls::{
    CertificateError, ClientConfig, OtherError, RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{net::TcpStream, sync::OnceCell, task::spawn_blocking};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tracing::debug;

use super::HttpError;

/// TLS with the cryptography that the program has chosen, and the roots that the system trusts:
/// they are kept current by whoever keeps the system, know a company's own, and `SSL_CERT_FILE`
/// names others. Read when they are first needed.
pub(super) struct Tls(OnceCell<TlsConnector>);

impl Tls {
    pub(super) fn of_the_system() -> Self {
        Self(OnceCell::new())
    }

    #[cfg(test)]
    pub(super) fn trusting(roots: RootCertStore, provider: CryptoProvider) -> Self {
        let connector = connector(roots, Arc::new(provider)).unwrap();
        Self(OnceCell::new_with(Some(connector)))
    }

    pub(super) async fn connect(
        &self,
        stream: TcpStream,
        from: SocketAddr,
        url: &HttpUrl,
    ) -> Result<TlsStream<TcpStream>, HttpError> {
        let connector = self.0.get_or_try_init(load).await?;
        let failed = |source| judge(from, source);
        let name = ServerName::try_from(url.host().to_owned())
            .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        connector.connect(name, stream).await.map_err(failed)
    }
}

async fn load() -> Result<TlsConnector, HttpError> {
    let provider = CryptoProvider::get_default().cloned();
    let provider = provider.ok_or(HttpError::NoTls("the program has chosen no cryptography"))?;
    let found = spawn_blocking(rustls_native_certs::load_native_certs).await;
    let found = found.unwrap_or_default();
    let errors = found.errors.iter().map(ToString::to_string).collect();
    connector(roots(found.certs, errors)?, provider)
}

/// A file that cannot be read is no reason to do without the others.
fn roots(
    certificates: Vec<CertificateDer<'static>>,
    errors: Vec<String>,
) -> Result<RootCertStore, HttpError> {
    for error in &errors {
        debug!(%error, "root certificates");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates);
    if roots.is_empty() {
        let why = errors.into_iter().next();
        return Err(HttpError::NoRoots(why.unwrap_or_else(|| NO_ROOTS.into())));
    }
    Ok(roots)
}

/// Tells what users can do something about.
fn judge(from: SocketAddr, source: io::Error) -> HttpError {
    let reason = source.get_ref().and_then(|reason| reason.downcast_ref());
    match reason {
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            HttpError::NotTrusted { from }
        }
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(other))))
            if matches!(other.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity)) =>
        {
            HttpError::OfAnAuthority { from }
        }
        _ => HttpError::Tls { from, source },
    }
}

fn connector(
    roots: RootCertStore,
    provider: Arc<CryptoProvider>,
) -> Result<TlsConnector, HttpError> {
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| HttpError::NoTls("the chosen cryptography has no version of TLS"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

const NO_ROOTS: &str = "no root certificates are found (install ca-certificates, or have SSL_CERT_FILE name a file of them)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_nobody_is_trusted_is_said() {
        for (errors, says) in [
            (vec!["ca.pem is not there"], "ca.pem"),
            (vec![], "SSL_CERT_FILE"),
        ] {
            let errors = errors.into_iter().map(str::to_owned).collect();
            let error = roots(Vec::new(), errors).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
