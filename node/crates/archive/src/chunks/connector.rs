//! How an object store is connected to: by a client that follows nobody.
//!
//! What is sent holds a signature, and where keys are of a session its token (`x-amz-security-token`). A server that is
//! asked for a chunk and answers with another server's address would have both sent there.

use object_store::{
    ClientConfigKey, ClientOptions,
    client::{HttpClient, HttpConnector},
};
use reqwest::{Proxy, redirect::Policy};

use super::place::{CONNECT, REQUEST};

/// Makes clients that take an answer with another address as a refusal. Proxy and whether plain HTTP will do are as the
/// options have them.
#[derive(Debug)]
pub(super) struct FollowsNobody;

impl HttpConnector for FollowsNobody {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let wrong = |error: reqwest::Error| object_store::Error::Generic {
            store: "S3",
            // A proxy's address may have a password in it.
            source: Box::new(error.without_url()),
        };
        let plain = options.get_config_value(&ClientConfigKey::AllowHttp);
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(REQUEST)
            .redirect(Policy::none())
            .referer(false)
            .https_only(plain.as_deref() != Some("true"))
            .user_agent(concat!("lucid-node/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = options.get_config_value(&ClientConfigKey::ProxyUrl) {
            builder = builder.proxy(Proxy::all(proxy.as_str()).map_err(wrong)?);
        }
        Ok(HttpClient::new(builder.build().map_err(wrong)?))
    }
}
