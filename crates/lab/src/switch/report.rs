//! What a run came to: one table of writes, one of promotions, and what is known of each lost write.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::account::{Evidence, Hub, Verdict, accepted_at, shown};
use super::ledger::{Section, Write};
use super::mishaps::Mishaps;
use super::options::SwitchOptions;
use super::promotion::Promotion;

/// The columns of the table of writes.
const VERDICTS: [(Verdict, &str); 5] = [
    (Verdict::OnBoth, "on both"),
    (Verdict::Superseded, "superseded"),
    (Verdict::Reported, "reported"),
    (Verdict::Pending, "pending"),
    (Verdict::Lost, "**lost**"),
];
/// Writes of the same field that are shown with a lost one.
const NEIGHBOURS: usize = 3;

/// How many writes of a section came to what.
pub(super) type Counts = BTreeMap<(Section, Verdict), usize>;

/// Counts verdicts by section.
pub(super) fn counted(writes: &[Write], verdicts: &[(usize, Verdict)]) -> Counts {
    let mut counts = Counts::new();
    for (index, verdict) in verdicts {
        if let Some(write) = writes.get(*index) {
            *counts.entry((write.change.section, *verdict)).or_default() += 1;
        }
    }
    counts
}

/// How many came to this in all sections.
pub(super) fn all_of(counts: &Counts, wanted: Verdict) -> usize {
    counts.iter().filter(|((_, verdict), _)| *verdict == wanted).map(|(_, count)| count).sum()
}

/// The table of writes.
pub(super) fn writes_table(counts: &Counts) -> String {
    let names: Vec<&str> = VERDICTS.iter().map(|(_, name)| *name).collect();
    let mut text =
        format!("\n| section | accepted | {} |\n|---|---|---|---|---|---|---|\n", names.join(" | "));
    for section in Section::ALL {
        row(&mut text, section.name(), |verdict| {
            counts.get(&(section, verdict)).copied().unwrap_or_default()
        });
    }
    row(&mut text, "all", |verdict| all_of(counts, verdict));
    text
}

fn row(text: &mut String, name: &str, count: impl Fn(Verdict) -> usize) {
    let counts = VERDICTS.map(|(verdict, _)| count(verdict));
    let cells = counts.map(|count| count.to_string()).join(" | ");
    // Writing to a string does not fail.
    let _ = writeln!(text, "| {name} | {} | {cells} |", counts.iter().sum::<usize>());
}

/// The table of promotions.
pub(super) fn promotions_table(promotions: &[Promotion]) -> String {
    let mut text = "\n| promotion | to | `promote` to router's answer | in-sync again after | |\n|---|---|---|---|---|\n".to_owned();
    let seconds = |it: Option<f64>| it.map_or("never".to_owned(), |it| format!("{it:.1} s"));
    for promotion in promotions {
        let kind = if promotion.forced { "forced" } else { "planned" };
        let _ = writeln!(
            text,
            "| {} {kind} | {} | {} | {} | {} |",
            promotion.number,
            promotion.to,
            seconds(promotion.to_answer()),
            seconds(promotion.to_in_sync()),
            promotion.note.trim().replace('\n', " ")
        );
    }
    text
}

/// How many lost writes were sent when, between the promotions.
pub(super) fn phases(lost: &[&Write], promotions: &[Promotion]) -> String {
    let mut counts: BTreeMap<(u32, Phase), usize> = BTreeMap::new();
    for write in lost {
        *counts.entry(phase(write.sent, promotions)).or_default() += 1;
    }
    let lines = counts.iter().map(|((number, phase), count)| {
        let when = match phase {
            Phase::Before => "before promotion",
            Phase::Promoting => "before the router's answer in promotion",
            Phase::Rejoining => "before in-sync in promotion",
            Phase::InSync => "in-sync after promotion",
        };
        format!("  {count} sent {when} {number}\n")
    });
    lines.collect()
}

/// How far a promotion was, in the order of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Before,
    Promoting,
    Rejoining,
    InSync,
}

/// The last promotion that had begun, and how far it was.
fn phase(at: Duration, promotions: &[Promotion]) -> (u32, Phase) {
    let Some(last) = promotions.iter().rfind(|promotion| promotion.began <= at) else {
        return (1, Phase::Before);
    };
    let before = |moment: Option<Duration>| moment.is_none_or(|moment| at < moment);
    let phase = if before(last.answered) {
        Phase::Promoting
    } else if before(last.in_sync) {
        Phase::Rejoining
    } else {
        Phase::InSync
    };
    (last.number, phase)
}

/// The run in one line, to set beside those of other seeds.
pub(super) fn summary(
    options: &SwitchOptions,
    counts: &Counts,
    unanswered: usize,
    promotions: &[Promotion],
    mishaps: &Mishaps,
) -> String {
    let verdicts = VERDICTS.map(|(verdict, name)| (name.trim_matches('*'), all_of(counts, verdict)));
    let accepted: usize = verdicts.iter().map(|(_, count)| count).sum();
    let parts = verdicts.map(|(name, count)| format!("{count} {name}")).join(", ");
    let longest =
        |times: fn(&Promotion) -> Option<f64>| promotions.iter().filter_map(times).fold(0.0, f64::max);
    format!(
        "seed {}, {} handler(s), {:?} weather, {} devices, {mishaps}, {} promotions: {accepted} accepted ({unanswered} more had no \
         answer), {parts}; at most {:.1} s to \
         the router's answer, {:.1} s to in-sync",
        options.seed,
        options.handlers,
        options.weather,
        options.devices,
        promotions.len(),
        longest(Promotion::to_answer),
        longest(Promotion::to_in_sync),
    )
}

/// All that is known of a lost write: what, when, relative to the promotions, what the hubs hold, and which writes of
/// the same field, out of all writes of the identity, were its neighbours.
pub(super) fn lost(
    write: &Write,
    of_identity: &[&Write],
    evidence: &Evidence,
    promotions: &[Promotion],
) -> String {
    let change = &write.change;
    let field = format!("{} {} {}", change.identity, change.section.name(), change.path.join("."));
    let mut text = format!("{field}: {}\n", told(write));
    let _ = writeln!(text, "    {}", relative(write.sent, promotions));
    let held = |hub: usize| held_now(write, evidence.hubs.get(hub));
    let _ = writeln!(text, "    now: primary {}; secondary {}", held(0), held(1));
    let same: Vec<&Write> =
        of_identity.iter().copied().filter(|other| concern_one_field(write, other)).collect();
    let at = same.iter().position(|other| std::ptr::eq(*other, write)).unwrap_or_default();
    for other in same.get(at.saturating_sub(NEIGHBOURS)..at).into_iter().flatten() {
        let _ = writeln!(text, "    before: {}", told(other));
    }
    for other in same.iter().skip(at + 1).take(NEIGHBOURS) {
        let _ = writeln!(text, "    after:  {}", told(other));
    }
    text
}

/// Of writes of one identity: what concerns the identity concerns every field.
fn concern_one_field(one: &Write, other: &Write) -> bool {
    let (one, other) = (&one.change, &other.change);
    let (left, right) = (&one.path, &other.path);
    other.section == Section::Registry
        || one.section == other.section && (left.starts_with(right) || right.starts_with(left))
}

/// What a hub holds now where the write was made, never a key.
fn held_now(write: &Write, hub: Option<&Hub>) -> String {
    let change = &write.change;
    let Some(held) = hub.and_then(|hub| hub.get(&change.identity)) else {
        return "no such identity".to_owned();
    };
    match change.section {
        Section::Registry if held.key == change.value => "it, with this key".to_owned(),
        Section::Registry => "it, with another key".to_owned(),
        section => shown(held.fields.get(&(section, change.path.clone()))),
    }
}

/// One write in words, never with a key.
fn told(write: &Write) -> String {
    let change = &write.change;
    let what = match (change.section, &change.value) {
        (Section::Registry, Some(_)) => "made".to_owned(),
        (Section::Registry, None) => "deleted".to_owned(),
        (section, None) => format!("{} {} removed", section.name(), change.path.join(".")),
        (section, Some(value)) => format!("{} {} = {value}", section.name(), change.path.join(".")),
    };
    let hub = if write.hub == 0 { "primary" } else { "secondary" };
    let accepted = accepted_at(write).map_or("no answer".to_owned(), |at| format!("accepted {}", clock(at)));
    format!("{what} at the {hub}, sent {}, {accepted}", clock(write.sent))
}

fn clock(at: Duration) -> String {
    format!("{:.3}", at.as_secs_f64())
}

/// Where a moment lies between the promotions.
fn relative(at: Duration, promotions: &[Promotion]) -> String {
    let apart = |from: Duration| at.as_secs_f64() - from.as_secs_f64();
    let last = promotions.iter().rfind(|promotion| promotion.began <= at);
    let next = promotions.iter().find(|promotion| promotion.began > at);
    let after = last.map(|promotion| {
        let from = |moment: Option<Duration>, name: &str| {
            moment.map(|moment| format!(", {:+.3} s from {name}", apart(moment))).unwrap_or_default()
        };
        format!(
            "{:.3} s after promotion {} began{}{}{}",
            apart(promotion.began),
            promotion.number,
            from(promotion.cut, "its cut"),
            from(promotion.answered, "the router's answer"),
            from(promotion.in_sync, "in-sync"),
        )
    });
    let before = next.map(|promotion| {
        format!("{:.3} s before promotion {} began", -apart(promotion.began), promotion.number)
    });
    let parts: Vec<String> = after.into_iter().chain(before).collect();
    if parts.is_empty() { "no promotion".to_owned() } else { parts.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_counts_every_section_and_all_of_them() {
        let counts = Counts::from([
            ((Section::Tags, Verdict::OnBoth), 3),
            ((Section::Tags, Verdict::Lost), 1),
            ((Section::Reported, Verdict::Lost), 2),
        ]);
        let table = writes_table(&counts);
        assert!(table.contains("| tags | 4 | 3 | 0 | 0 | 0 | 1 |"), "{table}");
        assert!(table.contains("| all | 6 | 3 | 0 | 0 | 0 | 3 |"), "{table}");
    }

    #[test]
    fn a_moment_is_told_relative_to_the_promotions_around_it() {
        let promotion = |number, began| Promotion {
            goes_back: false,
            number,
            forced: false,
            to: "secondary".to_owned(),
            began: Duration::from_secs(began),
            cut: Some(Duration::from_secs(began)),
            answered: Some(Duration::from_secs(began + 2)),
            back: Duration::from_secs(began),
            in_sync: None,
            note: String::new(),
        };
        let promotions = [promotion(1, 10), promotion(2, 30)];
        let told = relative(Duration::from_secs(11), &promotions);
        assert_eq!(
            told,
            "1.000 s after promotion 1 began, +1.000 s from its cut, -1.000 s from the router's answer; 19.000 s before promotion 2 began"
        );
        assert_eq!(relative(Duration::from_secs(1), &[]), "no promotion");
        let phase_at = |seconds| phase(Duration::from_secs(seconds), &promotions);
        assert_eq!(phase_at(1), (1, Phase::Before));
        assert_eq!(phase_at(31), (2, Phase::Promoting));
        assert_eq!(phase_at(33), (2, Phase::Rejoining));
    }
}
