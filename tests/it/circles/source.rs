//! Reads a Rust file as far as its names tell: what it defines, imports and mentions.

use std::collections::BTreeSet;

/// A name that a file brings in, and where from.
#[derive(Debug)]
pub struct Import {
    /// As it is called in the file; `*` for everything there.
    pub name: String,
    pub path: Vec<String>,
}

/// What is in a file, without its parts for tests.
#[derive(Debug, Default)]
pub struct File {
    pub defines: BTreeSet<String>,
    pub imports: Vec<Import>,
    /// Paths of more than one name, outside of imports.
    pub paths: BTreeSet<Vec<String>>,
    /// First names of all paths, outside of imports.
    pub mentions: BTreeSet<String>,
    /// Children that are compiled for tests only.
    pub test_modules: BTreeSet<String>,
}

/// Reads a file's text.
pub fn read(text: &str) -> File {
    let mut file = File::default();
    let tokens = without_tests(&tokens(text), &mut file.test_modules);
    let (mut at, mut depth) = (0, 0usize);
    while let Some(token) = tokens.get(at) {
        match token.as_str() {
            "use" => {
                let end = end_of_item(&tokens, at);
                imports(&tokens[at + 1..end - 1], &[], &mut file.imports);
                at = end - 1;
            }
            "{" => depth += 1,
            "}" => depth -= 1,
            "mod" => at += 1,
            // Who may see it, not what it uses.
            "in" if tokens[..at].ends_with(&["pub".to_owned(), "(".to_owned()]) => {
                at += path_at(&tokens[at + 1..]).len() * 2;
            }
            "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static" if depth == 0 => {
                file.defines.insert(tokens[at + 1].clone());
            }
            name if is_name(name) => {
                let path = path_at(&tokens[at..]);
                at += 2 * (path.len() - 1);
                file.mentions.insert(path[0].clone());
                if path.len() > 1 {
                    file.paths.insert(path);
                }
            }
            _ => {}
        }
        at += 1;
    }
    file
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

fn path_at(tokens: &[String]) -> Vec<String> {
    let mut path = vec![tokens[0].clone()];
    for pair in tokens[1..].chunks_exact(2) {
        if pair[0] != "::" || !is_name(&pair[1]) {
            break;
        }
        path.push(pair[1].clone());
    }
    path
}

/// `a::{b, c as d, self, e::*}` below `before`.
fn imports(tokens: &[String], before: &[String], found: &mut Vec<Import>) {
    for tree in at_top_level(tokens) {
        let open = tree.iter().position(|token| token == "{");
        let alias = tree.iter().position(|token| token == "as");
        let head = &tree[..open.or(alias).unwrap_or(tree.len())];
        let mut path: Vec<String> =
            before.iter().chain(head.iter().filter(|token| *token != "::")).cloned().collect();
        if let Some(open) = open {
            imports(&tree[open + 1..tree.len() - 1], &path, found);
            continue;
        }
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        let name = match alias {
            Some(alias) => tree[alias + 1].clone(),
            None => path.last().cloned().unwrap_or_default(),
        };
        if name == "*" {
            path.pop();
        }
        found.push(Import { name, path });
    }
}

/// What stands between commas that no braces hold.
fn at_top_level(tokens: &[String]) -> Vec<&[String]> {
    let (mut trees, mut depth, mut from) = (Vec::new(), 0usize, 0);
    for (at, token) in tokens.iter().enumerate() {
        match token.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," if depth == 0 => {
                trees.push(&tokens[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    trees.push(&tokens[from..]);
    trees.retain(|tree| !tree.is_empty());
    trees
}

const FOR_TESTS: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];

/// Without what follows a `#[cfg(test)]`; modules of that kind are named in `modules`.
fn without_tests(tokens: &[String], modules: &mut BTreeSet<String>) -> Vec<String> {
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        if tokens[at..].len() < FOR_TESTS.len() || tokens[at..at + FOR_TESTS.len()] != FOR_TESTS {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        let end = end_of_item(tokens, at + FOR_TESTS.len());
        if let Some(name) = tokens[at..end].iter().skip_while(|token| *token != "mod").nth(1) {
            modules.insert(name.clone());
        }
        at = end;
    }
    kept
}

/// After the item at `at`: its `;`, or the end of its braces. Those of a `use` are followed by a `;`.
fn end_of_item(tokens: &[String], at: usize) -> usize {
    let is_use = tokens[at..].iter().take(6).any(|token| token == "use");
    let mut depth = 0usize;
    for (n, token) in tokens.iter().enumerate().skip(at) {
        match token.as_str() {
            "{" | "(" | "[" => depth += 1,
            ")" | "]" => depth -= 1,
            "}" => {
                depth -= 1;
                if depth == 0 && !is_use {
                    return n + 1;
                }
            }
            ";" if depth == 0 => return n + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// Names, `::`, and single signs; no comments, texts and lifetimes.
fn tokens(text: &str) -> Vec<String> {
    let (mut tokens, mut rest) = (Vec::new(), text);
    while let Some(first) = rest.chars().next() {
        let long = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '"' => long_of_text(rest),
            'b' | 'r' if opens_raw_text(rest) => long_of_raw_text(rest),
            '\'' => long_of_quote(rest),
            c if c.is_ascii_alphanumeric() || c == '_' => {
                let long = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                tokens.push(rest[..long].to_owned());
                long
            }
            ':' if rest.starts_with("::") => {
                tokens.push("::".to_owned());
                2
            }
            c => {
                if !c.is_whitespace() {
                    tokens.push(c.to_string());
                }
                c.len_utf8()
            }
        };
        rest = &rest[long..];
    }
    tokens
}

fn long_of_text(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    rest.len()
}

fn opens_raw_text(rest: &str) -> bool {
    let rest = rest.strip_prefix('b').unwrap_or(rest);
    rest.strip_prefix('r').is_some_and(|rest| rest.trim_start_matches('#').starts_with('"'))
}

fn long_of_raw_text(rest: &str) -> usize {
    let open = rest.find('"').unwrap() + 1;
    let end = format!("\"{}", "#".repeat(rest[..open].matches('#').count()));
    rest[open..].find(&end).map_or(rest.len(), |at| open + at + end.len())
}

/// A character, or the sign of a lifetime, whose name is no path.
fn long_of_quote(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => rest[3..].find('\'').map_or(rest.len(), |at| at + 4),
        Some((at, c)) if rest[at + c.len_utf8()..].starts_with('\'') => at + c.len_utf8() + 1,
        _ => {
            let name = rest[1..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            name.map_or(rest.len(), |at| at + 1)
        }
    }
}
