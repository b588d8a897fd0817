//! Jinja templates, set up as Dynamiq sets Jinja2 up. Shared with the build script.

use std::collections::BTreeSet;

use minijinja::{AutoEscape, Environment, Error};

/// An environment with Jinja2's defaults: nothing is escaped, one trailing newline goes.
pub(crate) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment
}

/// The variables that an input has to have for this template, or why it is no template.
///
/// They are found by reading: a variable that is only tested or has a default is needed too.
#[cfg_attr(not(test), allow(dead_code, reason = "the Worker has them from the build script"))]
pub(crate) fn required_parameters(source: &str) -> Result<BTreeSet<String>, Error> {
    let environment = environment();
    let names = environment.template_from_str(source)?.undeclared_variables(false);
    Ok(names.into_iter().filter(|name| !environment.globals().any(|(global, _)| global == name)).collect())
}
