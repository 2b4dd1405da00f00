//! The figures beside the goals.

use std::fmt;
use std::time::Duration;

use super::emulator::{Memory, Restarted};
use super::load::Run;
use super::{GOAL_BYTES, GOAL_COST, GOAL_DEVICES, Options};

pub(crate) struct Table {
    title: String,
    rows: Vec<[String; 3]>,
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20))
}

impl Table {
    pub(crate) fn new(options: &Options) -> Self {
        let Options { devices, connections, .. } = options;
        let title = format!(
            "{devices} devices with 1 KB twins, {connections} connections, client and emulator on one machine"
        );
        Self { title, rows: Vec::new() }
    }

    fn row(&mut self, what: &str, figure: String, goal: String) {
        eprintln!("{what}: {figure}");
        self.rows.push([what.to_owned(), figure, goal]);
    }

    pub(crate) fn filled(
        &mut self,
        what: &str,
        options: &Options,
        took: &Duration,
        idle: Memory,
        full: Memory,
    ) {
        let seconds = took.as_secs_f64();
        let rate = options.devices as f64 / seconds;
        self.row(
            &format!("filled in bulk{what}"),
            format!("{seconds:.1} s, {rate:.0} devices/s"),
            String::new(),
        );
        self.memory(&format!("peak memory when full{what}"), options, full);
        let each = full.now.saturating_sub(idle.now) / options.devices.max(1);
        self.row(
            &format!("memory per device, events included{what}"),
            format!("{each} bytes"),
            String::new(),
        );
    }

    pub(crate) fn memory(&mut self, what: &str, options: &Options, memory: Memory) {
        let goal = match options.devices >= GOAL_DEVICES {
            true => format!("< {}", mebibytes(GOAL_BYTES)),
            false => String::new(),
        };
        self.row(what, mebibytes(memory.peak), goal);
    }

    pub(crate) fn rate(&mut self, what: &str, goal: Option<f64>, run: &Run) {
        let (p50, p99) = (run.percentile(50), run.percentile(99));
        let figure = format!("{:.0}/s, p50 {p50:.2} ms, p99 {p99:.2} ms", run.rate());
        self.row(what, figure, goal.map(|goal| format!("{goal:.0}/s")).unwrap_or_default());
        let [emulator, client] = run.costs();
        // What others on the machine do lowers the rate above, but hardly this.
        let both = emulator + client;
        let figure = format!(
            "{emulator:.0} µs emulator + {client:.0} µs client: {:.0}/s on two whole processors",
            2e6 / both
        );
        self.row(
            "- processor time each",
            figure,
            goal.map(|_| format!("< {GOAL_COST:.0} µs")).unwrap_or_default(),
        );
    }

    pub(crate) fn seconds(&mut self, what: &str, took: Duration) {
        self.row(what, format!("{:.2} s", took.as_secs_f64()), String::new());
    }

    pub(crate) fn restart(&mut self, options: &Options, restarted: Restarted) {
        let Restarted { took, journal, memory } = restarted;
        let figure = format!("{:.1} s from {}", took.as_secs_f64(), mebibytes(journal));
        self.row("back after kill -9", figure, String::new());
        self.memory("peak memory after that", options, memory);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.title)?;
        writeln!(f, "| measured | figure | goal |\n|---|---|---|")?;
        self.rows.iter().try_for_each(|[what, figure, goal]| writeln!(f, "| {what} | {figure} | {goal} |"))
    }
}
