//! Metadata as runs. The tree mirrors its section's members, so names need not be kept; and neighbours were mostly
//! written together, so in the order of a walk few nodes differ from the one before them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::store::metadata::{Metadata, Written};

/// When the nodes of a tree were written, root first, children by name.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct PackedMetadata {
    /// Each once.
    palette: Vec<Written>,
    /// So many nodes with that entry of the palette; none when all nodes have the only one.
    runs: Vec<(u32, u32)>,
}

impl PackedMetadata {
    pub(super) fn pack(metadata: &Metadata) -> Self {
        let mut packed = Self::default();
        packed.walk(metadata);
        if packed.palette.len() == 1 {
            packed.runs.clear();
        }
        packed
    }

    fn walk(&mut self, node: &Metadata) {
        self.push(node.written());
        node.children().for_each(|child| self.walk(child));
    }

    fn push(&mut self, written: Written) {
        let known = self.palette.iter().position(|known| *known == written);
        let entry = known.unwrap_or_else(|| {
            self.palette.push(written);
            self.palette.len() - 1
        });
        let entry = u32::try_from(entry).unwrap_or(u32::MAX);
        match self.runs.last_mut() {
            Some((count, last)) if *last == entry => *count += 1,
            _ => self.runs.push((1, entry)),
        }
    }

    /// The tree that mirrors `members`; `None` when this was not packed from such a tree.
    pub(super) fn unpack(&self, members: &Map<String, Value>) -> Option<Metadata> {
        if let ([written], []) = (self.palette.as_slice(), self.runs.as_slice()) {
            return Some(Metadata::mirror_members(members, *written));
        }
        let runs = self.runs.iter();
        let entries = runs.flat_map(|(count, entry)| std::iter::repeat_n(*entry, *count as usize));
        let mut written = entries.map_while(|entry| self.palette.get(usize::try_from(entry).ok()?).copied());
        Metadata::mirror_with(members, &mut written)
    }
}
