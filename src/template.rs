//! Jinja templates, set up as Dynamiq sets Jinja2 up. Shared with the build script.

use minijinja::{AutoEscape, Environment, filters, functions, tests};

/// An environment with Jinja2's defaults: nothing is escaped, one trailing newline goes.
///
/// Of the filters, tests and functions it has those that give what Jinja2 gives; each adds to the
/// size of the Worker. What is not here is refused by name when the Worker is built.
pub(crate) fn environment() -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.add_filter("count", filters::length);
    environment.add_filter("d", filters::default);
    environment.add_filter("default", filters::default);
    environment.add_filter("first", filters::first);
    environment.add_filter("last", filters::last);
    environment.add_filter("length", filters::length);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("trim", filters::trim);
    environment.add_filter("upper", filters::upper);
    environment.add_test("defined", tests::is_defined);
    environment.add_test("none", tests::is_none);
    environment.add_test("undefined", tests::is_undefined);
    environment.add_function("range", functions::range);
    environment
}
