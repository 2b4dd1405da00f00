//! `HADR_LOG`: the Functions host's words for levels, or a filter as tracing writes them.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

/// The filter in tracing's words. What is no filter, or would silence everything by mistake, is refused with the reason.
///
/// A word alone is a level: tracing takes any other for the name of a target, shows that one and silences the rest.
pub(super) fn log_filter(text: &str) -> Result<String, String> {
    let directives = text.split(',').map(str::trim).filter(|directive| !directive.is_empty());
    let filter = directives.map(directive).collect::<Result<Vec<_>, _>>()?.join(",");
    match EnvFilter::builder().parse(&filter) {
        Ok(_) if filter.is_empty() => Err(format!("'{text}' says nothing")),
        Ok(_) => Ok(filter),
        Err(why) => Err(format!("'{text}' is no log filter: {why}")),
    }
}

/// A level, or `target=level`. Spans (`[span]`) are left to tracing.
fn directive(text: &str) -> Result<String, String> {
    if text.contains(['[', ']', '{', '}']) {
        return Ok(text.to_owned());
    }
    let Some((target, name)) = text.split_once('=') else {
        return level(text).map(|level| level.to_string());
    };
    if !target.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':') {
        return Err(format!("'{target}' is no target: a module path such as iot_hadr::routing is"));
    }
    Ok(format!("{target}={}", level(name)?))
}

/// The host's words (documented), and tracing's, in any case.
fn level(text: &str) -> Result<LevelFilter, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "trace" => Ok(LevelFilter::TRACE),
        "debug" => Ok(LevelFilter::DEBUG),
        "information" | "info" => Ok(LevelFilter::INFO),
        "warning" | "warn" => Ok(LevelFilter::WARN),
        // Nothing here is worse than an error.
        "error" | "critical" => Ok(LevelFilter::ERROR),
        "none" | "off" => Ok(LevelFilter::OFF),
        _ => Err(format!(
            "'{text}' is no level: Trace, Debug, Information, Warning, Error, Critical or None, or a filter such as warn,iot_hadr=debug"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_words_are_taken_in_any_case() {
        for (said, filter) in [
            ("Trace", "trace"),
            ("Debug", "debug"),
            ("Information", "info"),
            ("INFORMATION", "info"),
            ("warning", "warn"),
            ("Error", "error"),
            ("Critical", "error"),
            ("None", "off"),
            ("info", "info"),
            ("Warn", "warn"),
            ("off", "off"),
            ("Warning, iot_hadr=Information", "warn,iot_hadr=info"),
            ("iot_hadr::routing=trace", "iot_hadr::routing=trace"),
            ("info,", "info"),
        ] {
            assert_eq!(log_filter(said).as_deref(), Ok(filter), "{said}");
        }
    }

    #[test]
    fn what_is_no_level_is_refused_and_not_taken_for_a_target() {
        for said in [
            "Informations",
            "verbose",
            "iot_hadr",
            "Host",
            "default",
            "a=b=c",
            "iot_hadr=loud",
            "iot-hadr=debug",
            "warn,iot_hadr",
            "information debug",
            "iot_hadr=",
            "[",
            "3x",
            ",",
        ] {
            assert!(log_filter(said).is_err(), "{said}");
        }
        assert!(log_filter("verbose").is_err_and(|why| why.contains("Information")));
    }
}
