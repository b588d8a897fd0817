//! Conditions, of choices and of dependencies.

use serde_saphyr::{Location, Spanned};

use super::super::model::{Comparison, Condition, Operand, Test};
use super::super::transform::{Transformer, is_rooted};
use super::Mistakes;
use super::yaml::RawCondition;

/// How deep conditions may stand in one another. Evaluating them calls itself as deep.
const MAX_DEPTH: usize = 16;

impl Mistakes<'_> {
    /// A condition; `what` says whose.
    pub(super) fn condition(
        &mut self,
        what: &str,
        raw: Spanned<RawCondition>,
    ) -> Option<Condition> {
        self.condition_at(what, raw, 1)
    }

    fn condition_at(
        &mut self,
        what: &str,
        raw: Spanned<RawCondition>,
        depth: usize,
    ) -> Option<Condition> {
        let Spanned { value: raw, referenced: at, .. } = raw;
        let what = if depth == 1 { format!("{what}: condition") } else { what.to_owned() };
        if depth > MAX_DEPTH {
            self.add(at, format!("{what}: operands nest deeper than {MAX_DEPTH} levels"));
            return None;
        }
        let variable = match &raw.variable {
            Some(path) => self.path(&format!("{what}: variable"), &path.value, path.referenced),
            None => Some(Transformer::default()),
        };
        let operator = self.required(&what, "operator", raw.operator, at)?;
        let name = operator.value.as_str();
        if matches!(name, "and" | "or") {
            let Some(raw_operands) = raw.operands else {
                self.add(at, format!("{what}: the operator `{name}` needs the field `operands`"));
                return None;
            };
            let what = format!("{what}: operand");
            let mut operands = Vec::new();
            for operand in raw_operands {
                operands.extend(self.condition_at(&what, operand, depth + 1));
            }
            let test = if name == "and" { Test::All(operands) } else { Test::Any(operands) };
            return Some(Condition { variable: variable?, is_not: raw.is_not, test });
        }
        let Some((comparison, is_path)) = comparison(name) else {
            let reason = if name == "string-regexp" {
                "the edge cannot run the operator `string-regexp`: regular expressions differ between Python and Rust"
                    .to_owned()
            } else {
                format!("there is no operator `{name}`")
            };
            self.add(operator.referenced, format!("{what}: {reason}"));
            return None;
        };
        let operand = if is_path {
            let path = raw.value.as_text().map(str::to_owned);
            let Some(path) = path.filter(|path| is_rooted(path)) else {
                let reason = format!("the operator `{name}` needs a path such as $.name as value");
                self.add(at, format!("{what}: {reason}"));
                return None;
            };
            Operand::Path(self.path(&format!("{what}: value"), &path, at)?)
        } else {
            Operand::Value(raw.value.to_string())
        };
        let test = Test::Compare(comparison, operand);
        Some(Condition { variable: variable?, is_not: raw.is_not, test })
    }

    fn path(&mut self, what: &str, path: &str, at: Location) -> Option<Transformer> {
        match Transformer::compile(Some(path), None) {
            Ok(transformer) => Some(transformer),
            Err(error) => {
                self.add(at, format!("{what}: {error}"));
                None
            }
        }
    }
}

/// What an operator compares, and whether with a value that a path finds.
pub(crate) fn comparison(name: &str) -> Option<(Comparison, bool)> {
    let (kind, name) = name.split_once('-')?;
    let (name, is_path) = name.strip_suffix("-path").map_or((name, false), |name| (name, true));
    let (has_order, is_string) = (kind != "boolean", kind == "string");
    let comparison = match name {
        "equals" => Comparison::Equals,
        "greater-than" if has_order => Comparison::GreaterThan,
        "greater-than-or-equals" if has_order => Comparison::GreaterThanOrEquals,
        "less-than" if has_order => Comparison::LessThan,
        "less-than-or-equals" if has_order => Comparison::LessThanOrEquals,
        "starts-with" if is_string && !is_path => Comparison::StartsWith,
        "ends-with" if is_string && !is_path => Comparison::EndsWith,
        "contains" if is_string && !is_path => Comparison::Contains,
        _ => return None,
    };
    matches!(kind, "boolean" | "numeric" | "string").then_some((comparison, is_path))
}
