use std::{io, net::SocketAddr, sync::Arc};

use bt_tracker_http::HttpUrl;
use rustls::{ClientConfig, RootCertStore, crypto::CryptoProvider, pki_types::ServerName};
use tokio::{net::TcpStream, sync::OnceCell, task::spawn_blocking};
use tokio_rustls::{TlsConnector, client::TlsStream};

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
        let failed = |source| HttpError::Tls { from, source };
        let name = ServerName::try_from(url.host().to_owned())
            .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        connector.connect(name, stream).await.map_err(failed)
    }
}

async fn load() -> Result<TlsConnector, HttpError> {
    let provider = CryptoProvider::get_default().cloned();
    let provider = provider.ok_or(HttpError::NoTls("the program has chosen no cryptography"))?;
    let certificates = spawn_blocking(rustls_native_certs::load_native_certs).await;
    let mut roots = RootCertStore::empty();
    if let Ok(found) = certificates {
        roots.add_parsable_certificates(found.certs);
    }
    if roots.is_empty() {
        return Err(HttpError::NoTls(
            "the system has no root certificates (install ca-certificates, or set SSL_CERT_FILE)",
        ));
    }
    connector(roots, provider)
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
