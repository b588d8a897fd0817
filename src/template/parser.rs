//! From tokens to a tree, by the grammar of Jinja2's parser.

use std::rc::Rc;

use super::Mistake;
use super::ast::{Args, BinaryOp, CompareOp, Expr, For, Literal, Macro, Stmt, Target};
use super::lexer::{Token, tokenize};

/// How deep brackets may be nested; Python's own parser gives up at some depth.
const MAX_BRACKETS: u32 = 30;
/// How many operators, filters, tests and calls an expression may have.
const MAX_OPERATORS: u32 = 60;
/// How deep statements may be nested; Python takes 20 loops.
const MAX_BLOCKS: u32 = 16;

type Parsed<T> = Result<T, Mistake>;

/// The statements of a template, without their scopes.
pub(super) fn parse(source: &str) -> Parsed<Vec<Stmt>> {
    let tokens = tokenize(source)?;
    let mut parser = Parser {
        tokens: tokens.into_iter().peekable(),
        ahead: None,
        line: 1,
        brackets: 0,
        operators: 0,
        blocks: 0,
    };
    let body = parser.body(&[])?;
    Ok(body)
}

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<(Token, u32)>>,
    /// A token that was taken and given back.
    ahead: Option<(Token, u32)>,
    line: u32,
    brackets: u32,
    operators: u32,
    blocks: u32,
}

impl Parser {
    fn peek(&mut self) -> &Token {
        match &self.ahead {
            Some((token, _)) => token,
            None => self.tokens.peek().map_or(&Token::Eof, |(token, _)| token),
        }
    }

    fn next(&mut self) -> Token {
        match self.ahead.take().or_else(|| self.tokens.next()) {
            Some((token, line)) => {
                self.line = line;
                token
            }
            None => Token::Eof,
        }
    }

    fn fail<T>(&self, reason: impl Into<String>) -> Parsed<T> {
        Err(Mistake { line: self.line, reason: reason.into() })
    }

    fn unexpected<T>(&mut self, wanted: &str) -> Parsed<T> {
        let token = self.next().describe();
        self.fail(format!("syntax error: expected {wanted}, found {token}"))
    }

    fn is_op(&mut self, op: &str) -> bool {
        matches!(self.peek(), Token::Op(found) if *found == op)
    }

    fn skip_op(&mut self, op: &str) -> bool {
        let found = self.is_op(op);
        if found {
            self.next();
        }
        found
    }

    fn expect_op(&mut self, op: &str) -> Parsed<()> {
        if self.skip_op(op) { Ok(()) } else { self.unexpected(&format!("`{op}`")) }
    }

    fn is_name(&mut self, name: &str) -> bool {
        matches!(self.peek(), Token::Name(found) if &**found == name)
    }

    fn skip_name(&mut self, name: &str) -> bool {
        let found = self.is_name(name);
        if found {
            self.next();
        }
        found
    }

    fn expect(&mut self, token: &Token) -> Parsed<()> {
        if self.peek() == token {
            self.next();
            return Ok(());
        }
        self.unexpected(&token.describe())
    }

    fn name(&mut self) -> Parsed<Rc<str>> {
        if let Token::Name(name) = self.peek() {
            let name = name.clone();
            self.next();
            return Ok(name);
        }
        self.unexpected("a name")
    }

    /// Counts what makes a tree deeper.
    fn operator(&mut self) -> Parsed<()> {
        self.operators += 1;
        if self.operators > MAX_OPERATORS {
            return self.fail(format!("the edge takes {MAX_OPERATORS} operators in an expression"));
        }
        Ok(())
    }

    fn bracket<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.brackets += 1;
        if self.brackets > MAX_BRACKETS {
            return self.fail(format!("the edge takes {MAX_BRACKETS} brackets in one another"));
        }
        let result = inner(self);
        self.brackets -= 1;
        result
    }

    // Statements.

    /// Statements up to one of these tags, whose name is not taken; without tags, to the end.
    fn body(&mut self, ends: &[&str]) -> Parsed<Vec<Stmt>> {
        self.blocks += 1;
        if self.blocks > MAX_BLOCKS {
            return self.fail(format!("the edge takes {MAX_BLOCKS} blocks in one another"));
        }
        let mut body = Vec::new();
        loop {
            self.operators = 0;
            match self.next() {
                Token::Data(text) => body.push(Stmt::Data(text)),
                Token::VariableBegin => {
                    body.push(Stmt::Print(self.tuple(true, &[], false)?));
                    self.expect(&Token::VariableEnd)?;
                }
                Token::BlockBegin => {
                    if ends.iter().any(|end| self.is_name(end)) {
                        self.blocks -= 1;
                        return Ok(body);
                    }
                    self.statement(&mut body)?;
                    self.expect(&Token::BlockEnd)?;
                }
                Token::Eof if ends.is_empty() => {
                    self.blocks -= 1;
                    return Ok(body);
                }
                token => {
                    let wanted = ends.join("` or `");
                    let token = token.describe();
                    return self.fail(format!("syntax error: expected `{wanted}`, found {token}"));
                }
            }
        }
    }

    /// The statements of a tag, up to one of these tags, whose name is not taken.
    fn block(&mut self, ends: &[&str]) -> Parsed<Vec<Stmt>> {
        self.skip_op(":");
        self.expect(&Token::BlockEnd)?;
        self.body(ends)
    }

    /// The same, and takes the name.
    fn whole_block(&mut self, end: &str) -> Parsed<Vec<Stmt>> {
        let body = self.block(&[end])?;
        self.next();
        Ok(body)
    }

    fn statement(&mut self, body: &mut Vec<Stmt>) -> Parsed<()> {
        let tag = self.name()?;
        body.push(match &*tag {
            "for" => self.for_loop()?,
            "if" => self.conditional()?,
            "set" => self.set()?,
            "with" => self.with()?,
            "macro" => {
                let name = self.target_name()?;
                Stmt::Macro(Rc::new(self.macro_def(Some(name), "endmacro")?))
            }
            "call" => self.call_block()?,
            "filter" => {
                let mut filter = self.filter(None)?;
                while self.skip_op("|") {
                    filter = self.filter(Some(filter))?;
                }
                let body = self.whole_block("endfilter")?;
                Stmt::FilterBlock { filter, body, scope: Vec::new() }
            }
            "print" => {
                let mut first = true;
                while *self.peek() != Token::BlockEnd {
                    if !first {
                        self.expect_op(",")?;
                    }
                    first = false;
                    body.push(Stmt::Print(self.expression()?));
                }
                return Ok(());
            }
            "include" | "import" | "from" | "extends" => {
                return self.fail(format!("there are no other templates to {tag}"));
            }
            "block" | "autoescape" => return self.fail(format!("the edge has no tag `{tag}`")),
            _ => return self.fail(format!("syntax error: unknown tag `{tag}`")),
        });
        Ok(())
    }

    fn for_loop(&mut self) -> Parsed<Stmt> {
        let target = self.targets(&["in"], false)?;
        if !self.skip_name("in") {
            return self.unexpected("`in`");
        }
        let iter = self.tuple(false, &["recursive"], false)?;
        let test = if self.skip_name("if") { Some(self.expression()?) } else { None };
        let recursive = self.skip_name("recursive");
        let body = self.block(&["endfor", "else"])?;
        let otherwise = if self.skip_name("endfor") {
            Vec::new()
        } else {
            self.next();
            self.whole_block("endfor")?
        };
        let (body_scope, test_scope, otherwise_scope) = Default::default();
        Ok(Stmt::For(Rc::new(For {
            target,
            iter,
            test,
            recursive,
            body,
            otherwise,
            body_scope,
            test_scope,
            otherwise_scope,
        })))
    }

    fn conditional(&mut self) -> Parsed<Stmt> {
        let mut branches = Vec::new();
        let mut otherwise = Vec::new();
        loop {
            let test = self.tuple(false, &[], false)?;
            let body = self.block(&["elif", "else", "endif"])?;
            branches.push((test, body));
            if self.skip_name("elif") {
                self.operators = 0;
                continue;
            }
            if self.skip_name("else") {
                otherwise = self.whole_block("endif")?;
            } else {
                self.next();
            }
            return Ok(Stmt::If { branches, otherwise });
        }
    }

    fn set(&mut self) -> Parsed<Stmt> {
        let target = self.targets(&[], true)?;
        if self.skip_op("=") {
            return Ok(Stmt::Set(target, self.tuple(true, &[], false)?));
        }
        let mut filter = None;
        while self.skip_op("|") {
            filter = Some(self.filter(filter)?);
        }
        let body = self.whole_block("endset")?;
        Ok(Stmt::SetBlock { target, filter, body, scope: Vec::new() })
    }

    fn with(&mut self) -> Parsed<Stmt> {
        let mut targets = Vec::new();
        while *self.peek() != Token::BlockEnd {
            if !targets.is_empty() {
                self.expect_op(",")?;
            }
            let target = self.targets(&[], false)?;
            self.expect_op("=")?;
            targets.push((target, self.expression()?));
        }
        let body = self.whole_block("endwith")?;
        Ok(Stmt::With { targets, body, scope: Vec::new() })
    }

    fn macro_def(&mut self, name: Option<Rc<str>>, end: &str) -> Parsed<Macro> {
        let (params, defaults) = self.signature()?;
        let body = self.whole_block(end)?;
        Ok(Macro {
            name,
            params,
            defaults,
            body,
            scope: Vec::new(),
            takes_caller: false,
            takes_kwargs: false,
            takes_varargs: false,
        })
    }

    fn signature(&mut self) -> Parsed<(Vec<Rc<str>>, Vec<Expr>)> {
        let (mut params, mut defaults) = (Vec::new(), Vec::new());
        self.expect_op("(")?;
        while !self.is_op(")") {
            if !params.is_empty() {
                self.expect_op(",")?;
            }
            let param = self.target_name()?;
            if params.contains(&param) {
                return self.fail(format!("the parameter `{param}` is there twice"));
            }
            if self.skip_op("=") {
                defaults.push(self.expression()?);
            } else if !defaults.is_empty() {
                return self.fail("a parameter without a default follows one with a default");
            }
            params.push(param);
        }
        self.expect_op(")")?;
        Ok((params, defaults))
    }

    fn call_block(&mut self) -> Parsed<Stmt> {
        let (params, defaults) = if self.is_op("(") { self.signature()? } else { <_>::default() };
        let call = self.expression()?;
        if !matches!(call, Expr::Call(..)) {
            return self.fail("syntax error: expected a call");
        }
        let body = self.whole_block("endcall")?;
        let caller = Rc::new(Macro {
            name: None,
            params,
            defaults,
            body,
            scope: Vec::new(),
            takes_caller: false,
            takes_kwargs: false,
            takes_varargs: false,
        });
        Ok(Stmt::CallBlock { call, caller })
    }

    fn target_name(&mut self) -> Parsed<Rc<str>> {
        let name = self.name()?;
        if is_constant(&name) {
            return self.fail(format!("`{name}` cannot be set"));
        }
        Ok(name)
    }

    /// A name, or several in a tuple.
    fn targets(&mut self, ends: &[&str], with_attributes: bool) -> Parsed<Target> {
        let mut targets = Vec::new();
        let mut is_tuple = false;
        loop {
            let at_end = matches!(self.peek(), Token::VariableEnd | Token::BlockEnd)
                || self.is_op(")")
                || ends.iter().any(|end| self.is_name(end));
            if at_end {
                break;
            }
            targets.push(self.one_target(with_attributes)?);
            if !self.skip_op(",") {
                break;
            }
            is_tuple = true;
        }
        match (is_tuple, targets.pop()) {
            (false, Some(target)) => Ok(target),
            (true, Some(last)) => {
                targets.push(last);
                Ok(Target::Tuple(targets))
            }
            _ => self.unexpected("a name"),
        }
    }

    fn one_target(&mut self, with_attributes: bool) -> Parsed<Target> {
        if !self.skip_op("(") {
            let name = self.target_name()?;
            if with_attributes && self.skip_op(".") {
                return Ok(Target::Attr(name, self.name()?));
            }
            return Ok(Target::Name(name));
        }
        let target = self.bracket(|parser| parser.targets(&[], false))?;
        self.expect_op(")")?;
        Ok(target)
    }

    // Expressions, those that bind loosely first.

    fn expression(&mut self) -> Parsed<Expr> {
        let mut expr = self.or()?;
        while self.skip_name("if") {
            self.operator()?;
            let test = Box::new(self.or()?);
            let otherwise =
                if self.skip_name("else") { Some(Box::new(self.expression()?)) } else { None };
            expr = Expr::Cond { test, then: Box::new(expr), otherwise };
        }
        Ok(expr)
    }

    fn or(&mut self) -> Parsed<Expr> {
        let mut left = self.and()?;
        while self.skip_name("or") {
            self.operator()?;
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed<Expr> {
        let mut left = self.not()?;
        while self.skip_name("and") {
            self.operator()?;
            left = Expr::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Parsed<Expr> {
        if self.skip_name("not") {
            self.operator()?;
            return Ok(Expr::Not(Box::new(self.not()?)));
        }
        self.compare()
    }

    fn compare(&mut self) -> Parsed<Expr> {
        let left = self.sum()?;
        let mut rest = Vec::new();
        loop {
            let op = match self.peek() {
                Token::Op("==") => CompareOp::Eq,
                Token::Op("!=") => CompareOp::Ne,
                Token::Op("<") => CompareOp::Lt,
                Token::Op("<=") => CompareOp::Le,
                Token::Op(">") => CompareOp::Gt,
                Token::Op(">=") => CompareOp::Ge,
                Token::Name(name) if &**name == "in" => CompareOp::In,
                Token::Name(name) if &**name == "not" => {
                    self.next();
                    let line = self.line;
                    if !self.is_name("in") {
                        self.ahead = Some((Token::Name("not".into()), line));
                        break;
                    }
                    CompareOp::NotIn
                }
                _ => break,
            };
            self.next();
            self.operator()?;
            rest.push((op, self.sum()?));
        }
        Ok(if rest.is_empty() { left } else { Expr::Compare(Box::new(left), rest) })
    }

    fn sum(&mut self) -> Parsed<Expr> {
        let mut left = self.concat()?;
        loop {
            let op = match self.peek() {
                Token::Op("+") => BinaryOp::Add,
                Token::Op("-") => BinaryOp::Sub,
                _ => return Ok(left),
            };
            self.next();
            self.operator()?;
            left = Expr::Binary(op, Box::new(left), Box::new(self.concat()?));
        }
    }

    fn concat(&mut self) -> Parsed<Expr> {
        let first = self.product()?;
        let mut parts = Vec::new();
        while self.skip_op("~") {
            parts.push(self.product()?);
        }
        if parts.is_empty() {
            return Ok(first);
        }
        self.operator()?;
        parts.insert(0, first);
        Ok(Expr::Concat(parts))
    }

    fn product(&mut self) -> Parsed<Expr> {
        let mut left = self.power()?;
        loop {
            let op = match self.peek() {
                Token::Op("*") => BinaryOp::Mul,
                Token::Op("/") => BinaryOp::Div,
                Token::Op("//") => BinaryOp::FloorDiv,
                Token::Op("%") => BinaryOp::Mod,
                _ => return Ok(left),
            };
            self.next();
            self.operator()?;
            left = Expr::Binary(op, Box::new(left), Box::new(self.power()?));
        }
    }

    fn power(&mut self) -> Parsed<Expr> {
        let mut left = self.unary(true)?;
        while self.skip_op("**") {
            self.operator()?;
            left = Expr::Binary(BinaryOp::Pow, Box::new(left), Box::new(self.unary(true)?));
        }
        Ok(left)
    }

    fn unary(&mut self, with_filters: bool) -> Parsed<Expr> {
        let expr = if self.skip_op("-") {
            self.operator()?;
            Expr::Neg(Box::new(self.unary(false)?))
        } else if self.skip_op("+") {
            self.operator()?;
            Expr::Pos(Box::new(self.unary(false)?))
        } else {
            self.primary()?
        };
        let expr = self.postfix(expr)?;
        if with_filters { self.filters(expr) } else { Ok(expr) }
    }

    fn primary(&mut self) -> Parsed<Expr> {
        Ok(match self.next() {
            Token::Name(name) => match &*name {
                "true" | "True" => Expr::Literal(Literal::Bool(true)),
                "false" | "False" => Expr::Literal(Literal::Bool(false)),
                "none" | "None" => Expr::Literal(Literal::None),
                _ => Expr::Name(name),
            },
            Token::Str(text) => {
                let mut text = text;
                while let Token::Str(more) = self.peek() {
                    text = format!("{text}{more}").into();
                    self.next();
                }
                Expr::Literal(Literal::Str(text))
            }
            Token::Int(number) => Expr::Literal(Literal::Int(number)),
            Token::Float(number) => Expr::Literal(Literal::Float(number)),
            Token::Op("(") => {
                let inner = self.bracket(|parser| parser.tuple(true, &[], true))?;
                self.expect_op(")")?;
                inner
            }
            Token::Op("[") => self.bracket(Self::list)?,
            Token::Op("{") => self.bracket(Self::dict)?,
            token => {
                let token = token.describe();
                return self.fail(format!("syntax error: unexpected {token}"));
            }
        })
    }

    /// An expression, or several with commas, which are a tuple.
    fn tuple(&mut self, with_condition: bool, ends: &[&str], parenthesized: bool) -> Parsed<Expr> {
        let mut items = Vec::new();
        let mut is_tuple = false;
        loop {
            let at_end = matches!(self.peek(), Token::VariableEnd | Token::BlockEnd)
                || self.is_op(")")
                || ends.iter().any(|end| self.is_name(end));
            if at_end {
                break;
            }
            items.push(if with_condition { self.expression()? } else { self.or()? });
            if !self.skip_op(",") {
                break;
            }
            is_tuple = true;
        }
        if is_tuple {
            return Ok(Expr::Tuple(items));
        }
        match items.pop() {
            Some(item) => Ok(item),
            None if parenthesized => Ok(Expr::Tuple(items)),
            None => self.unexpected("an expression"),
        }
    }

    fn list(&mut self) -> Parsed<Expr> {
        let mut items = Vec::new();
        while !self.is_op("]") {
            if !items.is_empty() {
                self.expect_op(",")?;
                if self.is_op("]") {
                    break;
                }
            }
            items.push(self.expression()?);
        }
        self.expect_op("]")?;
        Ok(Expr::List(items))
    }

    fn dict(&mut self) -> Parsed<Expr> {
        let mut items = Vec::new();
        while !self.is_op("}") {
            if !items.is_empty() {
                self.expect_op(",")?;
                if self.is_op("}") {
                    break;
                }
            }
            let key = self.expression()?;
            self.expect_op(":")?;
            items.push((key, self.expression()?));
        }
        self.expect_op("}")?;
        Ok(Expr::Dict(items))
    }

    fn postfix(&mut self, mut expr: Expr) -> Parsed<Expr> {
        loop {
            expr = match self.peek() {
                Token::Op("." | "[") => self.subscript(expr)?,
                Token::Op("(") => self.call(expr)?,
                _ => return Ok(expr),
            };
        }
    }

    fn filters(&mut self, mut expr: Expr) -> Parsed<Expr> {
        loop {
            expr = match self.peek() {
                Token::Op("|") => {
                    self.next();
                    self.filter(Some(expr))?
                }
                Token::Name(name) if &**name == "is" => self.test(expr)?,
                Token::Op("(") => self.call(expr)?,
                _ => return Ok(expr),
            };
        }
    }

    fn call(&mut self, callee: Expr) -> Parsed<Expr> {
        self.operator()?;
        Ok(Expr::Call(Box::new(callee), self.bracket(Self::args)?))
    }

    fn subscript(&mut self, expr: Expr) -> Parsed<Expr> {
        self.operator()?;
        let expr = Box::new(expr);
        if self.skip_op(".") {
            return match self.next() {
                Token::Name(name) => Ok(Expr::Attr(expr, name)),
                Token::Int(number) => {
                    Ok(Expr::Item(expr, Box::new(Expr::Literal(Literal::Int(number)))))
                }
                token => {
                    let token = token.describe();
                    self.fail(format!("syntax error: expected a name or a number, found {token}"))
                }
            };
        }
        self.expect_op("[")?;
        self.bracket(|parser| parser.subscripts(expr))
    }

    fn subscripts(&mut self, expr: Box<Expr>) -> Parsed<Expr> {
        let mut parts: [Option<Box<Expr>>; 3] = [None, None, None];
        let mut colons = 0;
        for part in &mut parts {
            if !self.is_op(":") && !self.is_op("]") && !self.is_op(",") {
                *part = Some(Box::new(self.expression()?));
            }
            if colons == 2 || !self.skip_op(":") {
                break;
            }
            colons += 1;
        }
        let mut items = Vec::new();
        match (colons, parts) {
            (0, [Some(item), _, _]) if self.skip_op("]") => return Ok(Expr::Item(expr, item)),
            (0, [Some(item), _, _]) => items.push(*item),
            (0, _) if self.is_op("]") => {}
            (1.., parts) if self.skip_op("]") => return Ok(Expr::Slice(expr, parts)),
            _ => return self.fail("the edge takes one slice between `[` and `]`"),
        }
        while !self.is_op("]") {
            if !items.is_empty() {
                self.expect_op(",")?;
            }
            items.push(self.expression()?);
            if self.is_op(":") {
                return self.fail("the edge takes one slice between `[` and `]`");
            }
        }
        self.expect_op("]")?;
        Ok(Expr::Item(expr, Box::new(Expr::Tuple(items))))
    }

    fn args(&mut self) -> Parsed<Args> {
        let mut args = Args::default();
        self.expect_op("(")?;
        let mut first = true;
        while !self.is_op(")") {
            if !first {
                self.expect_op(",")?;
                if self.is_op(")") {
                    break;
                }
            }
            first = false;
            let starred = args.star.is_some() || args.star_star.is_some();
            if self.is_op("*") && !starred {
                self.next();
                args.star = Some(Box::new(self.expression()?));
            } else if self.is_op("**") && args.star_star.is_none() {
                self.next();
                args.star_star = Some(Box::new(self.expression()?));
            } else if let Some(name) = self.keyword() {
                if args.star_star.is_some() || args.keywords.iter().any(|(known, _)| *known == name)
                {
                    return self.fail("syntax error in the arguments of a call");
                }
                args.keywords.push((name, self.expression()?));
            } else {
                if starred || !args.keywords.is_empty() {
                    return self.fail("syntax error in the arguments of a call");
                }
                args.positional.push(self.expression()?);
            }
        }
        self.expect_op(")")?;
        Ok(args)
    }

    /// Takes `name =`, where that is next.
    fn keyword(&mut self) -> Option<Rc<str>> {
        let Token::Name(name) = self.peek() else { return None };
        let name = name.clone();
        self.next();
        let line = self.line;
        if self.is_op("=") {
            self.next();
            return Some(name);
        }
        self.ahead = Some((Token::Name(name), line));
        None
    }

    fn dotted(&mut self) -> Parsed<Rc<str>> {
        let mut name = self.name()?;
        while self.skip_op(".") {
            name = format!("{name}.{}", self.name()?).into();
        }
        Ok(name)
    }

    fn filter(&mut self, value: Option<Expr>) -> Parsed<Expr> {
        self.operator()?;
        let name = self.dotted()?;
        let args = if self.is_op("(") { self.bracket(Self::args)? } else { Args::default() };
        Ok(Expr::Filter(value.map(Box::new), name, args))
    }

    fn test(&mut self, value: Expr) -> Parsed<Expr> {
        self.operator()?;
        self.next();
        let negated = self.skip_name("not");
        let name = self.dotted()?;
        let mut args = Args::default();
        match self.peek() {
            Token::Op("(") => args = self.bracket(Self::args)?,
            Token::Name(name) if matches!(&**name, "else" | "or" | "and") => {}
            Token::Name(name) if &**name == "is" => {
                return self.fail("syntax error: two tests after one another");
            }
            Token::Name(_)
            | Token::Str(_)
            | Token::Int(_)
            | Token::Float(_)
            | Token::Op("[" | "{") => {
                let arg = self.primary()?;
                args.positional.push(self.postfix(arg)?);
            }
            _ => {}
        }
        let test = Expr::Test(Box::new(value), name, args);
        Ok(if negated { Expr::Not(Box::new(test)) } else { test })
    }
}

fn is_constant(name: &str) -> bool {
    matches!(name, "true" | "false" | "none" | "True" | "False" | "None")
}
