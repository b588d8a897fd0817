//! The two ways to make a key.

use serde::{Deserialize, Serialize};

/// How a key is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// Bit for bit Dynamiq's Python library.
    ///
    /// `[{namespace}:]{entity_id}:{sha256(input)}:{sha256(kwargs)}`, hashed over Python's spelling
    /// with sorted members. Namespace and entity id are written as they are, so a `:` in them can
    /// make two pairs look alike (`a:b` + `c`, `a` + `b:c`).
    #[default]
    Dynamiq,
    /// One key for one meaning, whoever spelled it, and another for another definition.
    ///
    /// `[{namespace}:]{entity_id}:{sha256(input)}:{sha256(kwargs and definition)}:v1`, hashed over
    /// the canonical spelling. Namespace and entity id are percent-encoded.
    Canonical,
}

impl Scheme {
    /// The name in definitions and in JavaScript.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dynamiq => "dynamiq",
            Self::Canonical => "canonical",
        }
    }

    /// The scheme of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Dynamiq, Self::Canonical].into_iter().find(|scheme| scheme.as_str() == name)
    }
}
