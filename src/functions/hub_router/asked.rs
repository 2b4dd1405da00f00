//! Which device asks: the ids of a request, looked at for being ids.
//!
//! The host matches the route in any case, forgives a slash at its end, and passes the path on as it was typed. It parses the
//! query and builds it anew: a `+` comes as a space, and of a parameter given twice `a,b` is left, which is a valid id (all
//! observed). What cannot have been meant is refused where it can still be told.

use axum::http::Uri;
use percent_encoding::percent_decode_str;

use crate::host::HttpCall;
use crate::model::DeviceId;

/// The function's folder and the first segment of its route.
pub const NAME: &str = "hub-router";

/// The route's parameter and the query's.
const PARAMETER: &str = "deviceId";

/// Whether the path is this function's, under any `http.routePrefix` of host.json.
pub(super) fn is_ours(path: &str) -> bool {
    behind_the_name(path).is_some()
}

/// Looks at the ids of a forwarded call: each must be one, and all the same.
pub(super) fn by_uri(uri: &Uri) -> Result<(), String> {
    let in_path = decoded(&behind_the_name(uri.path()).unwrap_or_default())?;
    let in_query = ids_of(uri.query().unwrap_or_default())?;
    one_device(Some(in_path).filter(|id| !id.is_empty()), in_query)
}

/// Looks at the ids of a call in payload form. Its URL is the one place where a parameter given twice still is.
pub(super) fn by_call(call: &HttpCall) -> Result<(), String> {
    let named = |(name, id): (&String, &serde_json::Value)| {
        let id = id.as_str().filter(|_| name.eq_ignore_ascii_case(PARAMETER));
        id.map(str::to_owned)
    };
    let in_path = call.params.iter().find_map(named).map(|id| id.trim_matches('/').to_owned());
    one_device(in_path.filter(|id| !id.is_empty()), call.query.iter().filter_map(named).collect())?;
    let query = call.url.rsplit_once('?').map_or("", |(_, query)| query);
    all_equal(&ids_of(query.split('#').next().unwrap_or_default())?)
}

/// What follows the function's name, still encoded; `None` where the path does not name it.
///
/// The prefix may hold the name as well, and so may a device be called. An id has no slash, so the last place of the name
/// decides.
fn behind_the_name(path: &str) -> Option<String> {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let at = segments.iter().rposition(|segment| is_the_name(segment))?;
    Some(segments.get(at + 1..).unwrap_or_default().join("/"))
}

fn is_the_name(segment: &str) -> bool {
    percent_decode_str(segment).decode_utf8().is_ok_and(|segment| segment.eq_ignore_ascii_case(NAME))
}

/// The ids that a query names. A `+` is taken for the id's own: where it was a space, the host has made it one.
fn ids_of(query: &str) -> Result<Vec<String>, String> {
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let ids = pairs.filter(|(name, _)| name.eq_ignore_ascii_case(PARAMETER));
    ids.map(|(_, id)| decoded(id)).collect()
}

/// The host unescapes the path before it passes a call on, so a `%` in it may be the id's own: what is no escape stays as it
/// is.
fn decoded(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| "deviceId: not UTF-8".to_owned())?;
    Ok(decoded.into_owned())
}

fn one_device(in_path: Option<String>, in_query: Vec<String>) -> Result<(), String> {
    in_path.iter().try_for_each(|id| check(id))?;
    in_query.iter().try_for_each(|id| check(id).map_err(|why| with_a_hint(why, id)))?;
    all_equal(&in_path.into_iter().chain(in_query).collect::<Vec<_>>())
}

fn check(id: &str) -> Result<(), String> {
    id.parse::<DeviceId>().map(drop).map_err(|why| format!("deviceId: {why}"))
}

/// No id has a space, but ids may have a `+`.
fn with_a_hint(why: String, id: &str) -> String {
    if id.contains(' ') { format!("{why}: a '+' in a query is a space, write it as %2B") } else { why }
}

fn all_equal(ids: &[String]) -> Result<(), String> {
    let Some((first, others)) = ids.split_first() else { return Ok(()) };
    match others.iter().find(|other| *other != first) {
        Some(other) => Err(format!("deviceId: one device at a time, not {first:?} and {other:?}")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::host::Invocation;

    #[test]
    fn the_route_is_found_in_any_case_with_any_slashes_under_any_prefix() {
        for path in [
            "/api/hub-router/dev-1",
            "/api/Hub-Router/dev-1",
            "/API/HUB-ROUTER/dev-1/",
            "/api/hub-router//dev-1",
            "//api///hub-router/dev-1//",
            "/api/hub%2Drouter/dev-1",
            "/hub-router/dev-1",
            "/hub-router/hub-router/dev-1",
            "/hub-router/HUB-router/hub-router/dev-1",
            "/a/hub-router/b/hub-router/dev-1",
        ] {
            assert_eq!(behind_the_name(path).as_deref(), Some("dev-1"), "{path}");
        }
        for path in ["/api/hub-router", "/api/hub-router/", "/hub-router//", "/hub-router/hub-router"] {
            assert_eq!(behind_the_name(path).as_deref(), Some(""), "{path}");
        }
        for path in ["/", "/api", "/api/hub-routers/dev-1", "/api/hub/router", "/registry-sync"] {
            assert_eq!(behind_the_name(path), None, "{path}");
        }
        assert_eq!(behind_the_name("/api/hub-router/a/b/").as_deref(), Some("a/b"), "no id, and refused");
    }

    #[test]
    fn ids_of_a_request_are_one_id() {
        let look = |uri: &str| by_uri(&uri.parse().unwrap());
        for uri in [
            "/api/hub-router/a?deviceId=a",
            "/api/hub-router?deviceId=a&DEVICEID=a",
            "/api/hub-router?deviceId=a,b",
            "/api/hub-router?deviceId=dev%2B1",
            "/api/hub-router?deviceId=a%2Cb&code=x",
        ] {
            assert_eq!(look(uri), Ok(()), "{uri}");
        }
        for (uri, why) in [
            ("/api/hub-router?deviceId=a&deviceId=b", r#"deviceId: one device at a time, not "a" and "b""#),
            ("/api/hub-router/a?deviceid=b", r#"deviceId: one device at a time, not "a" and "b""#),
            ("/api/hub-router?deviceId=a&deviceId=", "deviceId: an id must not be empty"),
            (
                "/api/hub-router?deviceId=dev%201",
                "deviceId: an id must not contain ' ': a '+' in a query is a space, write it as %2B",
            ),
            ("/api/hub-router/dev%201", "deviceId: an id must not contain ' '"),
        ] {
            assert_eq!(look(uri), Err(why.to_owned()), "{uri}");
        }
    }

    fn call(url: &str, params: &str, query: &str) -> HttpCall {
        let request = format!(r#"{{"Url":"{url}","Method":"GET","Params":{params},"Query":{query}}}"#);
        let body = format!(r#"{{"Data":{{"req":{request}}},"Metadata":{{}}}}"#);
        Invocation::read(body.as_bytes()).unwrap().try_into().unwrap()
    }

    #[test]
    fn in_payload_form_a_parameter_given_twice_is_still_in_the_url() {
        let base = "http://localhost:7071/api/hub-router";
        let twice = call(&format!("{base}?deviceId=a&deviceId=b"), "{}", r#"{"deviceId":"a,b"}"#);
        assert!(by_call(&twice).unwrap_err().contains("one device at a time"));
        let once = call(&format!("{base}?deviceId=a%2Cb"), "{}", r#"{"deviceId":"a,b"}"#);
        assert_eq!(by_call(&once), Ok(()));
        let slash = call(&format!("{base}/dev-1/"), r#"{"deviceId":"dev-1/"}"#, "{}");
        assert_eq!(by_call(&slash), Ok(()));
        let plus = call(&format!("{base}?deviceId=dev+1"), "{}", r#"{"deviceId":"dev 1"}"#);
        assert!(by_call(&plus).unwrap_err().ends_with("write it as %2B"));
        let other = call(&format!("{base}/a?deviceId=b"), r#"{"deviceId":"a"}"#, r#"{"deviceId":"b"}"#);
        assert!(by_call(&other).is_err());
    }
}
