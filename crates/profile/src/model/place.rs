//! Guest addresses with their names.

use crate::address::Address;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A guest address with its name.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(default)]
pub struct Place {
    /// The linear address.
    pub eip: Address,
    /// The symbol at or before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbol: Option<String>,
    /// How far behind the symbol it is.
    #[serde(skip_serializing_if = "is_zero")]
    pub offset: u64,
}

/// For fields that most entries of a long list have no use for.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
pub(super) fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.symbol, self.offset) {
            (Some(symbol), 0) => write!(f, "{symbol}"),
            (Some(symbol), offset) => write!(f, "{symbol}+{offset:#x}"),
            (None, _) => write!(f, "{}", self.eip),
        }
    }
}

impl Place {
    /// The function's name: the symbol, or else the address of the page.
    #[must_use]
    pub fn function(&self) -> String {
        self.symbol.clone().unwrap_or_else(|| format!("[{}]", Address(self.eip.0 & !0xfff)))
    }
}
