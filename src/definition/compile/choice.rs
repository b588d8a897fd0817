//! Nodes that choose what runs after them.

use super::super::model::{Choice, ChoiceOption, Kind};
use super::Mistakes;
use super::nodes::Scope;
use super::yaml::RawNode;

/// A node of the type `dynamiq.nodes.operators.Choice`.
pub(super) fn compile(
    mistakes: &mut Mistakes<'_>,
    _: &Scope<'_>,
    id: &str,
    raw: &mut RawNode,
) -> Option<Kind> {
    let before = mistakes.found.len();
    let mut options: Vec<ChoiceOption> = Vec::new();
    for option in raw.options.take().map(|field| field.value).unwrap_or_default() {
        let (raw, at) = (option.value, option.referenced);
        // Dynamiq makes one up, another one in each process.
        let Some(option_id) = raw.id.filter(|id| !id.is_empty()) else {
            mistakes.add(at, format!("node `{id}`: an option has to have an id"));
            continue;
        };
        let what = format!("node `{id}`: option `{option_id}`");
        if options.iter().any(|other| other.id == option_id) {
            mistakes.add(at, format!("{what} is there twice"));
        }
        let condition = raw.condition.and_then(|condition| mistakes.condition(&what, condition));
        options.push(ChoiceOption { id: option_id, condition });
    }
    if mistakes.found.len() > before {
        return None;
    }
    let hit_policy = raw.hit_policy.take().map(|field| field.value).unwrap_or_default();
    let fingerprint = serde_json::to_string(&(&raw.r#type.value, &options, hit_policy)).ok()?;
    Some(Kind::Choice(Choice { options, hit_policy, fingerprint }))
}
