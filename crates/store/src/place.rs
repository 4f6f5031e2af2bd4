//! Where a store is: a file, or a database on a server.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use machine::Instant;

use crate::postgres::PostgresStore;
use crate::sqlite::SqliteStore;
use crate::{Clock, Store, StoreError};

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// One SQLite file.
    File(PathBuf),
    /// A PostgreSQL database, by its URL.
    Server(String),
}

impl Place {
    /// What was named: a URL of a server, else a file.
    pub fn of(named: &Path) -> Place {
        match named.to_str() {
            Some(url) if ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) => {
                Place::Server(url.to_owned())
            }
            Some(text) => Place::File(PathBuf::from(text.strip_prefix("sqlite:").unwrap_or(text))),
            None => Place::File(named.to_owned()),
        }
    }

    /// Makes a store there. Refuses a file that exists and a database that holds anything.
    pub async fn create(&self, clock: Clock, now: Instant) -> Result<Arc<dyn Store>, StoreError> {
        Ok(match self {
            Place::File(path) => Arc::new(SqliteStore::create(path, clock, now).await?),
            Place::Server(url) => Arc::new(PostgresStore::create(url, clock, now).await?),
        })
    }

    /// Opens a database there for a store to be copied into.
    pub async fn receive(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(match self {
            Place::File(path) => Arc::new(SqliteStore::receive(path).await?),
            Place::Server(url) => Arc::new(PostgresStore::receive(url).await?),
        })
    }

    /// Opens the store there and brings its schema up to date.
    pub async fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(match self {
            Place::File(path) => Arc::new(SqliteStore::open(path).await?),
            Place::Server(url) => Arc::new(PostgresStore::open(url).await?),
        })
    }
}

/// As it may be shown: without a password.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(path) => path.display().fmt(f),
            Place::Server(url) => f.write_str(&without_password(url)),
        }
    }
}

/// `postgres://user:secret@host/name?password=secret` without the secrets.
fn without_password(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("postgres", url));
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let rest = match rest.rsplit_once('@') {
        Some((user, host)) => format!("{}@{host}", user.split(':').next().unwrap_or_default()),
        None => rest.to_owned(),
    };
    let query: Vec<&str> = query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .filter(|pair| !pair.starts_with("password="))
        .collect();
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    format!("{scheme}://{rest}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_file_or_a_url_and_shows_no_password() {
        let shown = |text: &str| Place::of(Path::new(text)).to_string();
        assert_eq!(shown("bihuan.db"), "bihuan.db");
        assert_eq!(shown("sqlite:county/bihuan.db"), "county/bihuan.db");
        assert_eq!(shown("postgres://u:p%40ss@h:1/d?a=b&password=x"), "postgres://u@h:1/d?a=b");
        assert_eq!(shown("postgresql://h/d?password=x"), "postgresql://h/d");
        assert_eq!(Place::of(Path::new("postgres://h/d")), Place::Server("postgres://h/d".to_owned()));
    }
}
