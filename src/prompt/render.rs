//! Renders a template: goes through its tree as the code does that Jinja2 makes of it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::Fail;
use super::access::{attribute, item, slice};
use super::number::{binary, compare, items, negate};
use super::print::{push_str, to_str};
use super::value::{Dict, Loop, Macro, Result, Value};
use super::work::Work;
use super::{checks, filters, functions, methods};
use crate::json::Value as Json;
use crate::template::ast::{self, Args, Expr, For, Load, Scope, Stmt, Target};
use crate::template::{GLOBALS, Template, walk};

/// How long the texts of a prompt may be together.
const MAX_OUTPUT: usize = 16 << 20;

/// The arguments of a call.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub positional: Vec<Value>,
    pub keywords: Vec<(Rc<str>, Value)>,
}

/// The names of a part while it runs. None is a name without a value.
struct Frame {
    parent: Option<usize>,
    names: Vec<(Rc<str>, Option<Value>)>,
    /// A macro may come back to it.
    kept: bool,
}

pub(super) struct Renderer<'i> {
    input: Json<'i>,
    pub work: Work,
    /// The parts of the input that were asked for.
    resolved: Vec<(Rc<str>, Option<Value>)>,
    frames: Vec<Frame>,
    /// What the filter blocks that are open filter.
    filtered: Vec<Value>,
    /// Whether an infinity was computed from constants alone.
    overflowed: bool,
    /// Whether the condition of a loop is computed.
    selecting: bool,
    written: usize,
}

impl<'i> Renderer<'i> {
    pub fn new(input: Json<'i>) -> Self {
        Self {
            input,
            work: Work::new(),
            resolved: Vec::new(),
            frames: Vec::new(),
            filtered: Vec::new(),
            overflowed: false,
            selecting: false,
            written: 0,
        }
    }

    /// The text of a template for the input.
    pub fn render(&mut self, template: &Template) -> Result<String> {
        self.frames.clear();
        let frame = self.push(None, &template.scope, Vec::new())?;
        let mut out = String::new();
        self.exec(&template.body, frame, &mut out)?;
        if self.overflowed {
            return Err(overflow());
        }
        self.written += out.len();
        self.check_output("")?;
        Ok(out)
    }

    fn check_output(&self, out: &str) -> Result<()> {
        if self.written + out.len() > MAX_OUTPUT { Err(Fail::TooMuch) } else { Ok(()) }
    }

    /// What the input, or else Jinja2, has under a name.
    fn resolve(&mut self, name: &Rc<str>) -> Result<Option<Value>> {
        if let Some((_, value)) = self.resolved.iter().find(|(known, _)| known == name) {
            return Ok(value.clone());
        }
        let value = match self.input.get(name) {
            Some(json) => {
                self.work.charge(json.raw().len())?;
                Some(Value::from_json(json)?)
            }
            None => GLOBALS.into_iter().find(|global| **global == **name).map(Value::Function),
        };
        self.resolved.push((name.clone(), value.clone()));
        Ok(value)
    }

    fn push(
        &mut self,
        parent: Option<usize>,
        scope: &Scope,
        mut given: Vec<(Rc<str>, Value)>,
    ) -> Result<usize> {
        self.work.charge(64 + scope.len() * 32)?;
        let mut names = Vec::with_capacity(scope.len());
        for (name, load) in scope {
            let value = match load {
                Load::Parameter => {
                    let at = given.iter().position(|(known, _)| known == name);
                    at.map(|at| given.swap_remove(at).1)
                }
                Load::Resolve => self.resolve(name)?,
                Load::Alias => parent.and_then(|parent| self.find(parent, name)).cloned(),
                Load::Undefined => None,
            };
            names.push((name.clone(), value));
        }
        self.frames.push(Frame { parent, names, kept: false });
        Ok(self.frames.len() - 1)
    }

    fn pop(&mut self, frame: usize) {
        if self.frames.len() == frame + 1 && self.frames.last().is_some_and(|frame| !frame.kept) {
            self.frames.pop();
        }
    }

    fn keep(&mut self, frame: usize) {
        let mut at = Some(frame);
        while let Some(frame) = at.and_then(|at| self.frames.get_mut(at)) {
            frame.kept = true;
            at = frame.parent;
        }
    }

    /// The value of a name in the nearest part that knows it.
    fn find(&self, frame: usize, name: &str) -> Option<&Value> {
        let mut at = Some(frame);
        while let Some(frame) = at.and_then(|at| self.frames.get(at)) {
            if let Some((_, value)) = frame.names.iter().find(|(known, _)| **known == *name) {
                return value.as_ref();
            }
            at = frame.parent;
        }
        None
    }

    fn store(&mut self, frame: usize, name: &Rc<str>, value: Value) {
        let mut at = Some(frame);
        while let Some(frame) = at.and_then(|at| self.frames.get_mut(at)) {
            if let Some(entry) = frame.names.iter_mut().find(|(known, _)| known == name) {
                entry.1 = Some(value);
                return;
            }
            at = frame.parent;
        }
    }

    fn assign(&mut self, frame: usize, target: &Target, value: Value) -> Result<()> {
        match target {
            Target::Name(name) => {
                self.store(frame, name, value);
                Ok(())
            }
            Target::Tuple(targets) => {
                let values = items(&value, &self.work)?;
                if values.len() != targets.len() {
                    return Err(Fail::python(&format!(
                        "ValueError: expected {} values to unpack, got {}",
                        targets.len(),
                        values.len()
                    )));
                }
                for (target, value) in targets.iter().zip(values) {
                    self.assign(frame, target, value)?;
                }
                Ok(())
            }
            Target::Attr(name, attribute) => {
                let Some(Value::Namespace(members)) = self.find(frame, name) else {
                    return Err(not_a_namespace());
                };
                value.check_plain()?;
                let mut members = members.borrow_mut();
                match members.iter_mut().find(|(known, _)| known == attribute) {
                    Some(member) => member.1 = value,
                    None => members.push((attribute.clone(), value)),
                }
                Ok(())
            }
        }
    }

    /// Jinja2 looks at all namespaces before anything is assigned.
    fn check_namespaces(&self, frame: usize, target: &Target) -> Result<()> {
        match target {
            Target::Name(_) => Ok(()),
            Target::Tuple(targets) => {
                targets.iter().try_for_each(|target| self.check_namespaces(frame, target))
            }
            Target::Attr(name, _) => match self.find(frame, name) {
                Some(Value::Namespace(_)) => Ok(()),
                _ => Err(not_a_namespace()),
            },
        }
    }

    fn exec(&mut self, body: &[Stmt], frame: usize, out: &mut String) -> Result<()> {
        self.work.enter()?;
        for stmt in body {
            self.exec_one(stmt, frame, out)?;
        }
        self.check_output(out)?;
        self.work.leave();
        Ok(())
    }

    fn exec_one(&mut self, stmt: &Stmt, frame: usize, out: &mut String) -> Result<()> {
        match stmt {
            Stmt::Data(text) => {
                self.work.charge(text.len())?;
                out.push_str(text);
                Ok(())
            }
            Stmt::Print(expr) => self.exec_print(expr, frame, out),
            Stmt::If { branches, otherwise } => {
                for (test, body) in branches {
                    if self.eval(test, frame)?.truth() {
                        return self.exec(body, frame, out);
                    }
                }
                self.exec(otherwise, frame, out)
            }
            Stmt::For(node) => self.exec_for(node, frame, out),
            Stmt::Set(target, expr) => {
                self.check_namespaces(frame, target)?;
                let value = self.eval(expr, frame)?;
                self.assign(frame, target, value)
            }
            Stmt::SetBlock { target, filter, body, scope } => {
                let inner = self.push(Some(frame), scope, Vec::new())?;
                let mut text = String::new();
                self.exec(body, inner, &mut text)?;
                let mut value = Value::str(text);
                if let Some(filter) = filter {
                    value = self.eval_filtered(filter, value, inner)?;
                }
                self.pop(inner);
                self.check_namespaces(frame, target)?;
                self.assign(frame, target, value)
            }
            Stmt::Macro(node) => {
                let Some(name) = &node.name else { return Ok(()) };
                let value = self.macro_value(node, frame);
                self.store(frame, name, value);
                Ok(())
            }
            Stmt::CallBlock { call, caller } => self.exec_call(call, caller, frame, out),
            Stmt::FilterBlock { filter, body, scope } => {
                let inner = self.push(Some(frame), scope, Vec::new())?;
                let mut text = String::new();
                self.exec(body, inner, &mut text)?;
                let value = self.eval_filtered(filter, Value::str(text), inner)?;
                self.pop(inner);
                self.write(&value, out)
            }
            Stmt::With { targets, body, scope } => {
                let inner = self.push(Some(frame), scope, Vec::new())?;
                for (target, expr) in targets {
                    let value = self.eval(expr, frame)?;
                    self.assign(inner, target, value)?;
                }
                self.exec(body, inner, out)?;
                self.pop(inner);
                Ok(())
            }
        }
    }

    fn exec_print(&mut self, expr: &Expr, frame: usize, out: &mut String) -> Result<()> {
        let value = self.eval(expr, frame)?;
        if self.overflowed {
            // Jinja2 computes and prints a constant at once; in a larger expression it fails to
            // write it into its code.
            let mut constant = true;
            walk(expr, &mut |expr| constant &= !matches!(expr, Expr::Name(_)));
            if !constant {
                return Err(overflow());
            }
            self.overflowed = false;
        }
        push_str(out, &value, &self.work)
    }

    fn eval_filtered(&mut self, filter: &Expr, value: Value, frame: usize) -> Result {
        self.filtered.push(value);
        let result = self.eval(filter, frame);
        self.filtered.pop();
        result
    }

    fn macro_value(&mut self, node: &Rc<ast::Macro>, frame: usize) -> Value {
        self.keep(frame);
        Value::Macro(Rc::new(Macro { node: node.clone(), frame }))
    }

    fn exec_call(
        &mut self,
        call: &Expr,
        caller: &Rc<ast::Macro>,
        frame: usize,
        out: &mut String,
    ) -> Result<()> {
        let Expr::Call(callee, args) = call else { return Ok(()) };
        let caller = self.macro_value(caller, frame);
        let callee = self.eval(callee, frame)?;
        let mut given = self.eval_args(args, frame)?;
        add_keyword(&mut given.keywords, "caller".into(), caller)?;
        let value = self.call(&callee, given)?;
        self.write(&value, out)
    }

    /// What a block gives has to be a text.
    fn write(&self, value: &Value, out: &mut String) -> Result<()> {
        if value.as_str().is_some() {
            return push_str(out, value, &self.work);
        }
        Err(Fail::type_error(format!("expected str instance, {} found", value.type_name())))
    }

    fn exec_for(&mut self, node: &Rc<For>, frame: usize, out: &mut String) -> Result<()> {
        let iterable = self.eval(&node.iter, frame)?;
        if node.recursive {
            let mut text = String::new();
            self.exec_loop(node, &iterable, 0, frame, &mut text)?;
            out.push_str(&text);
            return Ok(());
        }
        self.exec_loop(node, &iterable, 0, frame, out)
    }

    fn exec_loop(
        &mut self,
        node: &Rc<For>,
        iterable: &Value,
        depth: usize,
        frame: usize,
        out: &mut String,
    ) -> Result<()> {
        if let Value::Iter(iter) = iterable
            && iter.busy.get()
        {
            return Err(Fail::refused("using a generator inside a loop over it"));
        }
        let mut values = items(iterable, &self.work)?;
        if let Value::Iter(iter) = iterable {
            iter.busy.set(true);
        }
        if let Some(test) = &node.test {
            values = self.select(node, test, values, frame)?;
        }
        let state = Rc::new(Loop {
            items: values,
            index: Cell::new(0),
            changed: RefCell::new(None),
            depth,
            node: node.clone(),
            frame,
        });
        for (index, value) in state.items.iter().enumerate() {
            state.index.set(index);
            let given = vec![("loop".into(), Value::Loop(state.clone()))];
            let inner = self.push(Some(frame), &node.body_scope, given)?;
            self.assign(inner, &node.target, value.clone())?;
            self.exec(&node.body, inner, out)?;
            self.pop(inner);
        }
        if state.items.is_empty() {
            let inner = self.push(Some(frame), &node.otherwise_scope, Vec::new())?;
            self.exec(&node.otherwise, inner, out)?;
            self.pop(inner);
        }
        if let Value::Iter(iter) = iterable {
            iter.busy.set(false);
        }
        Ok(())
    }

    /// The values for which the condition of a loop holds.
    fn select(
        &mut self,
        node: &For,
        test: &Expr,
        values: Vec<Value>,
        frame: usize,
    ) -> Result<Vec<Value>> {
        let mut selected = Vec::new();
        for value in values {
            let inner = self.push(Some(frame), &node.test_scope, Vec::new())?;
            self.assign(inner, &node.target, value.clone())?;
            let outer = std::mem::replace(&mut self.selecting, true);
            let holds = self.eval(test, inner)?.truth();
            self.selecting = outer;
            self.pop(inner);
            if holds {
                selected.push(match &node.target {
                    // What is unpacked comes on as a tuple.
                    Target::Tuple(_) => Value::tuple(items(&value, &self.work)?)?,
                    _ => value,
                });
            }
        }
        Ok(selected)
    }

    pub fn eval(&mut self, expr: &Expr, frame: usize) -> Result {
        self.work.enter()?;
        let value = self.eval_one(expr, frame)?;
        self.work.leave();
        Ok(value)
    }

    fn eval_one(&mut self, expr: &Expr, frame: usize) -> Result {
        match expr {
            Expr::Literal(literal) => Ok(literal_value(literal)),
            Expr::Name(name) => Ok(match self.find(frame, name) {
                Some(value) => {
                    let value = value.clone();
                    let changes = matches!(
                        value,
                        Value::Namespace(_)
                            | Value::Cycler(_)
                            | Value::Joiner(_)
                            | Value::Macro(_)
                            | Value::Iter(_)
                    );
                    if changes && self.selecting {
                        // Jinja2 asks between the rounds of the loop.
                        return Err(Fail::refused("a loop with a condition on what it may change"));
                    }
                    value
                }
                None => Value::undefined(format!("'{name}' is undefined")),
            }),
            Expr::Tuple(parts) => Value::tuple(self.eval_all(parts, frame)?),
            Expr::List(parts) => Value::list(self.eval_all(parts, frame)?),
            Expr::Dict(pairs) => self.eval_dict(pairs, frame),
            Expr::Neg(inner) => negate(&self.eval(inner, frame)?, true),
            Expr::Pos(inner) => negate(&self.eval(inner, frame)?, false),
            Expr::Not(inner) => Ok(Value::Bool(!self.eval(inner, frame)?.truth())),
            Expr::And(left, right) => self.eval_logic(left, right, false, frame),
            Expr::Or(left, right) => self.eval_logic(left, right, true, frame),
            Expr::Binary(op, left, right) => {
                let (a, b) = (self.eval(left, frame)?, self.eval(right, frame)?);
                let value = binary(*op, &a, &b, &self.work)?;
                self.note_overflow(expr, &value);
                Ok(value)
            }
            Expr::Concat(parts) => self.eval_concat(parts, frame),
            Expr::Compare(first, rest) => self.eval_compare(first, rest, frame),
            Expr::Attr(inner, name) => attribute(&self.eval(inner, frame)?, name),
            Expr::Item(inner, key) => {
                let (value, key) = (self.eval(inner, frame)?, self.eval(key, frame)?);
                self.work.charge(value.as_str().map_or(0, str::len) / 16)?;
                item(&value, &key)
            }
            Expr::Slice(inner, parts) => self.eval_slice(inner, parts, frame),
            Expr::Filter(inner, name, args) => {
                self.eval_filter(inner.as_deref(), name, args, frame)
            }
            Expr::Test(inner, name, args) => {
                let value = self.eval(inner, frame)?;
                let given = self.eval_args(args, frame)?;
                Ok(Value::Bool(checks::call(name, &value, given, &self.work)?))
            }
            Expr::Cond { test, then, otherwise } => {
                if self.eval(test, frame)?.truth() {
                    return self.eval(then, frame);
                }
                match otherwise {
                    Some(otherwise) => self.eval(otherwise, frame),
                    None => Ok(Value::undefined("the inline if-expression has no else section")),
                }
            }
            Expr::Call(callee, args) => {
                let callee = self.eval(callee, frame)?;
                let given = self.eval_args(args, frame)?;
                self.call(&callee, given)
            }
        }
    }

    fn note_overflow(&mut self, expr: &Expr, value: &Value) {
        if let Value::Float(number) = value
            && !number.is_finite()
        {
            let mut constant = true;
            walk(expr, &mut |expr| constant &= !matches!(expr, Expr::Name(_)));
            self.overflowed |= constant;
        }
    }

    fn eval_all(&mut self, parts: &[Expr], frame: usize) -> Result<Vec<Value>> {
        parts.iter().map(|part| self.eval(part, frame)).collect()
    }

    fn eval_dict(&mut self, pairs: &[(Expr, Expr)], frame: usize) -> Result {
        let mut values = Vec::new();
        for (key, value) in pairs {
            values.push((self.eval(key, frame)?, self.eval(value, frame)?));
        }
        Ok(Value::Dict(Dict::new(values)?))
    }

    fn eval_logic(&mut self, left: &Expr, right: &Expr, until: bool, frame: usize) -> Result {
        let value = self.eval(left, frame)?;
        if value.truth() == until { Ok(value) } else { self.eval(right, frame) }
    }

    fn eval_concat(&mut self, parts: &[Expr], frame: usize) -> Result {
        let values = self.eval_all(parts, frame)?;
        let mut out = String::new();
        for value in &values {
            push_str(&mut out, value, &self.work)?;
        }
        Ok(Value::str(out))
    }

    fn eval_compare(
        &mut self,
        first: &Expr,
        rest: &[(ast::CompareOp, Expr)],
        frame: usize,
    ) -> Result {
        let mut left = self.eval(first, frame)?;
        for (op, right) in rest {
            let right = self.eval(right, frame)?;
            if !compare(*op, &left, &right, &self.work)? {
                return Ok(Value::Bool(false));
            }
            left = right;
        }
        Ok(Value::Bool(true))
    }

    fn eval_slice(&mut self, inner: &Expr, parts: &[Option<Box<Expr>>; 3], frame: usize) -> Result {
        let value = self.eval(inner, frame)?;
        let mut limits = [Value::None, Value::None, Value::None];
        for (part, limit) in parts.iter().zip(&mut limits) {
            if let Some(part) = part {
                *limit = self.eval(part, frame)?;
            }
        }
        slice(&value, &limits, &self.work)
    }

    fn eval_filter(
        &mut self,
        inner: Option<&Expr>,
        name: &str,
        args: &Args,
        frame: usize,
    ) -> Result {
        let value = match inner {
            Some(inner) => self.eval(inner, frame)?,
            None => self.filtered.last().cloned().unwrap_or(Value::None),
        };
        let given = self.eval_args(args, frame)?;
        filters::call(name, value, given, &self.work)
    }

    fn eval_args(&mut self, args: &Args, frame: usize) -> Result<Given> {
        let mut given =
            Given { positional: self.eval_all(&args.positional, frame)?, keywords: Vec::new() };
        if let Some(star) = &args.star {
            let more = self.eval(star, frame)?;
            given.positional.extend(items(&more, &self.work)?);
        }
        for (name, value) in &args.keywords {
            given.keywords.push((name.clone(), self.eval(value, frame)?));
        }
        if let Some(star_star) = &args.star_star {
            match self.eval(star_star, frame)? {
                Value::Dict(dict) => {
                    for (key, value) in dict.pairs() {
                        let Value::Str(name) = key else {
                            return Err(Fail::type_error("keywords must be strings".to_owned()));
                        };
                        add_keyword(&mut given.keywords, name.clone(), value.clone())?;
                    }
                }
                other => {
                    return Err(Fail::type_error(format!(
                        "argument after ** must be a mapping, not {}",
                        other.type_name()
                    )));
                }
            }
        }
        Ok(given)
    }

    fn call(&mut self, callee: &Value, given: Given) -> Result {
        match callee {
            Value::Method(method) => methods::call(&method.0, &method.1, given, &self.work),
            Value::Function(name) => functions::call(name, given, &self.work),
            Value::Joiner(joiner) => {
                let [] = given.bind([])?;
                let used = joiner.used.replace(true);
                Ok(if used { joiner.separator.clone() } else { Value::str("") })
            }
            Value::Macro(state) => self.call_macro(state, given),
            Value::Loop(state) => {
                let [iterable] = given.bind(["iterable"])?;
                let Some(iterable) = iterable else {
                    return Err(Fail::type_error("missing argument 'iterable'".to_owned()));
                };
                if !state.node.recursive {
                    return Err(Fail::type_error(
                        "The loop must have the 'recursive' marker to be called recursively."
                            .to_owned(),
                    ));
                }
                let mut text = String::new();
                self.exec_loop(&state.node, &iterable, state.depth + 1, state.frame, &mut text)?;
                Ok(Value::str(text))
            }
            Value::Undefined(hint) => Err(Fail::undefined(hint)),
            _ => Err(Fail::type_error(format!("'{}' object is not callable", callee.type_name()))),
        }
    }

    fn call_macro(&mut self, state: &Macro, given: Given) -> Result {
        let node = &state.node;
        let Given { positional, mut keywords } = given;
        let mut take = |name: &str| {
            let at = keywords.iter().position(|(known, _)| **known == *name);
            at.map(|at| keywords.remove(at).1)
        };
        let mut values = Vec::new();
        let mut positional = positional.into_iter();
        for param in &node.params {
            if let Some(value) = positional.next().or_else(|| take(param)) {
                values.push((param.clone(), value));
            }
        }
        if node.takes_caller {
            let caller = match take("caller") {
                None | Some(Value::None) => Value::undefined("No caller defined"),
                Some(caller) => caller,
            };
            values.push(("caller".into(), caller));
        }
        let rest: Vec<_> = positional.collect();
        if node.takes_kwargs {
            let pairs = keywords.into_iter().map(|(name, value)| (Value::Str(name), value));
            values.push(("kwargs".into(), Value::Dict(Dict::new(pairs.collect())?)));
        } else if let Some((name, _)) = keywords.first() {
            return Err(Fail::type_error(format!("the macro takes no keyword argument '{name}'")));
        }
        if node.takes_varargs {
            values.push(("varargs".into(), Value::tuple(rest)?));
        } else if !rest.is_empty() {
            let message =
                format!("the macro takes not more than {} argument(s)", node.params.len());
            return Err(Fail::type_error(message));
        }
        self.run_macro(state, values)
    }

    fn run_macro(&mut self, state: &Macro, values: Vec<(Rc<str>, Value)>) -> Result {
        let node = &state.node;
        let inner = self.push(Some(state.frame), &node.scope, values)?;
        let first_default = node.params.len() - node.defaults.len();
        for (index, param) in node.params.iter().enumerate() {
            let own = self.frames.get(inner).and_then(|frame| {
                frame.names.iter().find(|(known, _)| known == param).map(|(_, value)| value)
            });
            if matches!(own, Some(Some(_))) {
                continue;
            }
            let default = index.checked_sub(first_default).and_then(|at| node.defaults.get(at));
            let value = match default {
                Some(default) => self.eval(default, inner)?,
                None => Value::undefined(format!("parameter '{param}' was not provided")),
            };
            self.store(inner, param, value);
        }
        let mut text = String::new();
        self.exec(&node.body, inner, &mut text)?;
        self.pop(inner);
        Ok(Value::str(text))
    }
}

fn not_a_namespace() -> Fail {
    Fail::python("TemplateRuntimeError: cannot assign attribute on non-namespace object")
}

fn overflow() -> Fail {
    Fail::refused("an infinity that is computed in the template")
}

fn add_keyword(keywords: &mut Vec<(Rc<str>, Value)>, name: Rc<str>, value: Value) -> Result<()> {
    if keywords.iter().any(|(known, _)| *known == name) {
        let message = format!("got multiple values for keyword argument '{name}'");
        return Err(Fail::type_error(message));
    }
    keywords.push((name, value));
    Ok(())
}

fn literal_value(literal: &ast::Literal) -> Value {
    match literal {
        ast::Literal::None => Value::None,
        ast::Literal::Bool(bool) => Value::Bool(*bool),
        ast::Literal::Int(number) => Value::Int(*number),
        ast::Literal::Float(number) => Value::Float(*number),
        ast::Literal::Str(text) => Value::Str(text.clone()),
    }
}

impl Given {
    /// The arguments by the names of a function's parameters. None is one that was not given.
    pub fn bind<const N: usize>(self, names: [&str; N]) -> Result<[Option<Value>; N]> {
        let mut bound = [const { None }; N];
        if self.positional.len() > N {
            return Err(Fail::type_error(format!("takes at most {N} more argument(s)")));
        }
        for (slot, value) in bound.iter_mut().zip(self.positional) {
            *slot = Some(value);
        }
        for (name, value) in self.keywords {
            let at = names.iter().position(|known| **known == *name);
            match at.and_then(|at| bound.get_mut(at)) {
                Some(slot @ None) => *slot = Some(value),
                Some(_) => {
                    return Err(Fail::type_error(format!(
                        "got multiple values for argument '{name}'"
                    )));
                }
                None => {
                    return Err(Fail::type_error(format!(
                        "got an unexpected keyword argument '{name}'"
                    )));
                }
            }
        }
        Ok(bound)
    }
}

/// A text, or what `str()` makes of another value; marked as safe where the text is.
pub(super) fn soft_str(value: &Value, work: &Work) -> Result<(Rc<str>, bool)> {
    Ok(match value {
        Value::Str(text) => (text.clone(), false),
        Value::Markup(text) => (text.clone(), true),
        _ => (to_str(value, work)?.into(), false),
    })
}
