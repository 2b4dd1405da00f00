//! HTTP calls in payload form: how the host passes them on when forwarding is off.

use serde_json::{Map, Value, json};

use super::{BadInvocation, Invocation, nested};

/// An HTTP call inside an invocation.
#[derive(Debug, Clone, Default)]
pub struct HttpCall {
    /// Method, upper case; `GET` when the host does not say.
    pub method: String,
    /// The caller's own URL, its query as it was written.
    pub url: String,
    /// Query parameters, decoded; the values of one given twice are joined by a comma.
    pub query: Map<String, Value>,
    /// Route parameters, decoded.
    pub params: Map<String, Value>,
    headers: Map<String, Value>,
}

impl TryFrom<Invocation> for HttpCall {
    type Error = BadInvocation;

    fn try_from(mut invocation: Invocation) -> Result<Self, BadInvocation> {
        let trigger = invocation.take_trigger()?;
        let mut call = nested::into_object(Some(nested::unwrapped(trigger)));
        let method = nested::text(&call, "Method").to_ascii_uppercase();
        Ok(Self {
            method: if method.is_empty() { "GET".to_owned() } else { method },
            url: nested::text(&call, "Url"),
            query: nested::take_object(&mut call, "Query"),
            params: nested::take_object(&mut call, "Params"),
            headers: nested::take_object(&mut call, "Headers"),
        })
    }
}

impl HttpCall {
    /// A header's first value; names in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        match value {
            Value::Array(values) => values.first()?.as_str(),
            value => value.as_str(),
        }
    }
}

/// What the `http` output binding `res` sends to the caller.
#[derive(Debug, Clone)]
pub struct HttpOutput {
    /// Status code.
    pub status: u16,
    /// Headers; their values must be scalars.
    pub headers: Vec<(&'static str, String)>,
    /// An object, a text, or null for no body.
    pub body: Value,
}

impl HttpOutput {
    /// The reply's `Outputs`. The output is an object: a bare string output is taken for base64
    /// where it happens to be valid base64. Without a content type the host sends an object as
    /// `text/plain` (both read in its source).
    pub(super) fn outputs(self) -> Value {
        let headers: Map<String, Value> =
            self.headers.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let mut output = json!({ "statusCode": self.status, "headers": headers });
        if let (Some(output), false) = (output.as_object_mut(), self.body.is_null()) {
            output.insert("body".to_owned(), self.body);
        }
        json!({ "res": output })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_call_in_payload_form_is_understood() {
        let body = include_bytes!("../../tests/golden/http-default.request.json");
        let call: HttpCall = Invocation::read(body).unwrap().try_into().unwrap();
        assert_eq!(call.method, "POST");
        assert_eq!(call.params.get("id"), Some(&json!("dev1")));
        assert_eq!(call.query.get("mode"), Some(&json!("full")));
        assert!(call.url.ends_with("?mode=full"), "{}", call.url);
        assert_eq!(call.header("accept"), Some("*/*"));
        assert_eq!(call.header("if-none-match"), None);
    }
}
