//! The rooms of the app stand on floors, and each uses lower floors only.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// `docs/ARCHITECTURE.md`, "Rooms and floors": the floor of each room, in tenths. A room that is not
/// there yet has its place.
const FLOORS: [(&str, u8); 16] = [
    ("main", 60),
    ("lib", 60),
    ("app", 50),
    ("cli", 50),
    ("functions", 40),
    ("config", 40),
    ("replication", 30),
    ("fleet", 30),
    ("failover", 30),
    ("pending", 21),
    ("reconcile", 20),
    ("routing", 10),
    ("iothub", 5),
    ("storage", 5),
    ("host", 5),
    ("model", 0),
];

pub fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn room_of(file: &Path, src: &Path) -> String {
    let first = file.strip_prefix(src).unwrap().components().next().unwrap();
    first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// All but the unit tests at the end; a test module in a file of its own is only a line.
pub fn shipped(text: &str) -> &str {
    let mut from = 0;
    while let Some(at) = text[from..].find("#[cfg(test)]") {
        let rest = &text[from + at..];
        let declared = rest.lines().find(|line| line.starts_with("mod ") || line.starts_with("pub mod "));
        if !declared.is_some_and(|line| line.ends_with(';')) {
            return &text[..from + at];
        }
        from += at + 1;
    }
    text
}

/// The rooms that a file names: `crate::room…`, also inside `use crate::{…}`.
fn rooms_named_in(text: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for after in text.split("crate::").skip(1).chain(text.split("iot_hadr::").skip(1)) {
        let list = match after.strip_prefix('{') {
            Some(inner) => inner.split('}').next().unwrap_or_default().to_owned(),
            None => after.to_owned(),
        };
        let many = after.starts_with('{');
        for name in list.split(',').take(if many { usize::MAX } else { 1 }) {
            let name: String =
                name.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            rooms.push(name);
        }
    }
    rooms
}

#[test]
fn a_room_uses_lower_floors_only_and_rooms_on_one_floor_are_blind_to_each_other() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let floors: BTreeMap<_, _> = FLOORS.into_iter().collect();
    let mut wrong = Vec::new();
    for file in sources(&src) {
        let room = room_of(&file, &src);
        let floor = floors.get(room.as_str()).unwrap_or_else(|| panic!("{room} is on no floor"));
        // Unit tests may build what they need from anywhere.
        let text = fs::read_to_string(&file).unwrap();
        let shipped = shipped(&text);
        for named in rooms_named_in(shipped) {
            if let Some(other) = floors.get(named.as_str())
                && named != room
                && other >= floor
            {
                wrong.push(format!("{} uses {named}", file.strip_prefix(&src).unwrap().display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_pure_by_rule_reads_no_clock_and_does_no_input_or_output() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let pure = [
        "model",
        "reconcile/plan",
        "reconcile/merge",
        "reconcile/outcome.rs",
        "pending/note.rs",
        "pending/slot.rs",
        "replication/origin.rs",
        "routing/record",
        "routing/marker.rs",
        "routing/lease/knowledge.rs",
        "routing/lease/promotion_watch.rs",
        "routing/duty/term.rs",
        "routing/assignment.rs",
        "iothub/sas.rs",
        "iothub/notification",
    ];
    let mut wrong = Vec::new();
    for name in pure {
        let path = src.join(name);
        let files = if path.is_dir() { sources(&path) } else { vec![path] };
        for file in files {
            let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
            let shipped = shipped(&text);
            for word in
                ["Instant::now", "SystemTime::now", "Timestamp::now", "std::env", "tokio::", "reqwest::"]
            {
                if shipped.contains(word) {
                    wrong.push(format!("{} uses {word}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
