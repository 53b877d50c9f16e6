//! Certificates: one root, a server on `127.0.0.1`, a client.
//!
//! The keys under `tls` were made for tests with `openssl req` and open nothing.

use std::sync::Arc;

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::{NoClientAuth, WebPkiClientVerifier},
    },
};

/// The certificate that signed the others, PEM.
pub const ROOT: &[u8] = include_bytes!("../tls/ca.pem");

/// A client's certificate and key, PEM.
pub const CLIENT: &[u8] = include_bytes!("../tls/client.pem");

const SERVER: &[u8] = include_bytes!("../tls/server.pem");

/// Whether a server wants to know who is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// And speaks to nobody without.
    ForCertificate,
    /// And does without.
    ForCertificateIfThereIsOne,
    /// It does not.
    ForNothing,
}

/// What makes a connection one of TLS, on the server's side, with these protocols to choose
/// from.
///
/// # Panics
///
/// When the certificates of this crate are damaged.
#[must_use]
pub fn acceptor(asks: Asks, protocols: &[&[u8]]) -> TlsAcceptor {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ROOT).unwrap()).unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots));
    let verifier = match asks {
        Asks::ForCertificate => verifier.build().unwrap(),
        Asks::ForCertificateIfThereIsOne => {
            verifier.allow_unauthenticated().build().unwrap()
        }
        Asks::ForNothing => Arc::new(NoClientAuth),
    };
    let chain = CertificateDer::pem_slice_iter(SERVER).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(SERVER).unwrap();
    let mut config = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}
