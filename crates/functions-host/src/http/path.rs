//! The path of a forwarded request. The host decodes it, writes it into a display URL, and reads that URL again:
//! so `#` and `?` cut it, and what was encoded twice is decoded twice. Read in source.

use axum::http::request::Parts;
use axum::http::{Uri, header};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// What .NET's `Uri` escapes in a path, beside everything that is not ASCII. A lone `%` is seen to apart.
const ESCAPED: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');

/// What .NET's `UrlEncoder` escapes, beside everything that is not ASCII.
const ESCAPED_IN_QUERY: &AsciiSet = &ESCAPED
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'\'')
    .add(b'+')
    .add(b'/')
    .add(b':')
    .add(b'=')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']');

/// The path as the web server hands it to the host: decoded once, except for `%2F`; dot segments are resolved.
pub(super) fn decoded(raw: &str) -> String {
    let pieces = split_keeping(raw, &["%2F", "%2f"]);
    let decoded = pieces.into_iter().map(|piece| match piece {
        "%2F" | "%2f" => piece.to_owned(),
        // What is not UTF-8 stays encoded.
        text => percent_decode_str(text)
            .decode_utf8()
            .map_or_else(|_| text.to_owned(), std::borrow::Cow::into_owned),
    });
    without_dot_segments(&decoded.collect::<String>())
}

/// The path the handler gets, made from the decoded one.
pub(super) fn forwarded(decoded: &str) -> String {
    let cut = decoded.split(['#', '?']).next().unwrap_or_default().replace('\\', "/");
    without_dot_segments(&reescaped(&cut))
}

fn split_keeping<'a>(text: &'a str, separators: &[&str]) -> Vec<&'a str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = separators.iter().filter_map(|separator| rest.find(separator)).min() {
        let (before, from) = rest.split_at(at);
        let (separator, after) = from.split_at(3);
        pieces.extend([before, separator]);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

/// Escapes what a URI may not hold; valid escapes stay, and those of unreserved characters are undone.
fn reescaped(path: &str) -> String {
    let mut escaped = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        escaped.extend(utf8_percent_encode(before, ESCAPED));
        let code = after.get(..2).filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                escaped.push_str(&unreserved(byte).unwrap_or_else(|| format!("%{byte:02X}")));
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                escaped.push_str("%25");
                rest = after;
            }
        }
    }
    escaped.extend(utf8_percent_encode(rest, ESCAPED));
    escaped
}

fn unreserved(byte: u8) -> Option<String> {
    (byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)).then(|| char::from(byte).to_string())
}

fn without_dot_segments(path: &str) -> String {
    if !path.split('/').any(|segment| segment == "." || segment == "..") {
        return path.to_owned();
    }
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    format!("/{}", kept.join("/"))
}

/// `http://host/path?query` as the request line and the `Host` header have it.
pub(super) fn display_url(parts: &Parts, decoded_path: &str) -> String {
    let host = parts.headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or("localhost");
    format!("http://{host}{decoded_path}{}", query(&parts.uri))
}

/// The query as the host builds it anew from what it has parsed: a `+` is a space, a name that is there again (in any case)
/// adds its value behind a comma. Observed; which characters are escaped is .NET's `UrlEncoder` (read).
pub(super) fn rebuilt_query(uri: &Uri) -> String {
    let values = joined(parameters(uri));
    let escape = |text: &str| utf8_percent_encode(text, ESCAPED_IN_QUERY).to_string();
    let pairs: Vec<_> =
        values.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

/// Each name once, compared without case, its values behind each other with commas.
pub(super) fn joined(parameters: impl Iterator<Item = (String, String)>) -> Vec<(String, String)> {
    let mut values: Vec<(String, String)> = Vec::new();
    for (name, value) in parameters {
        match values.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            Some((_, known)) => *known = format!("{known},{value}"),
            None => values.push((name, value)),
        }
    }
    values
}

/// The parameters of the query, decoded, as often as they are given.
pub(super) fn parameters(uri: &Uri) -> impl Iterator<Item = (String, String)> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(move |(name, value)| (decode(name), decode(value)))
}

/// `?query`, or nothing.
fn query(uri: &Uri) -> String {
    uri.query().filter(|query| !query.is_empty()).map(|query| format!("?{query}")).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_query_is_parsed_and_built_anew() {
        let cases = [
            ("/x", ""),
            ("/x?", ""),
            ("/x?deviceId=dev%231", "?deviceId=dev%231"),
            ("/x?deviceId=dev+1", "?deviceId=dev%201"),
            ("/x?deviceId=dev%2B1", "?deviceId=dev%2B1"),
            ("/x?deviceId=a&code=1&DeviceId=b", "?deviceId=a,b&code=1"),
            ("/x?deviceId", "?deviceId="),
            ("/x?deviceId=a%2Cb@c", "?deviceId=a,b@c"),
        ];
        for (asked, sent) in cases {
            assert_eq!(rebuilt_query(&asked.parse().unwrap()), sent, "{asked}");
        }
    }

    #[test]
    fn the_path_is_rebuilt_from_the_unescaped_display_url() {
        let cases = [
            ("/api/hub-router/dev1", "/api/hub-router/dev1"),
            ("/api/hub-router/a%23b", "/api/hub-router/a"),
            ("/api/hub-router/a%3Fb", "/api/hub-router/a"),
            ("/api/hub-router/%41", "/api/hub-router/A"),
            ("/api/hub-router/%2541", "/api/hub-router/A"),
            ("/api/hub-router/50%25", "/api/hub-router/50%25"),
            ("/api/hub-router/a%252Fb", "/api/hub-router/a%2Fb"),
            ("/api/hub-router/a%2Fb", "/api/hub-router/a%2Fb"),
            ("/api/hub-router/a%20b", "/api/hub-router/a%20b"),
            ("/api/hub-router/a%5Cb", "/api/hub-router/a/b"),
            ("/api/hub-router/B%C3%A5stad", "/api/hub-router/B%C3%A5stad"),
            ("/api/hub-router/%252541", "/api/hub-router/%2541"),
            ("/api/hub-router/a+b=c@d!e", "/api/hub-router/a+b=c@d!e"),
            ("/api/x/../y", "/api/y"),
        ];
        for (requested, sent) in cases {
            assert_eq!(forwarded(&decoded(requested)), sent, "{requested}");
        }
    }
}
