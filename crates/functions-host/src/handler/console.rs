//! The handler's standard streams, line by line, as the host logs them.

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use crate::log::{CONSOLE, HostLog, Level};

/// Logs every line of a stream until it ends. Invalid UTF-8 is replaced.
pub(super) async fn follow(stream: impl AsyncRead + Unpin, log: HostLog, level: impl Fn(&str) -> Level) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        log.write(CONSOLE, level(text), text);
        line.clear();
    }
}

/// The level of a line on standard error.
pub(super) fn stderr_level(line: &str, errors_only: bool) -> Level {
    let line = line.to_ascii_lowercase();
    let says = |word: &str| line.contains(word);
    if errors_only {
        return if says("warn") { Level::Warning } else { Level::Error };
    }
    let error = ["error", "fail", "severe", "unhandled exception"].into_iter().any(says);
    if error { Level::Error } else { Level::Information }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_on_standard_error_gets_the_hosts_level() {
        let cases = [
            ("all is well", true, Level::Error),
            ("WARN: disk", true, Level::Warning),
            ("all is well", false, Level::Information),
            ("an Error happened", false, Level::Error),
            ("request failed", false, Level::Error),
        ];
        for (line, errors_only, level) in cases {
            assert_eq!(stderr_level(line, errors_only), level, "{line}");
        }
    }
}
