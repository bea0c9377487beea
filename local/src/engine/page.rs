//! Page tokens of listings that go by name: where a page ended, and when it was given out.

use super::error::ServiceError;
use super::seal::{Kind, Reader, Sealer, Writer};

impl Sealer {
    /// The token of the page that begins after `last`.
    pub(super) fn seal_page(&self, kind: Kind, last: &str, now_ms: u64) -> String {
        let content = Writer::default().text(last).number(now_ms).finish();
        self.seal(kind, &content)
    }

    /// The name after which this token's page begins.
    pub(super) fn open_page(&self, kind: Kind, token: &str, now_ms: u64) -> Result<String, ServiceError> {
        let content = self.open(kind, token);
        let read = content.as_deref().and_then(|content| {
            let mut reader = Reader(content);
            Some((reader.text()?.to_owned(), reader.number()?))
        });
        let (last, issued_ms) = read.ok_or_else(|| ServiceError::invalid_argument("Invalid NextToken."))?;
        if issued_ms.saturating_add(TOKEN_MS) < now_ms {
            return Err(ServiceError::expired_next_token("NextToken has expired."));
        }
        Ok(last)
    }
}

/// Source: AWS API reference, ListShards, `NextToken`: 300 seconds.
pub(super) const TOKEN_MS: u64 = 300_000;
