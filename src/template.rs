//! Jinja templates, set up as Dynamiq sets Jinja2 up. Shared with the build script.

use minijinja::{AutoEscape, Environment, filters, functions, tests};

/// Adds a filter or a test to an environment under a name.
type Add = fn(&mut Environment<'static>, &'static str);

/// The filters that give what Jinja2's give. Each adds to the size of the Worker; one that is not
/// here is refused by name when the Worker is built.
pub(crate) const FILTERS: [(&str, Add); 9] = [
    ("count", |env, name| env.add_filter(name, filters::length)),
    ("d", |env, name| env.add_filter(name, filters::default)),
    ("default", |env, name| env.add_filter(name, filters::default)),
    ("first", |env, name| env.add_filter(name, filters::first)),
    ("last", |env, name| env.add_filter(name, filters::last)),
    ("length", |env, name| env.add_filter(name, filters::length)),
    ("lower", |env, name| env.add_filter(name, filters::lower)),
    ("trim", |env, name| env.add_filter(name, filters::trim)),
    ("upper", |env, name| env.add_filter(name, filters::upper)),
];

/// The tests, likewise.
pub(crate) const TESTS: [(&str, Add); 3] = [
    ("defined", |env, name| env.add_test(name, tests::is_defined)),
    ("none", |env, name| env.add_test(name, tests::is_none)),
    ("undefined", |env, name| env.add_test(name, tests::is_undefined)),
];

/// An environment with Jinja2's defaults: nothing is escaped, one trailing newline goes.
pub(crate) fn environment() -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    for (name, add) in FILTERS.into_iter().chain(TESTS) {
        add(&mut environment, name);
    }
    environment.add_function("range", functions::range);
    environment
}
