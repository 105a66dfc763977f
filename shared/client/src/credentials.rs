//! Whom a client trusts, and how it makes itself known.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

use crate::tls::ClientFiles;
use crate::{Reloaded, trace};

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a secret")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

/// Where a client's token comes from.
#[derive(Clone, Debug)]
pub enum TokenSource {
    /// A file that holds nothing else. It is read again when it changes.
    File(PathBuf),
    /// The token itself.
    Given(Secret),
}

/// What a client goes to servers with. By default it has nothing, which a server on loopback takes.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// For https://.
    pub tls: ClientFiles,
    /// Sent with every request.
    pub token: Option<TokenSource>,
    /// Whether a token may go over http:// to other machines, where a mesh does the TLS.
    pub allow_plaintext: bool,
}

/// Why a token cannot be sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Its file cannot be read.
    #[error("cannot read a token from {}", file.display())]
    File {
        /// Which one.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It can be no token. What it is, is not said.
    #[error("what {} is no token: one word of visible ASCII is", from)]
    Malformed {
        /// Where it came from.
        from: String,
    },
}

/// Puts the token before each request.
#[derive(Clone, Debug, Default)]
pub struct Bearer(Option<Reloaded<MetadataValue<Ascii>>>);

impl Bearer {
    pub(crate) fn new(source: Option<&TokenSource>) -> Result<Self, TokenError> {
        let reloaded = match source {
            None => return Ok(Self(None)),
            Some(TokenSource::File(file)) => {
                let own = file.clone();
                Reloaded::new(vec![file.clone()], move || from_file(&own))?
            }
            Some(TokenSource::Given(secret)) => {
                let secret = secret.clone();
                Reloaded::new(Vec::new(), move || header(secret.expose(), "was given"))?
            }
        };
        Ok(Self(Some(reloaded)))
    }
}

fn from_file(file: &Path) -> Result<MetadataValue<Ascii>, TokenError> {
    let text = std::fs::read_to_string(file)
        .map_err(|source| TokenError::File { file: file.to_owned(), source })?;
    header(&text, &format!("{} holds", file.display()))
}

fn header(token: &str, from: &str) -> Result<MetadataValue<Ascii>, TokenError> {
    let token = token.trim();
    let malformed = || TokenError::Malformed { from: from.to_owned() };
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(malformed());
    }
    let mut value: MetadataValue<Ascii> =
        format!("Bearer {token}").parse().map_err(|_| malformed())?;
    // Neither logged nor kept in a header table.
    value.set_sensitive(true);
    Ok(value)
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            let value = MetadataValue::clone(&value.current());
            request.metadata_mut().insert("authorization", value);
        }
        trace::inject(request.metadata_mut());
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(source: TokenSource) -> Result<String, String> {
        let mut bearer = Bearer::new(Some(&source)).map_err(|error| error.to_string())?;
        let request = bearer.call(Request::new(())).unwrap();
        let value = request.metadata().get("authorization").unwrap();
        assert!(value.is_sensitive());
        assert!(!format!("{:?}{bearer:?}", request.metadata()).contains("abc"));
        Ok(value.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_token_is_sent_and_never_shown() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "abc\n").unwrap();
        assert_eq!(sent(TokenSource::File(file.clone())).unwrap(), "Bearer abc");
        assert_eq!(sent(TokenSource::Given("abc".to_owned().into())).unwrap(), "Bearer abc");
        assert_eq!(format!("{:?}", Secret::from("abc".to_owned())), "a secret");

        std::fs::write(&file, "abc def").unwrap();
        for source in [TokenSource::File(file), TokenSource::Given("ab\u{7f}c".to_owned().into())] {
            let error = sent(source).unwrap_err();
            assert!(error.contains("no token") && !error.contains("ab"), "{error}");
        }
        assert!(sent(TokenSource::File(dir.path().join("none"))).unwrap_err().contains("none"));
    }
}
