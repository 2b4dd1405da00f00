//! A patch in parts: what a hub refuses as a whole is tried in smaller and smaller ones, until what it refuses is found.
//! Pure.

use std::sync::Arc;

use serde_json::Value;

use super::outcome::{Cause, Reason};
use crate::iothub::tidy;
use crate::model::{Object, Path};

/// Refusals of one patch after which nothing is told apart any more: one value among 200 takes nine or ten.
const REFUSALS: usize = 20;

/// Members that are named where some are refused.
const NAMED: usize = 8;

/// What a patch writes to one member.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    /// From the twin's root.
    pub(crate) path: Path,
    /// The value; an object only if it is empty, and `null` takes the member away.
    pub(crate) value: Value,
}

/// What cannot be written, and why.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refused {
    /// Which member, and what of it.
    pub(crate) part: Part,
    /// In the hub's words, without secrets.
    pub(crate) why: Arc<str>,
    /// By itself, and not among others.
    pub(crate) alone: bool,
}

/// What of a twin a patch is of: where its members are, from the twin's root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Tags and desired, as the service API takes them.
    Twin,
    /// Reported, as the device protocol takes them.
    Reported,
}

impl Scope {
    fn root(self) -> &'static [&'static str] {
        match self {
            Self::Twin => &[],
            Self::Reported => &["properties", "reported"],
        }
    }

    /// The parts of a merge patch.
    pub(crate) fn parts(self, patch: &Object) -> Vec<Part> {
        let mut parts = Vec::new();
        let mut path = self.root().iter().map(|name| (*name).to_owned()).collect();
        collect(patch, &mut path, &mut parts);
        parts
    }

    /// The merge patch that writes these parts.
    pub(crate) fn patch(self, parts: &[Part]) -> Object {
        let mut patch = Object::new();
        for part in parts {
            put(&mut patch, part.path.get(self.root().len()..).unwrap_or_default(), &part.value);
        }
        patch
    }
}

fn collect(patch: &Object, path: &mut Path, parts: &mut Vec<Part>) {
    for (name, value) in patch {
        path.push(name.clone());
        match value {
            Value::Object(members) if !members.is_empty() => collect(members, path, parts),
            value => parts.push(Part { path: path.clone(), value: value.clone() }),
        }
        path.pop();
    }
}

fn put(patch: &mut Object, path: &[String], value: &Value) {
    match path {
        [] => {}
        [name] => {
            patch.insert(name.clone(), value.clone());
        }
        [name, rest @ ..] => {
            let inner = patch.entry(name.clone()).or_insert_with(|| Value::Object(Object::new()));
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// The patch without what it says of the members at `paths`, from the twin's root, and of their parts.
pub(crate) fn without(scope: Scope, patch: Object, paths: &[Path]) -> Object {
    if paths.is_empty() {
        return patch;
    }
    let mut parts = scope.parts(&patch);
    parts.retain(|part| !paths.iter().any(|path| part.path.starts_with(path)));
    scope.patch(&parts)
}

/// Looks for what a hub refuses: first all together, then tags and desired apart, then halves.
#[derive(Debug)]
pub(crate) struct Search {
    open: Vec<Vec<Part>>,
    refusals: usize,
}

impl Search {
    /// Of these parts, and after them of those that were refused before.
    pub(crate) fn of(parts: Vec<Part>, refused_before: Vec<Part>) -> Self {
        let open = [refused_before, parts].into_iter().filter(|parts| !parts.is_empty()).collect();
        Self { open, refusals: 0 }
    }

    /// What to send next.
    pub(crate) fn take(&mut self) -> Option<Vec<Part>> {
        self.open.pop()
    }

    /// Whether nothing is left to be sent.
    pub(crate) fn is_over(&self) -> bool {
        self.open.is_empty()
    }

    /// The hub refused these parts together; gives those that are known to be refused by that.
    pub(crate) fn refused(&mut self, mut parts: Vec<Part>, why: &str) -> Vec<Refused> {
        self.refusals += 1;
        let tells_apart = parts.len() > 1 && self.refusals < REFUSALS;
        if tells_apart {
            let section = parts.first().and_then(|part| part.path.first()).cloned();
            let of_first = parts.iter().take_while(|part| part.path.first() == section.as_ref()).count();
            let rest = parts.split_off(if of_first < parts.len() { of_first } else { parts.len() / 2 });
            self.open.extend([rest, parts]);
            return Vec::new();
        }
        let alone = parts.len() == 1;
        let why = if alone { Arc::from(why) } else { format!("refused among others: {why}").into() };
        parts.into_iter().map(|part| Refused { part, why: Arc::clone(&why), alone }).collect()
    }
}

/// What cannot be written, named by its path as a JSON pointer from the twin's root; never by its value.
pub(crate) fn cause(refused: &[Refused]) -> Option<Cause> {
    let mut named: Vec<String> =
        refused.iter().take(NAMED).map(|one| format!("{}: {}", pointer(&one.part.path), one.why)).collect();
    if let Some(more) = refused.len().checked_sub(NAMED).filter(|more| *more > 0) {
        named.push(format!("and {more} more"));
    }
    let refused = refused.iter().map(|one| pointer(&one.part.path)).collect();
    (!named.is_empty()).then(|| Cause { refused, ..Cause::new(Reason::Rejected, named.join("; ")) })
}

/// Members that hold no readable text.
pub(crate) fn unreadable(paths: &[Path]) -> Vec<Refused> {
    let why: Arc<str> =
        "holds half a surrogate pair or other bytes that are no text, which no hub is sent".into();
    let refused = |path: &Path| Refused {
        part: Part { path: path.clone(), value: Value::Null },
        why: Arc::clone(&why),
        alone: true,
    };
    paths.iter().map(refused).collect()
}

/// A path as a JSON pointer, without what may be a key.
pub(crate) fn pointer(path: &[String]) -> String {
    let name = |name: &String| format!("/{}", tidy(name).replace('~', "~0").replace('/', "~1"));
    path.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::model::apply;

    fn object(value: Value) -> Object {
        value.as_object().cloned().unwrap()
    }

    fn patch() -> impl Strategy<Value = Object> {
        let leaf = prop_oneof![
            Just(Value::Null),
            (0..4i64).prop_map(Value::from),
            Just(json!({})),
            Just(json!([1, {"a": 1}]))
        ];
        let members = |value: BoxedStrategy<Value>| {
            prop::collection::btree_map("[a-c]", value, 0..4)
                .prop_map(|members| members.into_iter().collect::<Object>())
        };
        members(
            leaf.prop_recursive(3, 24, 4, move |inner| members(inner.boxed()).prop_map(Value::Object))
                .boxed(),
        )
    }

    /// Searches as a hub would be asked that refuses values of 3: what it was sent, and what it refuses.
    fn search(patch: &Object, document: &mut Object) -> (usize, Vec<Refused>) {
        let mut search = Search::of(Scope::Twin.parts(patch), Vec::new());
        let (mut calls, mut refused) = (0, Vec::new());
        while let Some(parts) = search.take() {
            calls += 1;
            match parts.iter().any(|part| part.value == json!(3)) {
                true => refused.extend(search.refused(parts, "three")),
                false => apply(document, &Scope::Twin.patch(&parts)),
            }
        }
        (calls, refused)
    }

    #[test]
    fn one_value_among_many_is_found_and_all_others_are_written() {
        let mut desired: Object = (0..200).map(|n| (format!("m{n:03}"), json!(1))).collect();
        desired.insert("m117".to_owned(), json!({"x": {"bad": 3, "good": 1}}));
        let patch = object(json!({"tags": {"a": 1}, "properties": {"desired": desired}}));
        let mut document = Object::new();
        let (calls, refused) = search(&patch, &mut document);
        let named: Vec<_> = refused.iter().map(|one| pointer(&one.part.path)).collect();
        assert_eq!(named, ["/properties/desired/m117/x/bad"]);
        assert!(calls <= 20, "{calls} calls");
        let desired = &document["properties"]["desired"];
        assert_eq!(desired.as_object().unwrap().len(), 200);
        assert_eq!(desired["m117"], json!({"x": {"good": 1}}));
        assert_eq!(document["tags"], json!({"a": 1}));
    }

    #[test]
    fn a_patch_that_is_taken_is_sent_once_as_it_is() {
        let patch =
            object(json!({"tags": {"a": null, "b": {}}, "properties": {"desired": {"c": {"d": [1]}}}}));
        let mut search = Search::of(Scope::Twin.parts(&patch), Vec::new());
        assert_eq!(Scope::Twin.patch(&search.take().unwrap()), patch);
        assert!(search.is_over() && search.take().is_none());
        let reported = object(json!({"fw": "1", "net": {"ip": null}}));
        assert_eq!(Scope::Reported.patch(&Scope::Reported.parts(&reported)), reported);
    }

    #[test]
    fn where_all_is_refused_the_search_ends_and_everything_is_named() {
        let patch =
            object(json!({"tags": (0..500).map(|n| (format!("t{n}"), json!(3))).collect::<Object>()}));
        let (calls, refused) = search(&patch, &mut Object::new());
        assert!(calls <= 2 * REFUSALS, "{calls} calls");
        assert_eq!(refused.len(), 500);
        let detail = cause(&refused).unwrap().detail;
        assert!(
            detail.contains("refused among others: three; and 492 more") || detail.ends_with("and 492 more")
        );
    }

    #[test]
    fn what_was_refused_by_itself_before_leaves_the_tries_to_the_rest() {
        let bad = (0..40).map(|n| (format!("a{n:02}"), json!(3)));
        let tags: Object = bad.chain((0..60).map(|n| (format!("b{n:02}"), json!(n + 4)))).collect();
        let mut left = Scope::Twin.parts(&object(json!({ "tags": tags })));
        left[70].value = json!(3);
        let mut known: Vec<Part> = Vec::new();
        for _ in 0..8 {
            let (again, new) = left.iter().cloned().partition(|part| known.contains(part));
            let mut search = Search::of(new, again);
            while let Some(parts) = search.take() {
                match parts.iter().any(|part| part.value == json!(3)) {
                    true => {
                        let found = search.refused(parts, "three");
                        known.extend(found.into_iter().filter(|one| one.alone).map(|one| one.part));
                    }
                    false => left.retain(|part| !parts.contains(part)),
                }
            }
        }
        assert_eq!(left.len(), 41, "only what is refused is left");
    }

    #[test]
    fn a_path_is_a_json_pointer_without_what_may_be_a_key() {
        let path = |names: &[&str]| pointer(&names.iter().map(|name| (*name).to_owned()).collect::<Path>());
        assert_eq!(path(&["properties", "desired", "a/b~c"]), "/properties/desired/a~1b~0c");
        assert_eq!(path(&["tags", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="]), "/tags/***");
    }

    proptest! {
        #[test]
        fn parts_say_what_the_patch_says(patch in patch(), document in patch()) {
            let parts = Scope::Twin.parts(&patch);
            prop_assert_eq!(&Scope::Twin.patch(&parts), &patch);
            let (mut whole, mut one_by_one) = (document.clone(), document);
            apply(&mut whole, &patch);
            parts.iter().for_each(|part| apply(&mut one_by_one, &Scope::Twin.patch(std::slice::from_ref(part))));
            prop_assert_eq!(one_by_one, whole);
        }

        #[test]
        fn just_what_a_hub_refuses_is_left_out(patch in patch()) {
            let (mut found, mut expected) = (Object::new(), Object::new());
            let (calls, refused) = search(&patch, &mut found);
            prop_assert!(calls <= 2 * REFUSALS + 1);
            let bad: Vec<Path> = refused.iter().map(|one| one.part.path.clone()).collect();
            apply(&mut expected, &without(Scope::Twin, patch, &bad));
            prop_assert_eq!(found, expected);
            let told_apart = refused.iter().filter(|one| &*one.why == "three");
            prop_assert!(told_apart.clone().all(|one| one.part.value == json!(3)));
            prop_assert!(calls >= REFUSALS || told_apart.count() == refused.len());
        }
    }
}
