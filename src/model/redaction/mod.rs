//! Keys where none belong, taken out of what is shown or kept.
//!
//! A key is known by the name before it (`SharedAccessKey=…`, `"primaryKey": "…"`, `sig=…`), or by its own form: 32 or
//! 64 bytes in base64, as the services make them, and PEM. It is looked for in JSON, in JSON inside strings, however
//! deep (`json`), in base64, and in text that is neither (`text`).

mod json;
mod text;

pub use json::{redacted, redacted_body, redacted_members};
pub use text::REMOVED;

#[cfg(test)]
mod tests;
