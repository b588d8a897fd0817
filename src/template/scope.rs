//! Which names belong to which part of a template.
//!
//! Jinja2 decides that by reading: a name that a part sets is a name of that part everywhere in it,
//! and a name that no part around it knows is looked up in the input when the part is entered.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::ast::{Args, Expr, For, Load, Macro, Scope, Stmt, Target};
use super::{GLOBALS, Mistake};

/// Gives every part its names, and the names that the input has to have.
pub(super) fn resolve(body: &mut [Stmt]) -> Result<(Scope, BTreeSet<Rc<str>>), Mistake> {
    let mut symbols = Symbols::default();
    symbols.statements(body, None);
    let mut resolver = Resolver::default();
    resolver.note(&symbols);
    resolver.statements(body, &Chain { symbols: &symbols, parent: None })?;
    Ok((symbols.loads, resolver.required))
}

/// A part and those around it.
struct Chain<'c> {
    symbols: &'c Symbols,
    parent: Option<&'c Chain<'c>>,
}

impl Chain<'_> {
    fn knows(&self, name: &str) -> bool {
        self.symbols.has(name) || self.parent.is_some_and(|parent| parent.knows(name))
    }
}

/// The names of one part.
#[derive(Debug, Clone, Default)]
struct Symbols {
    loads: Scope,
    stores: BTreeSet<Rc<str>>,
}

impl Symbols {
    fn has(&self, name: &str) -> bool {
        self.loads.iter().any(|(known, _)| **known == *name)
    }

    fn define(&mut self, name: &Rc<str>, load: Load) {
        match self.loads.iter_mut().find(|(known, _)| known == name) {
            Some(entry) => entry.1 = load,
            None => self.loads.push((name.clone(), load)),
        }
    }

    fn parameter(&mut self, name: &Rc<str>) {
        self.stores.insert(name.clone());
        self.define(name, Load::Parameter);
    }

    fn store(&mut self, name: &Rc<str>, parent: Option<&Chain<'_>>) {
        self.stores.insert(name.clone());
        if !self.has(name) {
            let outer = parent.is_some_and(|parent| parent.knows(name));
            self.define(name, if outer { Load::Alias } else { Load::Undefined });
        }
    }

    fn load(&mut self, name: &Rc<str>, parent: Option<&Chain<'_>>) {
        if !self.has(name) && !parent.is_some_and(|parent| parent.knows(name)) {
            self.define(name, Load::Resolve);
        }
    }

    fn target_parameters(&mut self, target: &Target) {
        match target {
            Target::Name(name) => self.parameter(name),
            Target::Tuple(targets) => {
                targets.iter().for_each(|target| self.target_parameters(target));
            }
            Target::Attr(..) => {}
        }
    }

    fn target(&mut self, target: &Target, parent: Option<&Chain<'_>>) {
        match target {
            Target::Name(name) => self.store(name, parent),
            Target::Tuple(targets) => {
                targets.iter().for_each(|target| self.target(target, parent));
            }
            Target::Attr(name, _) => self.load(name, parent),
        }
    }

    fn expr(&mut self, expr: &Expr, parent: Option<&Chain<'_>>) {
        walk(expr, &mut |expr| {
            if let Expr::Name(name) = expr {
                self.load(name, parent);
            }
        });
    }

    /// What the part itself says; the parts in it have names of their own.
    fn statements(&mut self, body: &[Stmt], parent: Option<&Chain<'_>>) {
        for stmt in body {
            match stmt {
                Stmt::Data(_) => {}
                Stmt::Print(expr) => self.expr(expr, parent),
                Stmt::If { branches, otherwise } => self.branches(branches, otherwise, parent),
                Stmt::For(node) => self.expr(&node.iter, parent),
                Stmt::Set(target, value) => {
                    self.expr(value, parent);
                    self.target(target, parent);
                }
                Stmt::SetBlock { target, .. } => self.target(target, parent),
                Stmt::Macro(node) => {
                    if let Some(name) = &node.name {
                        self.store(name, parent);
                    }
                }
                Stmt::CallBlock { call, .. } => self.expr(call, parent),
                Stmt::FilterBlock { filter, .. } => self.expr(filter, parent),
                Stmt::With { targets, .. } => {
                    targets.iter().for_each(|(_, value)| self.expr(value, parent));
                }
            }
        }
    }

    fn branches(
        &mut self,
        branches: &[(Expr, Vec<Stmt>)],
        otherwise: &[Stmt],
        parent: Option<&Chain<'_>>,
    ) {
        let Some(((test, body), others)) = branches.split_first() else { return };
        self.expr(test, parent);
        let mut first = self.clone();
        first.statements(body, parent);
        // Each further branch is a condition without another one, after those before it.
        let mut middle = self.clone();
        for branch in others {
            middle.branches(std::slice::from_ref(branch), &[], parent);
        }
        let mut last = self.clone();
        last.statements(otherwise, parent);
        let mut stored = BTreeSet::new();
        for branch in [&first, &middle, &last] {
            stored.extend(branch.stores.difference(&self.stores).cloned());
        }
        for branch in [first, middle, last] {
            for (name, load) in &branch.loads {
                self.define(name, *load);
            }
            self.stores.extend(branch.stores);
        }
        for name in stored {
            let outer = parent.is_some_and(|parent| parent.knows(&name));
            self.define(&name, if outer { Load::Alias } else { Load::Resolve });
        }
    }
}

#[derive(Default)]
struct Resolver {
    required: BTreeSet<Rc<str>>,
}

fn refuse<T>(reason: String) -> Result<T, Mistake> {
    Err(Mistake { line: 0, reason })
}

impl Resolver {
    fn note(&mut self, symbols: &Symbols) {
        let names = symbols.loads.iter().filter(|(_, load)| *load == Load::Resolve);
        let names = names.map(|(name, _)| name).filter(|name| !GLOBALS.contains(&&***name));
        self.required.extend(names.cloned());
    }

    /// Analyses a part, then the parts in it.
    fn part(
        &mut self,
        mut symbols: Symbols,
        body: &mut [Stmt],
        parent: &Chain<'_>,
    ) -> Result<Scope, Mistake> {
        symbols.statements(body, Some(parent));
        self.note(&symbols);
        self.statements(body, &Chain { symbols: &symbols, parent: Some(parent) })?;
        Ok(symbols.loads)
    }

    fn statements(&mut self, body: &mut [Stmt], chain: &Chain<'_>) -> Result<(), Mistake> {
        for stmt in body {
            match stmt {
                Stmt::Data(_) | Stmt::Print(_) | Stmt::Set(..) => {}
                Stmt::If { branches, otherwise } => {
                    for (_, body) in branches {
                        self.statements(body, chain)?;
                    }
                    self.statements(otherwise, chain)?;
                }
                Stmt::For(node) => {
                    if let Some(node) = Rc::get_mut(node) {
                        self.for_loop(node, chain)?;
                    }
                }
                Stmt::SetBlock { filter, body, scope, .. } => {
                    *scope = self.part(Symbols::default(), body, chain)?;
                    if let Some(filter) = filter
                        && has_name(filter)
                    {
                        // Jinja2 fails for most of them.
                        return refuse(
                            "the edge takes no names in the filters of a `set` block".into(),
                        );
                    }
                }
                Stmt::Macro(node) => {
                    if let Some(node) = Rc::get_mut(node) {
                        self.macro_def(node, chain)?;
                    }
                }
                Stmt::CallBlock { caller, .. } => {
                    if let Some(caller) = Rc::get_mut(caller) {
                        self.macro_def(caller, chain)?;
                    }
                }
                Stmt::FilterBlock { filter, body, scope } => {
                    let mut symbols = Symbols::default();
                    symbols.statements(body, Some(chain));
                    symbols.expr(filter, Some(chain));
                    *scope = self.part(symbols, body, chain)?;
                }
                Stmt::With { targets, body, scope } => {
                    let mut symbols = Symbols::default();
                    targets.iter().for_each(|(target, _)| symbols.target_parameters(target));
                    *scope = self.part(symbols, body, chain)?;
                }
            }
        }
        Ok(())
    }

    fn for_loop(&mut self, node: &mut For, chain: &Chain<'_>) -> Result<(), Mistake> {
        let sets_loop = sets(&node.target, "loop")
            || any_set(&node.body, &|target| sets(target, "loop"))
            || any_set(&node.otherwise, &|target| sets(target, "loop"));
        if sets_loop {
            return refuse("`loop` cannot be set in a loop".into());
        }
        let mut symbols = Symbols::default();
        symbols.parameter(&"loop".into());
        symbols.target_parameters(&node.target);
        node.body_scope = self.part(symbols, &mut node.body, chain)?;
        node.otherwise_scope = self.part(Symbols::default(), &mut node.otherwise, chain)?;
        if let Some(test) = &node.test {
            let mut symbols = Symbols::default();
            symbols.target_parameters(&node.target);
            symbols.expr(test, Some(chain));
            self.note(&symbols);
            node.test_scope = symbols.loads;
        }
        Ok(())
    }

    fn macro_def(&mut self, node: &mut Macro, chain: &Chain<'_>) -> Result<(), Mistake> {
        let special = ["caller", "kwargs", "varargs"];
        let mut used = [false; 3];
        any_expr(&node.body, &mut |expr| {
            if let Expr::Name(name) = expr {
                for (special, used) in special.iter().zip(&mut used) {
                    *used |= **name == **special;
                }
            }
        });
        for (name, used) in special.iter().zip(used) {
            let is_set = any_set(&node.body, &|target| sets(target, name))
                || node.params.iter().any(|param| **param == **name);
            if used && is_set {
                return refuse(format!("the edge does not let a macro set `{name}`"));
            }
        }
        let mut symbols = Symbols::default();
        node.params.iter().for_each(|param| symbols.parameter(param));
        for (name, used) in special.iter().zip(used) {
            if used {
                symbols.parameter(&(*name).into());
            }
        }
        [node.takes_caller, node.takes_kwargs, node.takes_varargs] = used;
        node.defaults.iter().for_each(|default| symbols.expr(default, Some(chain)));
        node.scope = self.part(symbols, &mut node.body, chain)?;
        Ok(())
    }
}

fn sets(target: &Target, name: &str) -> bool {
    match target {
        Target::Name(set) => **set == *name,
        Target::Tuple(targets) => targets.iter().any(|target| sets(target, name)),
        Target::Attr(..) => false,
    }
}

/// Whether something in a body, or in the parts in it, is set as the check says.
fn any_set(body: &[Stmt], check: &dyn Fn(&Target) -> bool) -> bool {
    let name = |name: &Rc<str>| check(&Target::Name(name.clone()));
    let macro_sets = |node: &Macro| node.params.iter().any(name) || any_set(&node.body, check);
    body.iter().any(|stmt| match stmt {
        Stmt::Data(_) | Stmt::Print(_) => false,
        Stmt::If { branches, otherwise } => {
            branches.iter().any(|(_, body)| any_set(body, check)) || any_set(otherwise, check)
        }
        Stmt::For(node) => {
            check(&node.target) || any_set(&node.body, check) || any_set(&node.otherwise, check)
        }
        Stmt::Set(target, _) => check(target),
        Stmt::SetBlock { target, body, .. } => check(target) || any_set(body, check),
        Stmt::Macro(node) => node.name.iter().any(name) || macro_sets(node),
        Stmt::CallBlock { caller, .. } => macro_sets(caller),
        Stmt::FilterBlock { body, .. } => any_set(body, check),
        Stmt::With { targets, body, .. } => {
            targets.iter().any(|(target, _)| check(target)) || any_set(body, check)
        }
    })
}

fn has_name(expr: &Expr) -> bool {
    let mut found = false;
    walk(expr, &mut |expr| found |= matches!(expr, Expr::Name(_)));
    found
}

/// Visits every expression in a body and in the parts in it.
pub(super) fn any_expr(body: &[Stmt], visit: &mut dyn FnMut(&Expr)) {
    let macro_exprs = |node: &Macro, visit: &mut dyn FnMut(&Expr)| {
        node.defaults.iter().for_each(|default| walk(default, visit));
        any_expr(&node.body, visit);
    };
    for stmt in body {
        match stmt {
            Stmt::Data(_) => {}
            Stmt::Print(expr) | Stmt::Set(_, expr) => walk(expr, visit),
            Stmt::If { branches, otherwise } => {
                for (test, body) in branches {
                    walk(test, visit);
                    any_expr(body, visit);
                }
                any_expr(otherwise, visit);
            }
            Stmt::For(node) => {
                walk(&node.iter, visit);
                node.test.iter().for_each(|test| walk(test, visit));
                any_expr(&node.body, visit);
                any_expr(&node.otherwise, visit);
            }
            Stmt::SetBlock { filter, body, .. } => {
                filter.iter().for_each(|filter| walk(filter, visit));
                any_expr(body, visit);
            }
            Stmt::Macro(node) => macro_exprs(node, visit),
            Stmt::CallBlock { call, caller } => {
                walk(call, visit);
                macro_exprs(caller, visit);
            }
            Stmt::FilterBlock { filter, body, .. } => {
                walk(filter, visit);
                any_expr(body, visit);
            }
            Stmt::With { targets, body, .. } => {
                targets.iter().for_each(|(_, value)| walk(value, visit));
                any_expr(body, visit);
            }
        }
    }
}

/// Visits an expression and those in it.
pub(crate) fn walk(expr: &Expr, visit: &mut dyn FnMut(&Expr)) {
    visit(expr);
    let args = |args: &Args, visit: &mut dyn FnMut(&Expr)| {
        args.positional.iter().for_each(|arg| walk(arg, visit));
        args.keywords.iter().for_each(|(_, arg)| walk(arg, visit));
        args.star.iter().chain(&args.star_star).for_each(|arg| walk(arg, visit));
    };
    match expr {
        Expr::Literal(_) | Expr::Name(_) => {}
        Expr::Tuple(items) | Expr::List(items) | Expr::Concat(items) => {
            items.iter().for_each(|item| walk(item, visit));
        }
        Expr::Dict(items) => items.iter().for_each(|(key, value)| {
            walk(key, visit);
            walk(value, visit);
        }),
        Expr::Neg(inner) | Expr::Pos(inner) | Expr::Not(inner) | Expr::Attr(inner, _) => {
            walk(inner, visit);
        }
        Expr::And(left, right)
        | Expr::Or(left, right)
        | Expr::Binary(_, left, right)
        | Expr::Item(left, right) => {
            walk(left, visit);
            walk(right, visit);
        }
        Expr::Compare(first, rest) => {
            walk(first, visit);
            rest.iter().for_each(|(_, item)| walk(item, visit));
        }
        Expr::Slice(inner, parts) => {
            walk(inner, visit);
            parts.iter().flatten().for_each(|part| walk(part, visit));
        }
        Expr::Filter(inner, _, given) => {
            inner.iter().for_each(|inner| walk(inner, visit));
            args(given, visit);
        }
        Expr::Test(inner, _, given) | Expr::Call(inner, given) => {
            walk(inner, visit);
            args(given, visit);
        }
        Expr::Cond { test, then, otherwise } => {
            walk(test, visit);
            walk(then, visit);
            otherwise.iter().for_each(|otherwise| walk(otherwise, visit));
        }
    }
}
