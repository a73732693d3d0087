//! Whose certificates a client believes.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, pem::PemObject},
    },
};

use super::{ClientError, pinned};

/// Whom to believe behind `https`.
#[derive(Clone, Debug)]
pub enum Trust {
    /// Whom this machine believes.
    System,
    /// The authorities in this PEM file, and nobody else.
    Authorities(PathBuf),
    /// Who has the first certificate in this PEM file, under whatever name.
    Exactly(PathBuf),
}

/// What makes TLS of a connection.
///
/// # Errors
/// Those of certificates.
pub(super) fn connector(trust: &Trust) -> Result<TlsConnector, ClientError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    // The provider has both versions: this is what it was made for.
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(|error| ClientError::NoAuthorities(error.to_string()))?;
    let config = match trust {
        Trust::System => builder.with_root_certificates(system()?).with_no_client_auth(),
        Trust::Authorities(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                let wrong = |error: tokio_rustls::rustls::Error| ClientError::Certificate {
                    path: path.clone(),
                    why: error.to_string(),
                };
                roots.add(certificate).map_err(wrong)?;
            }
            builder.with_root_certificates(roots).with_no_client_auth()
        }
        Trust::Exactly(path) => {
            let expected = certificates(path)?.swap_remove(0);
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(pinned::Pinned { expected, provider }))
                .with_no_client_auth()
        }
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

fn system() -> Result<RootCertStore, ClientError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map_or("none were found".to_owned(), ToString::to_string);
        return Err(ClientError::NoAuthorities(why));
    }
    Ok(roots)
}

/// All certificates of a file, of which there is at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let wrong = |why: String| ClientError::Certificate { path: path.to_owned(), why };
    let read = CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
    let read: Vec<_> = read.collect::<Result<_, _>>().map_err(|error| wrong(error.to_string()))?;
    if read.is_empty() { Err(wrong("it has none".to_owned())) } else { Ok(read) }
}
