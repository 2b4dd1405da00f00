//! From tokens to a query.

use serde_json::Value;
use std::collections::VecDeque;

use super::condition::{Comparison, Condition};
use super::path::Path;
use super::statement::{Query, Selection};
use super::token::{Token, tokens};
use crate::error::{ErrorCode, HubError};

/// Longest query in characters (documented).
const MAX_CHARS: usize = 8192;
/// How deep conditions may nest, so that a query cannot exhaust the stack.
const MAX_DEPTH: usize = 64;

/// Functions that the language has and this emulator does not (documented).
const FUNCTIONS: [&str; 33] = [
    "SUM",
    "AVG",
    "MIN",
    "MAX",
    "ABS",
    "EXP",
    "POWER",
    "SQUARE",
    "CEILING",
    "FLOOR",
    "SIGN",
    "SQRT",
    "AS_NUMBER",
    "IS_ARRAY",
    "IS_BOOL",
    "IS_NULL",
    "IS_NUMBER",
    "IS_OBJECT",
    "IS_PRIMITIVE",
    "IS_STRING",
    "CONCAT",
    "LENGTH",
    "LOWER",
    "UPPER",
    "SUBSTRING",
    "INDEX_OF",
    "STARTS_WITH",
    "STARTSWITH",
    "ENDS_WITH",
    "ENDSWITH",
    "CONTAINS",
    "ARRAY_CONTAINS",
    "ARRAY_LENGTH",
];

impl Query {
    /// Reads the text of a query.
    ///
    /// # Errors
    /// `ArgumentInvalid` with the hub's words when it is not a query, `NotImplemented` when only this emulator does
    /// not understand it.
    pub fn parse(text: &str) -> Result<Self, HubError> {
        query(text, Collection::Named)
    }

    /// The same for a metric of a configuration, which need not say what it is about (the tests of the Azure CLI rely on it;
    /// that it is about devices then is inferred).
    ///
    /// # Errors
    /// As [`Query::parse`].
    pub fn parse_metric(text: &str) -> Result<Self, HubError> {
        query(text, Collection::Devices)
    }
}

/// What a query without `FROM` is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Collection {
    /// There is no such query.
    Named,
    /// Devices.
    Devices,
}

fn query(text: &str, collection: Collection) -> Result<Query, HubError> {
    if text.chars().count() > MAX_CHARS {
        return Err(bad());
    }
    let mut parser = Parser { rest: tokens(text)?.into(), depth: 0 };
    parser.refuse_unsupported()?;
    let query = parser.query(collection)?;
    if parser.rest.is_empty() { Ok(query) } else { Err(bad()) }
}

/// The hub's whole explanation of a bad query (observed).
fn bad() -> HubError {
    HubError::invalid("BadRequest")
}

/// What two neighbours say that is not supported: a function, a clause, the collection of jobs.
fn unsupported<'a>(token: &'a Token, next: &Token) -> Option<&'a str> {
    let Token::Word(word) = token else { return None };
    let is = |name: &str| word.eq_ignore_ascii_case(name);
    let by = matches!(next, Token::Word(next) if next.eq_ignore_ascii_case("BY"));
    let unsupported = match next {
        Token::Sign("(") => FUNCTIONS.into_iter().any(is),
        Token::Sign("+" | "/" | "%") => return Some("arithmetic"),
        _ if by => is("GROUP") || is("ORDER"),
        Token::Word(_) => is("JOIN"),
        _ => false,
    };
    unsupported.then_some(word)
}

struct Parser {
    rest: VecDeque<Token>,
    depth: usize,
}

impl Parser {
    /// Refuses by name what the language has and this emulator does not.
    fn refuse_unsupported(&self) -> Result<(), HubError> {
        let pairs = self.rest.iter().zip(self.rest.iter().skip(1));
        let found = pairs.into_iter().find_map(|(token, next)| unsupported(token, next));
        found.map_or(Ok(()), |what| {
            let text = format!("{what} in queries is not supported by this emulator");
            Err(HubError::new(ErrorCode::NotImplemented, text))
        })
    }

    fn query(&mut self, collection: Collection) -> Result<Query, HubError> {
        self.keyword("SELECT")?;
        let top = if self.take_keyword("TOP") { Some(self.whole_number()?) } else { None };
        let select = self.selection()?;
        let modules = match collection {
            Collection::Devices if !self.take_keyword("FROM") => false,
            Collection::Devices => self.collection()?,
            Collection::Named => {
                self.keyword("FROM")?;
                self.collection()?
            }
        };
        let condition = if self.take_keyword("WHERE") { Some(self.any_of()?) } else { None };
        Ok(Query { select, top, modules, condition })
    }

    /// What follows `FROM`: whether it is modules.
    fn collection(&mut self) -> Result<bool, HubError> {
        self.keyword("devices")?;
        let modules = self.take_sign(".");
        if modules && self.take_keyword("jobs") {
            let text = "devices.jobs in queries is not supported by this emulator";
            return Err(HubError::new(ErrorCode::NotImplemented, text));
        }
        if modules {
            self.keyword("modules")?;
        }
        Ok(modules)
    }

    fn selection(&mut self) -> Result<Selection, HubError> {
        if self.take_sign("*") {
            return Ok(Selection::Everything);
        }
        if self.take_keyword("COUNT") {
            self.sign("(")?;
            self.sign(")")?;
            let name = if self.take_keyword("AS") { self.word()? } else { "$1".to_owned() };
            return Ok(Selection::Count(name));
        }
        let mut columns = Vec::new();
        loop {
            let path = self.path()?;
            let last = path.last().cloned().unwrap_or_default();
            let name = if self.take_keyword("AS") { self.word()? } else { last };
            columns.push((path, name));
            if !self.take_sign(",") {
                return Ok(Selection::Columns(columns));
            }
        }
    }

    fn any_of(&mut self) -> Result<Condition, HubError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(bad());
        }
        let mut left = self.all_of()?;
        while self.take_keyword("OR") {
            left = Condition::Or(Box::new(left), Box::new(self.all_of()?));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn all_of(&mut self) -> Result<Condition, HubError> {
        let mut left = self.one()?;
        while self.take_keyword("AND") {
            left = Condition::And(Box::new(left), Box::new(self.one()?));
        }
        Ok(left)
    }

    fn one(&mut self) -> Result<Condition, HubError> {
        let negations = std::iter::from_fn(|| self.take_keyword("NOT").then_some(())).count();
        let condition = if self.take_sign("(") {
            let inner = self.any_of()?;
            self.sign(")")?;
            inner
        } else if self.take_keyword("IS_DEFINED") {
            self.sign("(")?;
            let path = self.path()?;
            self.sign(")")?;
            Condition::Defined(path)
        } else {
            self.comparison()?
        };
        Ok(if negations % 2 == 1 { Condition::Not(Box::new(condition)) } else { condition })
    }

    fn comparison(&mut self) -> Result<Condition, HubError> {
        let path = self.path()?;
        if self.take_keyword("IN") {
            return Ok(Condition::In(path, self.list()?));
        }
        if self.take_keyword("NIN") {
            return Ok(Condition::NotIn(path, self.list()?));
        }
        let comparison = match self.rest.pop_front() {
            Some(Token::Sign("=")) => Comparison::Equal,
            Some(Token::Sign("!=" | "<>")) => Comparison::NotEqual,
            Some(Token::Sign("<")) => Comparison::Less,
            Some(Token::Sign("<=")) => Comparison::LessOrEqual,
            Some(Token::Sign(">")) => Comparison::Greater,
            Some(Token::Sign(">=")) => Comparison::GreaterOrEqual,
            _ => return Err(bad()),
        };
        if self.is_member() {
            return Ok(Condition::CompareMembers(path, comparison, self.path()?));
        }
        Ok(Condition::Compare(path, comparison, self.literal()?))
    }

    /// Whether a path comes next, and not a literal.
    fn is_member(&self) -> bool {
        let is_literal =
            |word: &String| ["true", "false", "null"].iter().any(|name| word.eq_ignore_ascii_case(name));
        matches!((self.rest.front(), self.rest.get(1)), (Some(Token::Word(word)), Some(Token::Sign("." | "["))) if !is_literal(word))
    }

    fn list(&mut self) -> Result<Vec<Value>, HubError> {
        self.sign("[")?;
        let mut items = vec![self.literal()?];
        while self.take_sign(",") {
            items.push(self.literal()?);
        }
        self.sign("]")?;
        Ok(items)
    }

    fn literal(&mut self) -> Result<Value, HubError> {
        let negative = self.take_sign("-");
        let parsed = |text: &str| serde_json::from_str::<Value>(text).map_err(|_| bad());
        match self.rest.pop_front() {
            Some(Token::Number(number)) if negative => parsed(&format!("-{number}")),
            Some(Token::Number(number)) => parsed(&number),
            Some(Token::Text(text)) if !negative => Ok(Value::String(text)),
            Some(Token::Word(word)) if !negative => parsed(&word.to_ascii_lowercase()),
            _ => Err(bad()),
        }
    }

    /// `tags.site`, `tags['site']`, `configurations.[[id]].status`, with or without `devices.` in front.
    fn path(&mut self) -> Result<Path, HubError> {
        let mut path = vec![self.word()?];
        loop {
            if self.take_sign(".") {
                path.push(self.step()?);
            } else if self.take_sign("[") {
                path.push(self.text()?);
                self.sign("]")?;
            } else {
                break;
            }
        }
        if path.len() > 1 && path.first().is_some_and(|first| first == "devices") {
            path.remove(0);
        }
        Ok(path)
    }

    /// What follows a dot: a word, or `[[id]]` as the hub's own queries name a configuration (documented).
    fn step(&mut self) -> Result<String, HubError> {
        if !self.take_sign("[") {
            return self.word();
        }
        self.sign("[")?;
        let word = self.word()?;
        self.sign("]")?;
        self.sign("]")?;
        Ok(word)
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        let found =
            matches!(self.rest.front(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword));
        if found {
            self.rest.pop_front();
        }
        found
    }

    fn keyword(&mut self, keyword: &str) -> Result<(), HubError> {
        if self.take_keyword(keyword) { Ok(()) } else { Err(bad()) }
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.rest.front(), Some(Token::Sign(found)) if *found == sign);
        if found {
            self.rest.pop_front();
        }
        found
    }

    fn sign(&mut self, sign: &str) -> Result<(), HubError> {
        if self.take_sign(sign) { Ok(()) } else { Err(bad()) }
    }

    fn word(&mut self) -> Result<String, HubError> {
        match self.rest.pop_front() {
            Some(Token::Word(word)) => Ok(word),
            _ => Err(bad()),
        }
    }

    fn text(&mut self) -> Result<String, HubError> {
        match self.rest.pop_front() {
            Some(Token::Text(text)) => Ok(text),
            _ => Err(bad()),
        }
    }

    fn whole_number(&mut self) -> Result<usize, HubError> {
        match self.rest.pop_front() {
            Some(Token::Number(number)) => number.parse().map_err(|_| bad()),
            _ => Err(bad()),
        }
    }
}
