//! No two files use each other in a circle: every file can be read with only those below it in mind.
//!
//! What a file uses is told by the names in it: `crate::…`, `super::…`, `self::…`, the names that it imports, and its
//! children. A name that a `mod.rs` passes on counts as a use of the file that defines it.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use self::source::{File, read};
use crate::floors::sources;

/// Module path, from the root of its crate, to what is in it.
type Crate = BTreeMap<Vec<String>, File>;

/// The longest chain of imports that is followed.
const LONGEST_CHAIN: usize = 16;

/// The module that defines what `path` names when it is written in `from`; `None` for what is not of this crate.
fn defined_in(
    modules: &Crate,
    from: &[String],
    path: &[String],
    name: &str,
    left: usize,
) -> Option<Vec<String>> {
    let (first, rest) = path.split_first()?;
    let left = left.checked_sub(1)?;
    let (at, rest) = match first.as_str() {
        "crate" => (Vec::new(), rest),
        "self" => (from.to_vec(), rest),
        "super" => (from.split_last()?.1.to_vec(), rest),
        _ if first == name => (Vec::new(), rest),
        _ => return below(modules, from, path, name, left),
    };
    match rest.first().map(String::as_str) {
        None => Some(at),
        Some("super") => defined_in(modules, &at, rest, name, left),
        // What a macro defines is not seen, but the module is named.
        Some(_) => below(modules, &at, rest, name, left).or_else(|| Some(deepest(modules, at, rest))),
    }
}

/// The last module on the way.
fn deepest(modules: &Crate, mut at: Vec<String>, path: &[String]) -> Vec<String> {
    for name in path {
        at.push(name.clone());
        if !modules.contains_key(&at) {
            at.pop();
            break;
        }
    }
    at
}

fn below(modules: &Crate, at: &[String], path: &[String], name: &str, left: usize) -> Option<Vec<String>> {
    let left = left.checked_sub(1)?;
    let Some((first, rest)) = path.split_first() else { return Some(at.to_vec()) };
    let child: Vec<String> = at.iter().chain([first]).cloned().collect();
    if modules.contains_key(&child) {
        return below(modules, &child, rest, name, left);
    }
    let file = modules.get(at)?;
    if file.defines.contains(first) {
        return Some(at.to_vec());
    }
    let named = file.imports.iter().filter(|import| import.name == *first);
    let all = file.imports.iter().filter(|import| import.name == "*");
    named
        .map(|import| import.path.iter().chain(rest).cloned().collect())
        .chain(all.map(|import| import.path.iter().chain(path).cloned().collect::<Vec<_>>()))
        .filter(|further| further != path)
        .find_map(|further| defined_in(modules, at, &further, name, left))
}

/// Who uses whom.
fn uses(modules: &Crate, name: &str) -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
    let used_by = |module: &Vec<String>, file: &File| {
        let imported = file.imports.iter().filter_map(|import| {
            let used = defined_in(modules, module, &import.path, name, LONGEST_CHAIN)?;
            // What is only passed on from a child is no use of the child.
            let passed_on = used.starts_with(module) && !file.mentions.contains(&import.name);
            (!passed_on).then_some(used)
        });
        let named =
            file.paths.iter().filter_map(|path| defined_in(modules, module, path, name, LONGEST_CHAIN));
        imported.chain(named).filter(|used| used != module).collect()
    };
    modules.iter().map(|(module, file)| (module.clone(), used_by(module, file))).collect()
}

/// The groups of modules that reach each other.
fn circles(uses: &BTreeMap<Vec<String>, BTreeSet<Vec<String>>>) -> Vec<BTreeSet<&Vec<String>>> {
    let reached = |from| {
        let (mut reached, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(module) = open.pop() {
            let next = uses.get(module).into_iter().flatten();
            open.extend(next.filter(|next| reached.insert(*next)));
        }
        reached
    };
    let reached: BTreeMap<_, BTreeSet<&Vec<String>>> =
        uses.keys().map(|from| (from, reached(from))).collect();
    let mut found: Vec<BTreeSet<_>> = Vec::new();
    for (from, to) in &reached {
        let circle: BTreeSet<_> =
            to.iter().filter(|other| reached[**other].contains(from)).copied().collect();
        if !circle.is_empty() && !found.contains(&circle) {
            found.push(circle);
        }
    }
    found
}

/// Each circle in words: who uses whom in it.
fn in_words(modules: &Crate, name: &str) -> Vec<String> {
    let uses = uses(modules, name);
    let show = |module: &Vec<String>| match module.is_empty() {
        true => "the root".to_owned(),
        false => module.join("/"),
    };
    let mut words = Vec::new();
    for circle in circles(&uses) {
        for module in &circle {
            let of_circle = uses[*module].iter().filter(|used| circle.contains(used)).map(show);
            words.push(format!("{} uses {}", show(module), of_circle.collect::<Vec<_>>().join(", ")));
        }
    }
    words
}

/// The modules of the crate whose sources are in `src`, without those for tests.
fn crate_in(src: &Path) -> Crate {
    let mut modules = Crate::new();
    for path in sources(src) {
        let mut module: Vec<String> = path
            .strip_prefix(src)
            .unwrap()
            .with_extension("")
            .iter()
            .map(|part| part.to_string_lossy().into_owned())
            .collect();
        let is_root = module == ["lib"] || (module == ["main"] && !src.join("lib.rs").exists());
        if is_root || module.last().is_some_and(|last| last == "mod") {
            module.pop();
        }
        modules.insert(module, read(&fs::read_to_string(&path).unwrap()));
    }
    without_tests(modules)
}

/// Without the modules that are compiled for tests only.
fn without_tests(mut modules: Crate) -> Crate {
    let for_tests: Vec<Vec<String>> = modules
        .iter()
        .flat_map(|(module, file)| {
            file.test_modules.iter().map(|child| module.iter().chain([child]).cloned().collect())
        })
        .collect();
    modules.retain(|module, _| !for_tests.iter().any(|test| module.starts_with(test)));
    modules
}

#[test]
fn no_two_files_use_each_other_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut crates = vec![("iot_hadr".to_owned(), root.join("src"))];
    for entry in fs::read_dir(root.join("crates")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().replace('-', "_");
        crates.push((name, path.join("src")));
    }
    let mut wrong = Vec::new();
    for (name, src) in crates {
        let modules = crate_in(&src);
        wrong.extend(in_words(&modules, &name).into_iter().map(|words| format!("{name}: {words}")));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// A crate of these files, by module path.
fn of(files: &[(&str, &str)]) -> Crate {
    let module = |path: &str| path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    without_tests(files.iter().map(|(path, text)| (module(path), read(text))).collect())
}

#[test]
fn a_circle_is_seen_however_the_names_are_written() {
    for (a, b) in [
        ("use super::b::B; pub struct A;", "use super::a::A; pub struct B;"),
        ("use crate::{b::B}; pub struct A;", "pub struct B; fn f() { super::a::f() }"),
        ("use super::B; pub fn f() {}", "use super::{c::C as D, a}; pub struct B; fn g() { a::f() }"),
        ("pub struct A; fn f() { the::B::new() }", "pub struct B(crate::A);"),
    ] {
        let root = "mod a; mod b; pub use a::A; pub use b::B;";
        let words = in_words(&of(&[("", root), ("a", a), ("b", b)]), "the");
        assert_eq!(words, ["a uses b", "b uses a"], "{a} {b}");
    }
}

#[test]
fn what_is_passed_on_for_tests_or_in_comments_makes_no_circle() {
    let root = "//! use b::B\nmod a; mod b; #[cfg(test)] mod t; pub use a::A; pub use b::B; pub struct Root;";
    for (a, b) in [
        ("use super::B; use super::Root;", "pub struct B;"),
        ("use super::B;", "pub struct B; #[cfg(test)] mod tests { use crate::a::A; }"),
        ("use super::B;", "pub(in crate::a) struct B; impl B { pub(in crate) fn b() {} }"),
        (
            "use super::B;",
            "// crate::a::A\npub struct B; const C: &str = \"crate::a::A\"; const Q: char = '\"';",
        ),
    ] {
        let words =
            in_words(&of(&[("", root), ("a", a), ("b", b), ("t", "use super::*; use crate::A;")]), "the");
        assert_eq!(words, Vec::<String>::new(), "{a} {b}");
    }
}

#[test]
fn a_parent_that_uses_what_it_passes_on_is_part_of_a_circle() {
    let root = "mod a; pub use a::A; pub struct Root(A);";
    let words = in_words(&of(&[("", root), ("a", "use super::Root; pub struct A;")]), "the");
    assert_eq!(words, ["the root uses a", "a uses the root"]);
}
