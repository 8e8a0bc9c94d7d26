//! The pair in the environment, where a file may hold the secret.

use std::path::Path;

use zeroize::Zeroizing;

use super::content::{Content, warn_of_exposed};
use super::{Credentials, Place};
use crate::environment::variable;
use crate::{Error, ErrorKind};

impl Credentials {
    /// The pair in the environment variables `FISKIL_CLIENT_ID` and
    /// `FISKIL_CLIENT_SECRET`.
    ///
    /// Instead of the latter, `FISKIL_CLIENT_SECRET_FILE` may name a file that
    /// holds the secret and nothing else, as Docker and Kubernetes mount it. It is
    /// read once, here; one line ending at its end is no part of the secret. Where
    /// secrets are rotated, [`CredentialsFiles`](crate::CredentialsFiles) reads
    /// them before every exchange.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Credentials`], naming every variable that is unset, empty,
    /// not Unicode or has control characters, both `FISKIL_CLIENT_SECRET` and
    /// `FISKIL_CLIENT_SECRET_FILE` where both are set, and what is wrong with the file.
    /// It never shows a value.
    pub fn from_env() -> Result<Self, Error> {
        let (id, secret) = (required(ID), secret());
        match (id, secret) {
            (Ok(id), Ok((secret, place))) => Ok(Self::of(&id, secret, place)),
            (id, secret) => {
                let problems: Vec<String> = id.err().into_iter().chain(secret.err()).collect();
                Err(Error::new(
                    ErrorKind::Credentials,
                    format!(
                        "{}: set both to the values from the Fiskil Console",
                        problems.join(" and ")
                    ),
                ))
            }
        }
    }
}

fn required(name: &str) -> Result<Zeroizing<String>, String> {
    variable(name)?.ok_or_else(|| format!("{name} is not set"))
}

/// The secret, and where the pair is.
fn secret() -> Result<(Zeroizing<String>, Place), String> {
    let Some(path) = variable(SECRET_FILE)? else {
        let place = Place::Named(format!("{ID} and {SECRET}"));
        return Ok((required(SECRET)?, place));
    };
    // Also where the other one is of no use by itself.
    if variable(SECRET) != Ok(None) {
        return Err(format!("both {SECRET} and {SECRET_FILE} are set"));
    }
    let path = Path::new(&*path);
    let problem = |error: Error| format!("of {SECRET_FILE}, {error}");
    let content = Content::read(path).map_err(|it| problem(it.of(path)))?;
    if content.exposed {
        warn_of_exposed(path);
    }
    let secret = content.value().map_err(|it| problem(it.of(path)))?;
    Ok((secret, Place::Named(format!("{ID} and {SECRET_FILE}"))))
}

const ID: &str = "FISKIL_CLIENT_ID";
const SECRET: &str = "FISKIL_CLIENT_SECRET";
const SECRET_FILE: &str = "FISKIL_CLIENT_SECRET_FILE";
