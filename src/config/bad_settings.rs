//! What is wrong with the settings, all at once.

use std::fmt;

/// A setting that cannot be used. Shows nothing of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadSetting {
    /// Its name.
    pub name: &'static str,
    /// What is wrong with it.
    pub why: String,
}

/// Everything that is wrong with the settings; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadSettings(pub Vec<BadSetting>);

impl BadSettings {
    /// `EX_USAGE`, as linkerd's proxy has it.
    pub const EXIT_CODE: u8 = 64;
}

/// One line per setting.
impl fmt::Display for BadSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, BadSetting { name, why }) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{name}: {why}")?;
        }
        Ok(())
    }
}

impl std::error::Error for BadSettings {}
