//! What the cache had to do with a run.

use crate::cache::MissReason;

/// What the cache had to do with a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheReport {
    /// The run did not get as far as the cache.
    NotReached,
    /// The run brought no cache config.
    NoCacheConfig,
    /// The node does not opt in.
    CachingDisabled,
    /// There is no canonical key for what the run was given: the code of the reason.
    NoKey(&'static str),
    /// The output came from the cache.
    Hit {
        /// Where it was.
        key: String,
        /// How many seconds ago it was stored, where that is known.
        age: Option<u64>,
        /// For how many seconds it has not been fresh any more, when it is made anew meanwhile.
        stale_for: Option<u64>,
    },
    /// The output came from the memory of the isolate, and Redis was not asked.
    HitInMemory {
        /// Where it is in Redis.
        key: String,
        /// How many seconds ago it was stored, where that is known.
        age: Option<u64>,
    },
    /// The output is that of another run, for which this one waited.
    Collapsed {
        /// Where it was looked for.
        key: String,
        /// How many seconds ago it was stored, where that is known.
        age: Option<u64>,
    },
    /// The node failed, and the output is one that is not fresh any more.
    StaleIfError {
        /// Where it was.
        key: String,
        /// How many seconds ago it was stored, where that is known.
        age: Option<u64>,
        /// The HTTP status that said that the node's provider failed, if one did.
        status: Option<u16>,
    },
    /// It did not come from the cache.
    Miss {
        /// Where it was looked for.
        key: String,
        /// Why nothing usable was found, unless there was just nothing.
        reason: Option<MissReason>,
        /// Why the output is not stored either; None when it will be.
        not_stored: Option<NotStored>,
        /// Whether the run waited for another, and failed with it (true) or executed after all (false).
        collapsed: Option<bool>,
    },
}

/// Why an output is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotStored {
    /// There is none.
    Failed,
    /// A ttl of 0 asks for it.
    TtlZero,
    /// The lookup showed that a write would fail, or replace something foreign.
    Lookup,
    /// It came from another node.
    FallenBack,
}

impl CacheReport {
    /// `hit`, `miss`, `stale` or `bypass`, as in a result's `cache.status`.
    pub fn status(&self) -> &'static str {
        match self {
            Self::Hit { .. } | Self::HitInMemory { .. } => "hit",
            Self::StaleIfError { .. } => "stale",
            Self::Collapsed { .. } | Self::Miss { .. } => "miss",
            Self::NotReached | Self::NoCacheConfig | Self::CachingDisabled | Self::NoKey(_) => {
                "bypass"
            }
        }
    }

    /// The key, when there is one.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Hit { key, .. }
            | Self::HitInMemory { key, .. }
            | Self::Collapsed { key, .. }
            | Self::StaleIfError { key, .. }
            | Self::Miss { key, .. } => Some(key),
            Self::NotReached | Self::NoCacheConfig | Self::CachingDisabled | Self::NoKey(_) => None,
        }
    }

    /// Why the cache did not answer or will not hold the output, or what answered in the place of Redis;
    /// None when nothing is unusual.
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Self::HitInMemory { .. } => Some("memory"),
            Self::NoCacheConfig => Some("no-cache-config"),
            Self::CachingDisabled => Some("caching-disabled"),
            Self::NoKey(code) => Some(code),
            Self::Hit { stale_for: Some(_), .. } => Some("stale-while-revalidate"),
            Self::StaleIfError { .. } => Some("stale-if-error"),
            Self::Collapsed { .. } | Self::Miss { collapsed: Some(true), .. } => Some("collapsed"),
            Self::Miss { reason: Some(reason), .. } => Some(reason.as_str()),
            Self::Miss { not_stored: Some(NotStored::TtlZero), .. } => Some("ttl-zero"),
            Self::Miss { not_stored: Some(NotStored::FallenBack), .. } => Some("fallback"),
            Self::NotReached | Self::Hit { .. } | Self::Miss { .. } => None,
        }
    }

    /// How many seconds ago the output was stored, where that is known.
    pub fn age(&self) -> Option<u64> {
        match self {
            Self::Hit { age, .. }
            | Self::HitInMemory { age, .. }
            | Self::Collapsed { age, .. }
            | Self::StaleIfError { age, .. } => *age,
            _ => None,
        }
    }

    /// Whether the output was stored before, and the run did not make it.
    pub fn is_output_from_cache(&self) -> bool {
        matches!(
            self,
            Self::Hit { .. }
                | Self::HitInMemory { .. }
                | Self::Collapsed { .. }
                | Self::StaleIfError { .. }
        )
    }

    /// Whether a write follows the response.
    pub fn is_store_scheduled(&self) -> bool {
        matches!(self, Self::Miss { not_stored: None, .. })
    }

    /// Whether the output was looked for, and is not to be stored.
    pub fn is_not_admissible(&self) -> bool {
        matches!(self, Self::Miss { not_stored: Some(_), .. })
    }
}
