//! TLS with a certificate from files, read again when they change.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use tokio::io::{self, AsyncRead, AsyncWrite};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
    server::TlsStream,
};

/// The files are looked at this often, when somebody connects.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Why there is no TLS. No key is in it.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or has nothing of use in it.
    #[error("{path} holds no {what} in PEM form: {why}")]
    File {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The two do not go together.
    #[error("the certificate in {certificate} and the key in {key} do not go together: {why}")]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// A certificate and its key.
#[derive(Clone)]
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    state: Arc<Mutex<State>>,
}

struct State {
    acceptor: TlsAcceptor,
    changed: [Option<SystemTime>; 2],
    looked: Instant,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let state = State {
            acceptor: acceptor(certificate, key)?,
            changed: [certificate, key].map(changed),
            looked: Instant::now(),
        };
        let state = Arc::new(Mutex::new(state));
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), state })
    }

    pub(super) async fn accept<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let acceptor = self.acceptor().await;
        acceptor.accept(stream).await
    }

    async fn acceptor(&self) -> TlsAcceptor {
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.looked.elapsed() < LOOK_AGAIN {
                return state.acceptor.clone();
            }
            state.looked = Instant::now();
        }
        let tls = self.clone();
        let looked = tokio::task::spawn_blocking(move || tls.look_again()).await;
        looked.unwrap_or_else(|_| {
            self.state.lock().unwrap_or_else(PoisonError::into_inner).acceptor.clone()
        })
    }

    /// Reads the files again where they changed; what cannot be used is logged, and the old one stays.
    fn look_again(&self) -> TlsAcceptor {
        let now = [&self.certificate, &self.key].map(|path| changed(path));
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.changed != now {
            match acceptor(&self.certificate, &self.key) {
                Ok(acceptor) => {
                    tracing::info!("the certificate was read again");
                    (state.acceptor, state.changed) = (acceptor, now);
                }
                Err(error) => tracing::error!(%error, "the new certificate cannot be used"),
            }
        }
        state.acceptor.clone()
    }
}

fn changed(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let file = |path: &Path, what, why: String| TlsError::File { path: path.to_owned(), what, why };
    for (path, what) in [(certificate, "certificate"), (key, "private key")] {
        // They are read again and again: a pipe would keep whoever reads it waiting, and has nothing the second time.
        if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(file(path, what, "it is no regular file".to_owned()));
        }
    }
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
    let chain = chain.map_err(|error| file(certificate, "certificate", error.to_string()))?;
    if chain.is_empty() {
        return Err(file(certificate, "certificate", "there is none in it".to_owned()));
    }
    let secret = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| file(key, "private key", error.to_string()))?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, secret);
    let mut config = config.map_err(|error| TlsError::Mismatch {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        why: error.to_string(),
    })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
