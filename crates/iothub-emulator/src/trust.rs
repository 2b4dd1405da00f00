//! What makes each SDK trust the emulator.

use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::path::Path;

/// A variable and who reads it.
struct Variable {
    name: &'static str,
    readers: &'static str,
}

/// The variables, with who reads them (tried with the Node and Python SDKs; of .NET and the rest, read).
const VARIABLES: [Variable; 3] = [
    Variable {
        name: "NODE_EXTRA_CA_CERTS",
        readers: "Node SDKs (azure-iothub, azure-iot-device-*), read when node starts. In addition to the public roots.",
    },
    Variable {
        name: "REQUESTS_CA_BUNDLE",
        readers: "Python azure-iot-hub and az iot. INSTEAD of the public roots: other HTTPS calls of theirs fail.",
    },
    Variable {
        name: "SSL_CERT_FILE",
        readers: "Python azure-iot-device, .NET on Linux, iot-hadr and whatever else asks OpenSSL for its roots.\n# \
                  INSTEAD of the public roots: other TLS connections of theirs fail.",
    },
];

/// Lines for `eval "$(iothub-emulator trust)"`.
#[must_use]
pub fn for_a_shell(ca_file: &Path) -> String {
    let file = quoted(&ca_file.display().to_string());
    let mut lines = String::from(
        "# For this shell: eval \"$(iothub-emulator trust)\", with the same --ca-dir as the emulator, if any.\n",
    );
    for Variable { name, readers } in VARIABLES {
        let _infallible = write!(lines, "# {readers}\nexport {name}={file}\n");
    }
    lines.push_str(
        "# Java reads none of them: import the file into its trust store with keytool -importcert.\n",
    );
    lines
}

/// The same for a program.
#[must_use]
pub fn for_a_program(ca_file: &Path) -> Value {
    let file = ca_file.display().to_string();
    let variables: Map<String, Value> =
        VARIABLES.iter().map(|variable| (variable.name.to_owned(), Value::String(file.clone()))).collect();
    json!({"caFile": file, "variables": variables})
}

/// One word for a shell, whatever is in it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::process::Command;

    #[test]
    fn a_shell_takes_the_lines_whatever_the_path_holds() {
        let path = "/a dir/it's $HOME/ca.pem";
        let script =
            r#"eval "$1"; printf '%s|%s|%s' "$NODE_EXTRA_CA_CERTS" "$REQUESTS_CA_BUNDLE" "$SSL_CERT_FILE""#;
        let lines = for_a_shell(Path::new(path));
        let output = Command::new("sh").args(["-c", script, "sh", &lines]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), [path; 3].join("|"));
    }

    #[test]
    fn a_program_gets_the_same_variables() {
        let told = for_a_program(Path::new("/x/ca.pem"));
        let path = "/x/ca.pem";
        let variables =
            json!({"NODE_EXTRA_CA_CERTS": path, "REQUESTS_CA_BUNDLE": path, "SSL_CERT_FILE": path});
        assert_eq!(told, json!({"caFile": path, "variables": variables}));
    }
}
