//! Which form of the answer a caller wants.

/// A form of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A JSON object.
    Json,
    /// The host name alone, on one line: a constrained device needs no JSON parser.
    Text,
}

impl Form {
    /// By `Accept`. JSON unless text is wanted more; also when neither is acceptable, because an
    /// answer in an unwanted form helps a device more than none.
    pub(super) fn wanted<'a>(accept: impl Iterator<Item = &'a str>) -> Self {
        let (mut json, mut text) = (Weight::default(), Weight::default());
        for range in accept.flat_map(|header| header.split(',')) {
            let (range, quality) = parse(range);
            json.consider(range, quality, "application", "json");
            text.consider(range, quality, "text", "plain");
        }
        if text.quality > json.quality { Self::Text } else { Self::Json }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Text => "text/plain; charset=utf-8",
        }
    }
}

/// The most specific range that matches decides the quality.
#[derive(Default)]
struct Weight {
    specificity: u8,
    quality: u16,
}

impl Weight {
    fn consider(&mut self, range: &str, quality: u16, kind: &str, subkind: &str) {
        let Some((a, b)) = range.split_once('/') else { return };
        let specificity = match (a, b) {
            ("*", "*") => 1,
            (a, "*") if a.eq_ignore_ascii_case(kind) => 2,
            (a, b) if a.eq_ignore_ascii_case(kind) && b.eq_ignore_ascii_case(subkind) => 3,
            _ => return,
        };
        if specificity >= self.specificity {
            *self = Self { specificity, quality };
        }
    }
}

/// A media range without its parameters, and its quality in thousandths.
fn parse(range: &str) -> (&str, u16) {
    let mut parts = range.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let quality =
        parts.filter_map(|part| part.split_once('=')).find(|(key, _)| key.eq_ignore_ascii_case("q"));
    (name, quality.map_or(1000, |(_, value)| thousandths(value)))
}

fn thousandths(value: &str) -> u16 {
    let quality: f32 = value.trim().parse().unwrap_or(1.0);
    // In range by the clamp, also for what is not a number (0).
    (quality.clamp(0.0, 1.0) * 1000.0) as u16
}
