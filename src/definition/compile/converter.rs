//! Nodes that make text of web pages.

use super::super::model::{Converter, Kind};
use super::Mistakes;
use super::nodes::Scope;
use super::yaml::RawNode;

/// A node of the type `edgememo.nodes.converters.HTMLConverter`.
pub(super) fn compile(
    _: &mut Mistakes<'_>,
    _: &Scope<'_>,
    _: &str,
    raw: &mut RawNode,
) -> Option<Kind> {
    let format = raw.format.take().map(|field| field.value).unwrap_or_default();
    let part = raw.part.take().map(|field| field.value).unwrap_or_default();
    Some(Kind::Converter(Converter { format, part }))
}
