//! The URL of an endpoint, parsed once.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// `http://host[:port]` or `https://host[:port]`, with an optional path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointUrl {
    text: String,
    host: String,
}

impl EndpointUrl {
    /// The URL as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it leads to this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.host.as_str();
        host.eq_ignore_ascii_case("localhost")
            || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl FromStr for EndpointUrl {
    type Err = EndpointUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = ["http://", "https://"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme));
        let rest = rest.ok_or(EndpointUrlError::Scheme)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (host, port) = match authority.strip_prefix('[') {
            Some(bracketed) => bracketed.split_once(']').ok_or(EndpointUrlError::Host)?,
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
        if host.is_empty() || !host.chars().all(legal) {
            return Err(EndpointUrlError::Host);
        }
        match port.strip_prefix(':') {
            None if port.is_empty() => {}
            Some(port) if port.parse::<u16>().is_ok_and(|port| port > 0) => {}
            _ => return Err(EndpointUrlError::Port),
        }
        Ok(Self {
            text: text.to_owned(),
            host: host.to_owned(),
        })
    }
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a text is not the URL of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointUrlError {
    /// Neither `http://` nor `https://`.
    #[error("an endpoint begins with http:// or https://, such as http://127.0.0.1:4567")]
    Scheme,
    /// No host, or one with characters that no host has.
    #[error("there is no valid host behind http:// or https://")]
    Host,
    /// Not a port.
    #[error("the port is not a number from 1 to 65535")]
    Port,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_parsed_and_this_machine_is_known() {
        let cases = [
            ("http://127.0.0.1:4567", true),
            ("http://127.8.9.1", true),
            ("https://localhost:1/path", true),
            ("http://LOCALHOST", true),
            ("http://[::1]:4567/", true),
            ("https://kinesis.eu-central-1.amazonaws.com", false),
            ("http://10.0.0.1:80", false),
            ("http://localhost.example.com", false),
            ("http://[2001:db8::1]", false),
        ];
        for (text, loopback) in cases {
            let url: EndpointUrl = text.parse().expect(text);
            assert_eq!((url.as_str(), url.is_loopback()), (text, loopback));
        }
    }

    #[test]
    fn what_is_no_url_is_said() {
        use EndpointUrlError::{Host, Port, Scheme};
        let cases = [
            ("", Scheme),
            ("127.0.0.1:4567", Scheme),
            ("ftp://host", Scheme),
            ("http://", Host),
            ("http:///path", Host),
            ("http://:80", Host),
            ("http://a b", Host),
            ("http://user@host", Host),
            ("http://[::1", Host),
            ("http://host:", Port),
            ("http://host:0", Port),
            ("http://host:65536", Port),
            ("http://[::1]4567", Port),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<EndpointUrl>(), Err(error), "{text}");
        }
    }
}
