//! Route templates: literals, `{name}`, `{name?}` and `{*rest}`, matched without regard to the case of literals.

/// The values a path gives to the parameters of a route, in order.
pub(super) type Values = Vec<(String, String)>;

#[derive(Clone, Debug)]
pub(super) struct Route {
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq)]
enum Segment {
    Literal(String),
    Parameter { name: String, optional: bool },
    CatchAll(String),
}

impl Route {
    /// A constraint behind a colon is read over: only the name counts.
    pub(super) fn parse(prefix: &str, template: &str) -> Self {
        let prefix =
            prefix.split('/').filter(|text| !text.is_empty()).map(|text| Segment::Literal(text.to_owned()));
        let own = template.split('/').filter(|text| !text.is_empty()).map(segment);
        Self { segments: prefix.chain(own).collect() }
    }

    /// Whether a decoded path fits, and what its parameters are. One slash at the end is forgiven, an empty segment is not
    /// (observed).
    pub(super) fn matches(&self, path: &str) -> Option<Values> {
        let inner = path.strip_prefix('/').unwrap_or(path);
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        if path != "/" && inner.split('/').any(str::is_empty) {
            return None;
        }
        let mut given = inner.split('/').filter(|text| !text.is_empty());
        let mut values = Values::new();
        for segment in &self.segments {
            match segment {
                Segment::CatchAll(name) => {
                    let rest: Vec<_> = given.by_ref().collect();
                    if !rest.is_empty() {
                        values.push((name.clone(), rest.join("/")));
                    }
                }
                Segment::Literal(literal) => {
                    given.next().filter(|text| text.eq_ignore_ascii_case(literal)).map(drop)?
                }
                Segment::Parameter { name, optional } => match given.next() {
                    Some(text) => values.push((name.clone(), text.to_owned())),
                    None if *optional => {}
                    None => return None,
                },
            }
        }
        given.next().is_none().then_some(values)
    }

    /// Lower goes first: literals before parameters before catch-alls, segment by segment.
    pub(super) fn precedence(&self) -> Vec<u8> {
        let rank = |segment: &Segment| match segment {
            Segment::Literal(_) => 0,
            Segment::Parameter { .. } => 1,
            Segment::CatchAll(_) => 2,
        };
        self.segments.iter().map(rank).collect()
    }
}

fn segment(text: &str) -> Segment {
    let Some(inner) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) else {
        return Segment::Literal(text.to_owned());
    };
    let name = |text: &str| text.split([':', '?', '=']).next().unwrap_or_default().to_owned();
    match inner.strip_prefix('*') {
        Some(rest) => Segment::CatchAll(name(rest.trim_start_matches('*'))),
        None => Segment::Parameter { name: name(inner), optional: inner.ends_with('?') },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Template, path, and the values if it fits.
    type Case = (&'static str, &'static str, Option<&'static [(&'static str, &'static str)]>);

    #[test]
    fn a_path_fits_its_template() {
        let cases: [Case; 14] = [
            ("hub-router/{*deviceId}", "/api/hub-router", Some(&[])),
            ("hub-router/{*deviceId}", "/api/hub-router/a", Some(&[("deviceId", "a")])),
            ("hub-router/{*deviceId}", "/api/Hub-Router/a/b", Some(&[("deviceId", "a/b")])),
            ("devices/{id}", "/api/devices/x", Some(&[("id", "x")])),
            ("devices/{id:int}", "/api/devices/1", Some(&[("id", "1")])),
            ("devices/{id}", "/api/devices", None),
            ("devices/{id?}", "/api/devices", Some(&[])),
            ("devices/{id}", "/api/devices/x/y", None),
            ("devices", "/devices", None),
            ("devices", "/api/devices/", Some(&[])),
            ("hub-router/{*deviceId}", "/api/hub-router/a/", Some(&[("deviceId", "a")])),
            ("hub-router/{*deviceId}", "/api/hub-router//a", None),
            ("hub-router/{*deviceId}", "/api/hub-router/a//", None),
            ("hub-router/{*deviceId}", "//api/hub-router/a", None),
        ];
        for (template, path, expected) in cases {
            let expected = expected.map(|pairs| {
                pairs
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect::<Values>()
            });
            assert_eq!(Route::parse("api", template).matches(path), expected, "{template} {path}");
        }
    }

    #[test]
    fn a_literal_goes_before_a_parameter_and_that_before_a_catch_all() {
        let precedence = |template| Route::parse("api", template).precedence();
        assert!(precedence("a/b") < precedence("a/{x}"));
        assert!(precedence("a/{x}") < precedence("a/{*x}"));
    }

    #[test]
    fn an_empty_prefix_puts_routes_at_the_root() {
        assert!(Route::parse("", "devices").matches("/devices").is_some());
    }
}
