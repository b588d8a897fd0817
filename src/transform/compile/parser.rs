//! From the tokens of a path to its meaning, by the grammar of jsonpath-ng 1.6.1.
//!
//! A binary operator binds by its [`Op::strength`], and to the left. A bracket binds weaker than all
//! of them: in `a|b[0]` it takes the union.

use super::lexer::{Lexer, Token};

/// How many operators deep a path may be. Python gives up at its recursion limit, below 500.
const MAX_DEPTH: usize = 256;

/// What a path does with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expr {
    /// `$`, the whole.
    Root,
    /// `` `this` ``, the value itself.
    This,
    /// `` `parent` ``, what the value was found in.
    Parent,
    /// `a,b`, the members of these names.
    Fields(Vec<String>),
    /// `*`, or names with `'*'` among them: all members.
    Every,
    /// `[2]`
    Index(i64),
    /// `[start:end:step]`; `[*]` is a slice with nothing given.
    Slice([Option<i64>; 3]),
    /// Two of them with an operator in between.
    Binary(Op, Box<Expr>, Box<Expr>),
}

/// An operator between two paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    /// `..`: the right one on what the left one finds, and on everything inside it.
    Descendants,
    /// `.`: the right one on what the left one finds.
    Child,
    /// `|`: what the left one finds, then what the right one does.
    Union,
    /// `&`, of which the library knows the name only.
    Intersect,
    /// `where`: what the left one finds, if the right one finds something in it.
    Where,
}

impl Op {
    fn of(token: &Token) -> Option<Self> {
        Some(match token {
            Token::DoubleDot => Self::Descendants,
            Token::Symbol('.') => Self::Child,
            Token::Symbol('|') => Self::Union,
            Token::Symbol('&') => Self::Intersect,
            Token::Where => Self::Where,
            _ => return None,
        })
    }

    fn strength(self) -> u8 {
        self as u8
    }
}

/// Why a text is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Mistake {
    /// No token begins like this.
    #[error(
        "`{0}` stands outside of quotes; a name with other characters than A-Za-z0-9_@- needs them"
    )]
    Character(char),
    /// A quote or backquote is not closed.
    #[error("a quote is not closed")]
    OpenQuote,
    /// Python reads no integer of more than 4300 digits.
    #[error("a number has more than 4300 digits")]
    NumberTooLong,
    /// The tokens do not make a path.
    #[error("it does not parse")]
    Syntax,
    /// Another operator in backquotes than the two that there are.
    #[error("it has an operator in backquotes that is neither `this` nor `parent`")]
    Operator,
    /// Not an error in Dynamiq.
    #[error("the edge reads ASCII digits only")]
    ForeignDigit,
    /// Not always an error in Dynamiq.
    #[error("the edge takes at most 256 operators in one another")]
    TooDeep,
}

impl Mistake {
    /// Whether Dynamiq gives a path up in its parser; otherwise already in the lexer, or not at all.
    pub(crate) fn is_of_parser(&self) -> bool {
        matches!(self, Self::Syntax | Self::Operator)
    }

    /// Whether Dynamiq takes this for a path.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self, Self::ForeignDigit | Self::TooDeep)
    }
}

/// Parses a whole path.
pub(crate) fn parse(text: &str) -> Result<Expr, Mistake> {
    let lexer = Lexer::new(text);
    Parser { lexer, operands: Vec::new(), open: Vec::new() }.path()
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    /// With their depths.
    operands: Vec<(Expr, usize)>,
    /// Operators whose right side is being read; None is a parenthesis.
    open: Vec<Option<Op>>,
}

impl Parser<'_> {
    fn path(mut self) -> Result<Expr, Mistake> {
        loop {
            // After an operand comes what its last token has read already.
            let Some(mut token) = self.operand()? else { continue };
            loop {
                if let Some(op) = Op::of(&token) {
                    self.reduce(op.strength())?;
                    self.open.push(Some(op));
                    break;
                }
                self.reduce(0)?;
                match token {
                    Token::Symbol('[') => {
                        let right = self.bracket()?;
                        self.operands.push((right, 1));
                        self.open.push(Some(Op::Child));
                        self.reduce(0)?;
                    }
                    Token::Symbol(')') => match self.open.pop() {
                        Some(None) => {}
                        _ => return Err(Mistake::Syntax),
                    },
                    Token::End if self.open.is_empty() => {
                        return self.operands.pop().map(|(expr, _)| expr).ok_or(Mistake::Syntax);
                    }
                    _ => return Err(Mistake::Syntax),
                }
                token = self.lexer.next()?;
            }
        }
    }

    /// Reads an operand and gives the token after it; None after an opening parenthesis.
    fn operand(&mut self) -> Result<Option<Token>, Mistake> {
        let operand = match self.lexer.next()? {
            Token::Symbol('(') => {
                self.open.push(None);
                return Ok(None);
            }
            Token::Symbol('$') => Expr::Root,
            Token::Symbol('*') => Expr::Every,
            Token::Symbol('[') => self.bracket()?,
            Token::Name(name) => {
                let (fields, after) = self.fields(name)?;
                self.operands.push((fields, 1));
                return Ok(Some(after));
            }
            Token::Operator(name) => {
                // The library looks at what follows before it looks at the name.
                let after = self.lexer.next()?;
                let operator = match name.as_str() {
                    "this" => Expr::This,
                    "parent" => Expr::Parent,
                    _ => return Err(Mistake::Operator),
                };
                self.operands.push((operator, 1));
                return Ok(Some(after));
            }
            _ => return Err(Mistake::Syntax),
        };
        self.operands.push((operand, 1));
        self.lexer.next().map(Some)
    }

    /// Names with commas in between, of which the first has been read; and the token after them.
    fn fields(&mut self, first: String) -> Result<(Expr, Token), Mistake> {
        let mut names = vec![first];
        loop {
            let after = self.lexer.next()?;
            if after != Token::Symbol(',') {
                let is_every = names.iter().any(|name| name == "*");
                return Ok((if is_every { Expr::Every } else { Expr::Fields(names) }, after));
            }
            match self.lexer.next()? {
                Token::Name(name) => names.push(name),
                _ => return Err(Mistake::Syntax),
            }
        }
    }

    /// What follows an opening bracket, and the closing one.
    fn bracket(&mut self) -> Result<Expr, Mistake> {
        let (expr, after) = match self.lexer.next()? {
            Token::Name(name) => self.fields(name)?,
            Token::Symbol('*') => (Expr::Slice([None; 3]), self.lexer.next()?),
            Token::Symbol(':') => self.slice(None)?,
            Token::Number(number) => {
                let number = number.ok_or(Mistake::ForeignDigit)?;
                match self.lexer.next()? {
                    Token::Symbol(':') => self.slice(Some(number))?,
                    after => (Expr::Index(number), after),
                }
            }
            _ => return Err(Mistake::Syntax),
        };
        if after == Token::Symbol(']') { Ok(expr) } else { Err(Mistake::Syntax) }
    }

    /// A slice after its first colon, and the token after it.
    fn slice(&mut self, start: Option<i64>) -> Result<(Expr, Token), Mistake> {
        let (end, mut after) = self.bound()?;
        let mut step = None;
        if after == Token::Symbol(':') {
            (step, after) = self.bound()?;
        }
        Ok((Expr::Slice([start, end, step]), after))
    }

    /// A number, if there is one, and the token after it.
    fn bound(&mut self) -> Result<(Option<i64>, Token), Mistake> {
        match self.lexer.next()? {
            Token::Number(number) => {
                let number = number.ok_or(Mistake::ForeignDigit)?;
                Ok((Some(number), self.lexer.next()?))
            }
            after => Ok((None, after)),
        }
    }

    /// Puts operators and their operands together, back to a parenthesis or to an operator that
    /// binds weaker than this.
    fn reduce(&mut self, strength: u8) -> Result<(), Mistake> {
        while let Some(&Some(op)) = self.open.last()
            && op.strength() >= strength
        {
            self.open.pop();
            let (Some((right, below)), Some((left, depth))) =
                (self.operands.pop(), self.operands.pop())
            else {
                return Err(Mistake::Syntax);
            };
            let depth = depth.max(below) + 1;
            if depth > MAX_DEPTH {
                return Err(Mistake::TooDeep);
            }
            self.operands.push((Expr::Binary(op, Box::new(left), Box::new(right)), depth));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With all parentheses.
    fn shown(expr: &Expr) -> String {
        match expr {
            Expr::Root => "$".to_owned(),
            Expr::This => "this".to_owned(),
            Expr::Parent => "parent".to_owned(),
            Expr::Every => "*".to_owned(),
            Expr::Fields(names) => names.join(","),
            Expr::Index(index) => format!("[{index}]"),
            Expr::Slice(bounds) => {
                let bounds = bounds.map(|b| b.map_or(String::new(), |b| b.to_string()));
                format!("[{}]", bounds.join(":"))
            }
            Expr::Binary(op, left, right) => {
                let op = match op {
                    Op::Descendants => "..",
                    Op::Child => ".",
                    Op::Union => "|",
                    Op::Intersect => "&",
                    Op::Where => " where ",
                };
                format!("({}{op}{})", shown(left), shown(right))
            }
        }
    }

    #[test]
    fn operators_bind_as_in_the_library() {
        for (text, expected) in [
            ("$.a.b", "(($.a).b)"),
            ("$.a | $.b", "(($.(a|$)).b)"),
            ("$..a.b", "($..(a.b))"),
            ("a..b..c", "((a..b)..c)"),
            ("$.a where b.c", "(($.(a where b)).c)"),
            ("a&b|c", "((a&b)|c)"),
            ("a|b&c where d", "(a|(b&(c where d)))"),
            ("a.(b|c).d", "((a.(b|c)).d)"),
            ("((a))", "a"),
        ] {
            assert_eq!(shown(&parse(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn a_bracket_takes_all_before_it() {
        for (text, expected) in [
            ("a.b[0]", "((a.b).[0])"),
            ("a|b[0]", "((a|b).[0])"),
            ("$..a[0].b", "((($..a).[0]).b)"),
            ("a where b['c']", "((a where b).c)"),
            ("a.(b|c[0])", "(a.((b|c).[0]))"),
            ("[0][1:]['x',\"y\"]", "(([0].[1::]).x,y)"),
            ("a.[0]", "(a.[0])"),
        ] {
            assert_eq!(shown(&parse(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn brackets_hold_names_or_a_number_or_a_slice() {
        for (text, expected) in [
            ("[*]", "[::]"),
            ("[:]", "[::]"),
            ("[::]", "[::]"),
            ("[1:2:-3]", "[1:2:-3]"),
            ("[-1]", "[-1]"),
            ("['*',a]", "*"),
            ("a,'b',c", "a,b,c"),
        ] {
            assert_eq!(shown(&parse(text).unwrap()), expected, "{text}");
        }
        for text in ["[]", "[0,1]", "[1:2:3:4]", "[a.b]", "[where]", "[$]", "[*,a]", "[a", "a,*"] {
            assert_eq!(parse(text), Err(Mistake::Syntax), "{text}");
        }
    }

    #[test]
    fn the_first_mistake_counts() {
        for (text, mistake) in [
            ("", Mistake::Syntax),
            ("a b!", Mistake::Syntax),
            ("a!b c", Mistake::Character('!')),
            ("a || b!", Mistake::Syntax),
            ("(a", Mistake::Syntax),
            ("a)", Mistake::Syntax),
            ("a~b", Mistake::Syntax),
            ("`len`", Mistake::Operator),
            ("`len`!", Mistake::Character('!')),
            ("`len`.!", Mistake::Operator),
            ("a[5\u{663}]", Mistake::ForeignDigit),
            ("5\u{663}", Mistake::Syntax),
        ] {
            assert_eq!(parse(text), Err(mistake), "{text}");
        }
    }

    #[test]
    fn depth_is_bounded_and_needs_no_stack_before() {
        assert!(parse(&format!("a{}", ".a".repeat(255))).is_ok());
        assert_eq!(parse(&format!("a{}", ".a".repeat(256))), Err(Mistake::TooDeep));
        assert_eq!(parse(&format!("a{}", "[0]".repeat(100_000))), Err(Mistake::TooDeep));
        let nested = format!("{}a{}", "(".repeat(100_000), ")".repeat(100_000));
        assert_eq!(parse(&nested), Ok(Expr::Fields(vec!["a".to_owned()])));
        let right = format!("a{}", "..a.a".repeat(300));
        assert_eq!(parse(&right), Err(Mistake::TooDeep));
    }
}
