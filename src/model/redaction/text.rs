//! Keys in text that is not JSON, or not only.

/// What stands where a key was.
pub const REMOVED: &str = "(removed)";

/// What the name of a key ends with, in lower case and without `_`, `-` and `.`.
const KEYS: [&str; 16] = [
    "accesskey",
    "accountkey",
    "primarykey",
    "secondarykey",
    "symmetrickey",
    "devicekey",
    "modulekey",
    "masterkey",
    "privatekey",
    "apikey",
    "sharedaccesssignature",
    "connectionstring",
    "sastoken",
    "accesstoken",
    "password",
    "secret",
];

/// What may stand apart at the end of a name, as in "Primary key".
const SECOND_WORD: &str = " key";

/// A signature's name in a token and in a URL.
const SIGNATURE: &str = "sig";

/// Characters and padding of a key of 32 and of 64 bytes in base64.
const BASE64_KEYS: [(usize, usize); 2] = [(43, 1), (86, 2)];

/// No run that is longer can be such a key.
const LONGEST_RUN: usize = 90;

/// What may stand behind the name of a key and is none.
const NO_KEYS: [&str; 4] = [REMOVED, "null", "true", "false"];

/// Escapes inside escapes are followed so deep.
const ESCAPES: usize = 8;

/// Whether a member, or a part of a connection string, of this name holds a key.
pub(super) fn is_name_of_a_key(name: &str) -> bool {
    let plain: String = name
        .chars()
        .filter(|c| !matches!(c, '_' | '-' | '.' | ' '))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    plain == SIGNATURE || KEYS.iter().any(|key| plain.ends_with(key))
}

/// The text without keys, also behind escapes; `None` when there is nothing to remove.
pub(super) fn without_keys(text: &str) -> Option<String> {
    let mut cleared = scan(text);
    let mut plain = unescaped(cleared.as_deref().unwrap_or(text));
    for _ in 0..ESCAPES {
        let Some(level) = plain else { break };
        let found = scan(&level);
        plain = unescaped(found.as_deref().unwrap_or(&level));
        cleared = found.or(cleared);
    }
    cleared
}

/// One level of `\"`, `\\`, `\/` and `\u0041` undone; `None` when there is none.
fn unescaped(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    let mut found = false;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        plain.push_str(before);
        let (character, length) = escaped(escape);
        found |= length > 1;
        plain.push(character);
        rest = escape.get(length..).unwrap_or_default();
    }
    plain.push_str(rest);
    found.then_some(plain)
}

/// What an escape stands for, and its length; a backslash that begins none stands for itself.
fn escaped(escape: &str) -> (char, usize) {
    match escape.as_bytes().get(1) {
        Some(&c @ (b'"' | b'\\' | b'/')) => (char::from(c), 2),
        Some(b'u') => {
            let code = escape.get(2..6).and_then(|code| u8::from_str_radix(code, 16).ok());
            code.filter(u8::is_ascii).map_or(('\\', 1), |code| (char::from(code), 6))
        }
        _ => ('\\', 1),
    }
}

/// One pass over the text as it stands.
fn scan(text: &str) -> Option<String> {
    let mut cleared = String::new();
    let (mut copied, mut at) = (0, 0);
    while at < text.len() {
        match key_at(text, at) {
            Found::Key { from, to } => {
                cleared.push_str(text.get(copied..from).unwrap_or_default());
                cleared.push_str(REMOVED);
                (copied, at) = (to, to);
            }
            Found::None { next } => at = next,
        }
    }
    (copied > 0).then(|| cleared + text.get(copied..).unwrap_or_default())
}

/// What begins at a place.
enum Found {
    /// A key, in these bytes.
    Key { from: usize, to: usize },
    /// No key, up to here.
    None { next: usize },
}

fn key_at(text: &str, at: usize) -> Found {
    let rest = text.get(at..).unwrap_or_default();
    let before = byte_before(text, at);
    let whole = base64_key(before, rest).or_else(|| pem_key(rest)).map(|length| (0, length));
    if let Some((from, to)) = whole.or_else(|| named_key(before, rest)) {
        return Found::Key { from: at + from, to: at + to };
    }
    // The letters of `%3B` belong to no name.
    let word = length_while(rest, |byte| byte.is_ascii_alphanumeric());
    let next = percent(rest).map_or(word, |_| 3).max(first_length(rest));
    Found::None { next: at + next }
}

/// The byte before a place, or what the percent escape there stands for.
fn byte_before(text: &str, at: usize) -> Option<u8> {
    let escape = at.checked_sub(3).and_then(|at| percent(text.get(at..)?));
    escape.or_else(|| text.as_bytes().get(at.checked_sub(1)?).copied())
}

/// A key of the form that the services make, alone between other characters or after a slash.
fn base64_key(before: Option<u8>, rest: &str) -> Option<usize> {
    if before.is_some_and(|byte| byte != b'/' && is_base64(byte)) {
        return None;
    }
    let run = rest.bytes().take(LONGEST_RUN).take_while(|byte| is_base64(*byte)).count();
    let padding = rest.get(run..)?.bytes().take(LONGEST_RUN).take_while(|byte| *byte == b'=').count();
    BASE64_KEYS.contains(&(run, padding)).then_some(run + padding)
}

/// A private key in PEM, to its end or that of the text.
fn pem_key(rest: &str) -> Option<usize> {
    let title = rest.strip_prefix("-----BEGIN ")?.split("-----").next()?;
    if !title.ends_with("PRIVATE KEY") {
        return None;
    }
    let end = rest.find("-----END ").and_then(|end| {
        let after = rest.get(end + 9..)?.find("-----")?;
        Some(end + 9 + after + 5)
    });
    Some(end.unwrap_or(rest.len()))
}

/// The value behind a name that begins here, if it is the name of a key.
fn named_key(before: Option<u8>, rest: &str) -> Option<(usize, usize)> {
    if before.is_some_and(is_of_a_name) {
        return None;
    }
    let word = length_while(rest, is_of_a_name);
    let second = rest.get(word..).and_then(|rest| rest.get(..SECOND_WORD.len()));
    let is_two = second.is_some_and(|second| second.eq_ignore_ascii_case(SECOND_WORD));
    let name = if is_two { word + SECOND_WORD.len() } else { word };
    if !is_name_of_a_key(rest.get(..name)?) {
        return None;
    }
    let from = name + separator(rest.get(name..)?)?;
    let value = rest.get(from..)?;
    let quote = rest.get(..from)?.chars().next_back().filter(|c| matches!(c, '"' | '\''));
    let length = match quote {
        Some(quote) => value.find(quote).unwrap_or(value.len()),
        None => unquoted(value),
    };
    let is_there = length > 0 && !NO_KEYS.contains(&value.get(..length)?);
    is_there.then_some((from, from + length))
}

/// `=`, `:` or `%3D`, with what stands around it, up to the value.
fn separator(rest: &str) -> Option<usize> {
    let before = length_while(rest, |byte| byte.is_ascii_whitespace() || b"\"'\\".contains(&byte));
    let sign = rest.get(before..)?;
    let sign = match (sign.as_bytes().first(), percent(sign)) {
        (Some(b'=' | b':'), _) => 1,
        (_, Some(b'=' | b':')) => 3,
        _ => return None,
    };
    let behind = rest.get(before + sign..)?;
    let blanks = length_while(behind, |byte| byte.is_ascii_whitespace() || byte == b'\\');
    let quote = usize::from(behind.get(blanks..)?.starts_with(['"', '\'']));
    Some(before + sign + blanks + quote)
}

/// Up to what cannot stand in a key.
fn unquoted(value: &str) -> usize {
    let mut length = 0;
    while let Some(rest) = value.get(length..).filter(|rest| !rest.is_empty()) {
        let byte = percent(rest).or_else(|| rest.bytes().next()).unwrap_or(b' ');
        if byte.is_ascii_whitespace() || byte.is_ascii_control() || b";&,\"'<>(){}[]\\|".contains(&byte) {
            break;
        }
        length += percent(rest).map_or_else(|| first_length(rest), |_| 3);
    }
    length
}

fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

/// The byte of a percent escape that stands first.
fn percent(rest: &str) -> Option<u8> {
    let code = rest.strip_prefix('%')?.get(..2)?;
    u8::from_str_radix(code, 16).ok()
}

fn first_length(rest: &str) -> usize {
    rest.chars().next().map_or(1, char::len_utf8)
}

fn length_while(rest: &str, is: impl Fn(u8) -> bool) -> usize {
    rest.bytes().take_while(|byte| is(*byte)).count()
}
