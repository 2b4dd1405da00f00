//! No two files use each other in a circle: each can be read after the ones it uses. What a room's own
//! `mod.rs` defines are the words of that room, which its files may use.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::floors::{shipped, sources};

type Module = Vec<String>;

/// The files of a crate by module, and what each `mod.rs` offers under another path than its own.
struct Crate {
    files: BTreeMap<Module, PathBuf>,
    offered: BTreeMap<Module, Vec<(String, Module)>>,
}

impl Crate {
    fn read(src: &Path) -> Self {
        let mut all = Self { files: BTreeMap::new(), offered: BTreeMap::new() };
        for file in sources(src) {
            all.files.insert(module_of(&file, src), file);
        }
        for (module, file) in &all.files {
            let text = code(file);
            let offers = uses(&text).into_iter().filter(|(public, _)| *public);
            let offers = offers.filter_map(|(_, path)| Some((path.last()?.clone(), path)));
            all.offered.insert(module.clone(), offers.collect());
        }
        all
    }

    /// The module that defines what a path in `from` names; none outside this crate.
    fn defines(&self, from: &Module, path: &[String]) -> Option<Module> {
        let mut at = from.clone();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" | "iot_hadr" => at.clear(),
            "super" => drop(at.pop()),
            "self" => {}
            child if self.files.contains_key(&joined(from, child)) => at.push(child.to_owned()),
            _ => return None,
        }
        rest = &rest[1..];
        while let Some(next) = rest.first() {
            if next == "super" {
                at.pop();
            } else if self.files.contains_key(&joined(&at, next)) {
                at.push(next.clone());
            } else {
                let offered = self.offered[&at].iter().find(|(name, _)| name == next);
                return match offered {
                    Some((_, path)) if self.defines(&at, path).is_some() => self.defines(&at, path),
                    _ => Some(at),
                };
            }
            rest = &rest[1..];
        }
        Some(at)
    }

    fn uses_of(&self, module: &Module) -> BTreeSet<Module> {
        let text = code(&self.files[module]);
        let named = uses(&text).into_iter().filter(|(public, _)| !public).map(|(_, path)| path);
        let named = named.chain(paths(&text));
        let others = named.filter_map(|path| self.defines(module, &path));
        others.filter(|other| !module.starts_with(other)).collect()
    }

    /// Files that use themselves by way of others.
    fn circles(&self) -> Vec<String> {
        let uses: BTreeMap<&Module, BTreeSet<Module>> =
            self.files.keys().map(|module| (module, self.uses_of(module))).collect();
        let mut found = Vec::new();
        for module in self.files.keys() {
            let (mut reached, mut ahead) = (BTreeSet::new(), vec![module.clone()]);
            while let Some(next) = ahead.pop() {
                ahead.extend(uses[&next].iter().filter(|other| reached.insert((*other).clone())).cloned());
            }
            if reached.contains(module) {
                let own = uses[module].iter().map(|other| other.join("::")).collect::<Vec<_>>().join(", ");
                found.push(format!("{} (uses {own})", module.join("::")));
            }
        }
        found
    }
}

fn joined(module: &Module, child: &str) -> Module {
    module.iter().cloned().chain([child.to_owned()]).collect()
}

fn module_of(file: &Path, src: &Path) -> Module {
    let path = file.strip_prefix(src).unwrap().with_extension("");
    let names = path.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
    names.filter(|name| !["mod", "lib"].contains(&name.as_str())).collect()
}

/// What is compiled, without comments.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let lines = shipped(&text).lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// Every path of every `use`, and whether the `use` is public.
fn uses(text: &str) -> Vec<(bool, Module)> {
    let mut found = Vec::new();
    for statement in text.split(';') {
        let Some(at) = statement.rfind("use ").filter(|at| starts_a_line(statement, *at)) else { continue };
        let public = statement[..at].lines().last().unwrap_or_default().starts_with("pub");
        let mut paths = Vec::new();
        spread(&[], statement[at + 4..].trim(), &mut paths);
        found.extend(paths.into_iter().map(|path| (public, path)));
    }
    found
}

fn starts_a_line(text: &str, at: usize) -> bool {
    let before = text[..at].lines().last().unwrap_or_default();
    text[..at].ends_with('\n') || at == 0 || before.starts_with("pub")
}

/// `a::{b, c::{d, e}}` as `a::b`, `a::c::d`, `a::c::e`.
fn spread(before: &[String], tree: &str, paths: &mut Vec<Module>) {
    let (head, inner) = match tree.split_once('{') {
        Some((head, inner)) => (head, inner.rsplit_once('}').map(|(inner, _)| inner)),
        None => (tree.split(" as ").next().unwrap_or_default(), None),
    };
    let names = head.split("::").map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    let path: Module = before.iter().cloned().chain(names).collect();
    let Some(inner) = inner else { return paths.push(path) };
    let (mut depth, mut from) = (0, 0);
    for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let one = inner[from..at].trim();
                if !one.is_empty() {
                    spread(&path, one, paths);
                }
                from = at + 1;
            }
            _ => {}
        }
    }
}

/// Paths in the code itself: `super::x::y`, `crate::x`, `child::x`.
fn paths(text: &str) -> Vec<Module> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let statements = text.split(';').map(|statement| {
        let used = statement.rfind("use ").filter(|at| starts_a_line(statement, *at));
        used.map_or(statement, |at| &statement[..at])
    });
    let words = statements.flat_map(|statement| statement.split(move |c: char| !is_name(c)));
    let words = words.filter(|word| word.contains("::"));
    words.map(|word| word.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect()).collect()
}

/// Every crate of the workspace.
const CRATES: [&str; 4] =
    ["src", "crates/functions-host/src", "crates/iothub-emulator/src", "crates/lab/src"];

/// Files that are still to be untangled. Nothing is added here.
const KNOWN: [&str; 23] = [
    "src: iothub::client",
    "src: iothub::device",
    "src: replication::backlog_flow",
    "src: replication::carried",
    "src: replication::engine",
    "src: replication::entries",
    "src: replication::execute",
    "src: replication::intake",
    "src: replication::pass",
    "src: replication::standby",
    "src: replication::tally",
    "src: replication::worked",
    "crates/iothub-emulator/src: amqp::attach",
    "crates/iothub-emulator/src: amqp::session",
    "crates/iothub-emulator/src: listeners",
    "crates/iothub-emulator/src: running",
    "crates/iothub-emulator/src: service::configurations",
    "crates/iothub-emulator/src: service::registry",
    "crates/iothub-emulator/src: service::routes",
    "crates/iothub-emulator/src: service::twins",
    "crates/lab/src: blobs::error",
    "crates/lab/src: blobs::listing",
    "crates/lab/src: blobs::store",
];

#[test]
fn no_two_files_use_each_other_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let circles = CRATES.iter().flat_map(|src| {
        let circles = Crate::read(&root.join(src)).circles();
        circles.into_iter().map(move |circle| format!("{src}: {circle}"))
    });
    let known = |circle: &String| KNOWN.iter().any(|known| circle.starts_with(&format!("{known} ")));
    let circles: Vec<String> = circles.filter(|circle| !known(circle)).collect();
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn paths_are_taken_apart_as_the_compiler_does() {
    let text = "pub use a::{b, c::{self, d as e}};\nuse super::f;\nlet x = crate::g::h(1);";
    let found: Vec<(bool, String)> =
        uses(text).into_iter().map(|(public, path)| (public, path.join("::"))).collect();
    let expected = [(true, "a::b"), (true, "a::c::self"), (true, "a::c::d"), (false, "super::f")];
    assert_eq!(found, expected.map(|(public, path)| (public, path.to_owned())));
    assert_eq!(paths(text), [["crate", "g", "h"]]);
}
