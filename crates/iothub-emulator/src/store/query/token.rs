//! Words, strings, numbers and signs of a query.

use crate::error::HubError;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A name or keyword.
    Word(String),
    /// A string without its quotes.
    Text(String),
    /// A number as written.
    Number(String),
    /// An operator, bracket or comma.
    Sign(&'static str),
}

const SIGNS: [&str; 18] =
    ["!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", "[", "]", ",", "*", ".", "-", "+", "/", "%"];

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, HubError> {
    let mut rest = text.trim_start();
    let mut all = Vec::new();
    while !rest.is_empty() {
        let (token, after) = next(rest)?;
        all.push(token);
        rest = after.trim_start();
    }
    Ok(all)
}

fn next(text: &str) -> Result<(Token, &str), HubError> {
    let first = text.chars().next().unwrap_or(' ');
    if first == '\'' || first == '"' {
        return string(text, first);
    }
    if first.is_ascii_digit() {
        let (number, rest) = run(text, |c| c.is_ascii_alphanumeric() || c == '.');
        return Ok((Token::Number(number.to_owned()), rest));
    }
    if first.is_alphabetic() || first == '_' || first == '$' {
        let (word, rest) = run(text, |c| c.is_alphanumeric() || "_$-".contains(c));
        return Ok((Token::Word(word.to_owned()), rest));
    }
    let sign = SIGNS.into_iter().find_map(|sign| Some((Token::Sign(sign), text.strip_prefix(sign)?)));
    sign.ok_or_else(|| HubError::invalid("BadRequest"))
}

fn run(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

/// A quoted string; a doubled quote or one after a backslash stands for itself.
fn string(text: &str, quote: char) -> Result<(Token, &str), HubError> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        let doubled = c == quote && chars.peek().is_some_and(|(_, next)| *next == quote);
        match c {
            _ if doubled || c == '\\' => value.extend(chars.next().map(|(_, next)| next)),
            _ if c == quote => {
                let rest = text.get(at + c.len_utf8()..).unwrap_or_default();
                return Ok((Token::Text(value), rest));
            }
            _ => value.push(c),
        }
    }
    Err(HubError::invalid("BadRequest"))
}
