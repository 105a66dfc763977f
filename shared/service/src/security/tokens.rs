//! Callers by token or by certificate. The file holds hashes only: whoever reads it cannot come in by it.
//!
//! ```toml
//! [[caller]]
//! name = "checkout"
//! sha256 = "…64 hexadecimal digits…"
//! permissions = ["predict"]
//! quota = { per_second = 50, burst = 100 }
//!
//! [[caller]]
//! name = "moderation"
//! certificate = "spiffe://shop/moderation"
//! permissions = ["predict", "jobs"]
//! ```
//!
//! A certificate counts where the server demands one, by its first URI, else its first DNS name, and as
//! long as no token is shown.
//!
//! Two entries of one name are one caller with two tokens, for the time in which one replaces the
//! other; they share a quota.

use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

use agespan_client::{Reloaded, Secret};
use rand::Rng;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub use super::permissions::Permission;
pub use super::quota::Quota;

/// Begins every token, so that scanners for secrets find one that was left somewhere.
const PREFIX: &str = "agespan_";
/// Random bytes in a token.
const TOKEN_BYTES: usize = 32;
/// Longest name of a caller.
const LONGEST_NAME: usize = 64;

/// The SHA-256 of a token.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Hash([u8; 32]);

impl Hash {
    fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

impl TryFrom<String> for Hash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let problem = "sha256 should be 64 hexadecimal digits";
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(problem);
        }
        let mut hash = [0; 32];
        for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| problem)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| problem)?;
        }
        Ok(Self(hash))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// A caller of the file.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) name: String,
    sha256: Option<Hash>,
    certificate: Option<String>,
    pub(super) permissions: Vec<Permission>,
    pub(super) quota: Option<Quota>,
}

/// All callers of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tokens {
    #[serde(default)]
    caller: Vec<Entry>,
}

/// Why the callers are not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokensError {
    /// The file cannot be read.
    #[error("cannot read the tokens file {}", file.display())]
    Read {
        /// Which one.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not what it should be.
    #[error("the tokens file {} cannot be understood: {why}", file.display())]
    Malformed {
        /// Which one.
        file: PathBuf,
        /// Where and what.
        why: String,
    },
    /// It cannot be the name of a caller.
    #[error("{0:?} cannot be a caller's name: 1 to 64 letters, digits and any of . _ - / : @")]
    Name(String),
}

pub(super) fn load(file: &Path) -> Result<Reloaded<Tokens>, TokensError> {
    let own = file.to_owned();
    Reloaded::new(vec![file.to_owned()], move || Tokens::read(&own))
}

/// The names of a file's callers, after the checks that a server makes when it starts.
///
/// # Errors
/// What the server would refuse to start with.
pub fn callers(file: &Path) -> Result<Vec<String>, TokensError> {
    Ok(Tokens::read(file)?.caller.into_iter().map(|entry| entry.name).collect())
}

impl Tokens {
    fn read(file: &Path) -> Result<Self, TokensError> {
        let text = std::fs::read_to_string(file)
            .map_err(|source| TokensError::Read { file: file.to_owned(), source })?;
        let malformed = |why| TokensError::Malformed { file: file.to_owned(), why };
        let tokens: Self = toml::from_str(&text).map_err(|error| malformed(one_line(&error)))?;
        tokens.check().map_err(malformed)?;
        Ok(tokens)
    }

    fn check(&self) -> Result<(), String> {
        if self.caller.is_empty() {
            return Err("it has no [[caller]], so that nobody could come in".to_owned());
        }
        for (index, entry) in self.caller.iter().enumerate() {
            check_name(&entry.name).map_err(|error| error.to_string())?;
            if entry.quota.is_some_and(|quota| !quota.is_usable()) {
                return Err(format!("{}: per_second and burst should be above 0", entry.name));
            }
            if entry.sha256.is_some() == entry.certificate.is_some() {
                return Err(format!("{}: either sha256 or certificate makes a caller", entry.name));
            }
            let same = |other: &Entry| {
                (&other.sha256, &other.certificate) == (&entry.sha256, &entry.certificate)
            };
            if self.caller[..index].iter().any(same) {
                return Err(format!(
                    "{}: another caller has the same sha256 or certificate",
                    entry.name
                ));
            }
        }
        Ok(())
    }

    /// The caller whose token this is. Hashes are compared, and every one to its end, so that the
    /// time tells nothing.
    pub(super) fn find(&self, token: &str) -> Option<&Entry> {
        let hash = Hash::of(token);
        let mut found = None;
        for entry in &self.caller {
            if entry.sha256.is_some_and(|known| bool::from(known.0.ct_eq(&hash.0))) {
                found = Some(entry);
            }
        }
        found
    }

    /// The caller whose certificate has this name.
    pub(super) fn certified(&self, name: &str) -> Option<&Entry> {
        self.caller.iter().find(|entry| entry.certificate.as_deref() == Some(name))
    }
}

impl Entry {
    pub(super) fn may(&self, permission: Permission) -> bool {
        self.permissions.iter().any(|held| held.covers(permission))
    }
}

/// What a parser says over several lines, without the source lines it shows.
fn one_line(error: &toml::de::Error) -> String {
    error.message().replace('\n', ", ")
}

fn check_name(name: &str) -> Result<(), TokensError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/:@".contains(&byte);
    let good = (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(fits);
    if good { Ok(()) } else { Err(TokensError::Name(name.to_owned())) }
}

/// A new token, and its entry for the file.
///
/// # Errors
/// When the name cannot be one.
pub fn issue(
    name: &str,
    permissions: &[Permission],
    quota: Option<Quota>,
) -> Result<(Secret, String), TokensError> {
    check_name(name)?;
    let mut bytes = [0; TOKEN_BYTES];
    rand::rng().fill_bytes(&mut bytes);
    let token = bytes.iter().fold(PREFIX.to_owned(), |mut token, byte| {
        let _ = write!(token, "{byte:02x}");
        token
    });
    let permissions: Vec<_> = permissions.iter().map(|held| format!("\"{held}\"")).collect();
    let mut entry = format!(
        "[[caller]]\nname = \"{name}\"\nsha256 = \"{}\"\npermissions = [{}]\n",
        Hash::of(&token),
        permissions.join(", ")
    );
    if let Some(Quota { per_second, burst }) = quota {
        let _ = writeln!(entry, "quota = {{ per_second = {per_second:?}, burst = {burst} }}");
    }
    Ok((token.into(), entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Tokens, String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tokens.toml");
        std::fs::write(&file, text).unwrap();
        Tokens::read(&file).map_err(|error| error.to_string())
    }

    #[test]
    fn an_issued_token_is_found_by_its_entry_alone() {
        let quota = Quota { per_second: 5.0, burst: 10 };
        let (first, entry) = issue("shop", &[Permission::Predict], Some(quota)).unwrap();
        let (second, other) = issue("ops", &[Permission::Jobs, Permission::Models], None).unwrap();
        assert_ne!(first, second);
        let text = format!("{entry}\n{other}");
        assert!(!text.contains(first.expose()), "{text}");
        let tokens = parsed(&text).unwrap();
        let found = tokens.find(first.expose()).unwrap();
        assert_eq!((found.name.as_str(), found.quota), ("shop", Some(quota)));
        assert!(found.may(Permission::Predict) && !found.may(Permission::Jobs));
        assert_eq!(tokens.find(second.expose()).unwrap().name, "ops");
        assert!(tokens.find("").is_none() && tokens.find(&first.expose()[1..]).is_none());
    }

    #[test]
    fn a_bad_file_says_what_is_wrong_with_it() {
        let (_, entry) = issue("shop", &[Permission::Admin], None).unwrap();
        for (text, word) in [
            (String::new(), "no [[caller]]"),
            (format!("{entry}{entry}"), "same sha256"),
            (entry.replace("admin", "root"), "root"),
            (entry.replace("sha256 = \"", "sha256 = \"0"), "64 hexadecimal"),
            (entry.replace("shop", "two words"), "two words"),
            (format!("{entry}quota = {{ per_second = 0, burst = 1 }}"), "above 0"),
            (format!("{entry}token = \"abc\""), "token"),
            (format!("{entry}certificate = \"shop\""), "either sha256 or certificate"),
            ("[[caller]]\nname = \"a\"\npermissions = []".to_owned(), "either sha256 or"),
        ] {
            let error = parsed(&text).err().unwrap();
            assert!(error.contains(word) && !error.contains('\n'), "{word}: {error}");
        }
        assert!(issue("a b", &[], None).is_err() && issue("", &[], None).is_err());
    }
}
