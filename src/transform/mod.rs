//! What Dynamiq's `input_transformer`, `output_transformer` and `input_mapping` do.
//!
//! A path is a JSONPath in the dialect of jsonpath-ng 1.6.1, which is not RFC 9535: what it finds is
//! `null` for nothing, the bare value for one thing, and a list for more. The result is the one that
//! Dynamiq gives, or an error; it is put together from pieces of the data as they were written, so
//! nothing is lost in numbers, strings and the order of members.
//!
//! Where Python reaches its recursion limit, in data or paths of some hundred levels, Dynamiq fails
//! and this does not, up to the limits of the parsers.

mod apply;
mod compile;
mod find;

pub use apply::apply_mapping;
#[cfg(test)]
pub(crate) use compile::is_rooted;
pub use compile::{CompileError, Mistake, Transformer};
pub use find::Problem;

/// Why data cannot be transformed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransformError {
    /// A path fails on the data.
    #[error("the path `{path}` fails on this data: {problem}")]
    Path {
        /// As it was given.
        path: String,
        /// What fails.
        problem: Problem,
    },
    /// A path that has to find one thing finds none, or more.
    #[error("the path `{path}` finds {count} values in this data, and there has to be one")]
    NotOne {
        /// As it was given.
        path: String,
        /// How many.
        count: usize,
    },
    /// A selector is applied to something other than an object or an array.
    #[error("a selector needs an object or an array to select from, and there is {0}")]
    NotSelectable(&'static str),
    /// A mapping is applied to something other than an object.
    #[error("input_mapping needs an object to put fields into, and there is {0}")]
    NotMappable(&'static str),
    /// The result has more than 16 MiB.
    #[error("the result is larger than 16 MiB")]
    TooLarge,
}
