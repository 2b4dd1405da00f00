//! Where a command by hand finds its settings, when the environment has none: the host brings them itself.

use std::path::Path;

use serde_json::Value;

use super::environment::Environment;
use super::settings;

/// The settings of Core Tools, beside host.json in the app's folder.
const LOCAL: &str = "local.settings.json";

/// Where settings can be put, for whoever has none.
pub const SOURCES: &str = "settings are environment variables; --env-file reads NAME=VALUE lines, and where none is set, \
                           local.settings.json is read in the app's folder";

/// Settings for a command, and from which file some of them are.
#[derive(Debug)]
pub struct ByHand {
    /// All of them.
    pub environment: Environment,
    /// For the operator, where a file was read that nobody named.
    pub notice: Option<String>,
}

/// The settings of a command in `folder`. A file that is named goes before the environment; local.settings.json is read only
/// where the environment has none of ours, so that never half of them is from here and half from there.
///
/// # Errors
/// In words, when the named file cannot be read.
pub fn by_hand(mut environment: Environment, named: Option<&Path>, folder: &Path) -> Result<ByHand, String> {
    if let Some(file) = named {
        let text = std::fs::read_to_string(file).map_err(|why| format!("{}: {why}", file.display()))?;
        environment.extend(
            lines(&text).map_err(|number| format!("{}: line {number} is not NAME=VALUE", file.display()))?,
        );
        return Ok(ByHand { environment, notice: None });
    }
    let is_set = settings::ALL.iter().any(|setting| environment.contains_key(setting.name));
    if is_set || !folder.join("host.json").is_file() {
        return Ok(ByHand { environment, notice: None });
    }
    let local = local(&folder.join(LOCAL));
    let notice = (!local.is_empty()).then(|| format!("settings are from {LOCAL}"));
    for (name, value) in local {
        environment.entry(name).or_insert(value);
    }
    Ok(ByHand { environment, notice })
}

/// `NAME=VALUE` a line, as `docker --env-file` and shells write them; the number of a line that is not.
fn lines(text: &str) -> Result<Vec<(String, String)>, usize> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|(number, line)| {
            let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=').ok_or(number)?;
            Ok((name.trim().to_owned(), unquoted(value.trim()).to_owned()))
        })
        .collect()
}

fn unquoted(value: &str) -> &str {
    let inner = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

/// `Values` of the file; nothing of one that is absent, encrypted or of another form.
fn local(file: &Path) -> Environment {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let document: Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap_or_default();
    if document.get("IsEncrypted").and_then(Value::as_bool).unwrap_or(true) {
        return Environment::new();
    }
    let values = document.get("Values").and_then(Value::as_object).into_iter().flatten();
    values.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lines_of_a_file_are_read_as_shells_write_them() {
        let text = "# both hubs\n\niothub1=HostName=h;SharedAccessKey=AA==\nexport iothub2='x y'\r\nHADR_LOG = \"debug\" \n";
        let read = lines(text).unwrap();
        let expected =
            [("iothub1", "HostName=h;SharedAccessKey=AA=="), ("iothub2", "x y"), ("HADR_LOG", "debug")];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(lines("a=1\nnever-shown"), Err(2));
    }

    #[test]
    fn local_settings_are_read_where_nothing_is_set_and_the_app_is() {
        let folder = std::env::temp_dir().join(format!("by-hand-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).unwrap();
        let file = r#"{"IsEncrypted": false, "Values": {"iothub1": "one", "HADR_LOG": "debug"}}"#;
        std::fs::write(folder.join(LOCAL), file).unwrap();
        let read = |set: &[(&str, &str)], named: Option<&Path>| {
            let set = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            by_hand(set, named, &folder).unwrap()
        };
        assert!(read(&[], None).environment.is_empty(), "not the app's folder");
        std::fs::write(folder.join("host.json"), "{}").unwrap();
        let found = read(&[("PATH", "/bin")], None);
        assert_eq!(found.environment.get("iothub1").map(String::as_str), Some("one"));
        assert!(found.notice.is_some_and(|notice| notice.contains(LOCAL)));
        let half = read(&[("iothub2", "")], None);
        assert!(
            half.environment.len() == 1 && half.notice.is_none(),
            "never half from here and half from there"
        );
        let named = folder.join("named");
        std::fs::write(&named, "iothub1=other").unwrap();
        let named = read(&[("iothub1", "exported")], Some(&named));
        assert_eq!(named.environment.get("iothub1").map(String::as_str), Some("other"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
