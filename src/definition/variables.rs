//! What a template needs, found by reading it.

use std::collections::BTreeSet;

use minijinja::machinery::{CompiledTemplate, Instruction, get_compiled_template};

use crate::template::{self, FILTERS, TESTS};

/// The variables that an input has to have for this template, or why it is no template that the
/// edge can render: a syntax error, or a filter, test or function that it does not have.
///
/// A variable that is only tested or has a default is needed too.
pub(crate) fn required_parameters(source: &str) -> Result<BTreeSet<String>, String> {
    let environment = template::environment();
    let template = environment.template_from_str(source).map_err(|error| error.to_string())?;
    let mut called = BTreeSet::new();
    check_names(get_compiled_template(&template), &mut called)?;
    let is_function = |name: &str| environment.globals().any(|(global, _)| global == name);
    let variables = template.undeclared_variables(false);
    if let Some(name) = called.iter().find(|&name| variables.contains(name) && !is_function(name)) {
        return Err(format!("the edge has no function `{name}`"));
    }
    Ok(variables.into_iter().filter(|name| !is_function(name)).collect())
}

/// Refuses filters and tests that the environment does not have; collects what is called.
fn check_names(
    compiled: &CompiledTemplate<'_>,
    called: &mut BTreeSet<String>,
) -> Result<(), String> {
    let is_in = |table: &[(&str, _)], name: &str| table.iter().any(|(known, _)| *known == name);
    let blocks = compiled.blocks.values().chain([&compiled.instructions]);
    for instruction in blocks.flat_map(|code| (0..).map_while(|index| code.get(index))) {
        let (kind, name, known) = match instruction {
            Instruction::ApplyFilter(name, ..) => ("filter", name, is_in(&FILTERS, name)),
            Instruction::PerformTest(name, ..) => ("test", name, is_in(&TESTS, name)),
            // minijinja knows no methods of Python's values.
            Instruction::CallMethod(name, _) => ("method", name, false),
            Instruction::CallObject(_) => {
                return Err("the edge calls functions by name only".to_owned());
            }
            Instruction::CallFunction(name, _) => {
                called.insert((*name).to_owned());
                continue;
            }
            _ => continue,
        };
        if !known {
            return Err(format!("the edge has no {kind} `{name}`"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn required(source: &str) -> Result<Vec<String>, String> {
        required_parameters(source).map(|names| names.into_iter().collect())
    }

    #[test]
    fn variables_are_found_in_branches_and_tests_too() {
        assert_eq!(
            required("{{ a.b }}{% if c is defined %}{{ d | default('x') }}{% endif %}").unwrap(),
            ["a", "c", "d"]
        );
        assert_eq!(
            required("{% for i in range(3) %}{{ i }}{{ loop.index }}{% endfor %}").unwrap(),
            [""; 0]
        );
        assert_eq!(required("{% set x = y %}{{ x }}").unwrap(), ["y"]);
    }

    #[test]
    fn what_the_edge_cannot_render_is_named() {
        assert_eq!(
            required("{% if 0 %}{{ a | groupby('x') }}{% endif %}").unwrap_err(),
            "the edge has no filter `groupby`"
        );
        assert_eq!(
            required("{{ a is divisibleby(3) }}").unwrap_err(),
            "the edge has no test `divisibleby`"
        );
        assert_eq!(required("{{ a.upper() }}").unwrap_err(), "the edge has no method `upper`");
        assert_eq!(required("{{ lipsum() }}").unwrap_err(), "the edge has no function `lipsum`");
        assert!(required("{{ a").unwrap_err().contains("syntax error"));
    }

    #[test]
    fn every_name_that_the_build_accepts_renders() {
        let environment = template::environment();
        let filters = FILTERS.map(|(name, _)| format!("{{{{ 'x' | {name} }}}}"));
        let tests = TESTS.map(|(name, _)| format!("{{{{ 'x' is {name} }}}}"));
        for source in filters.iter().chain(&tests) {
            let rendered = environment.template_from_str(source).unwrap().render(());
            assert!(rendered.is_ok(), "{source}: {rendered:?}");
        }
    }
}
