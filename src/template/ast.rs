//! A template as a tree.

use std::rc::Rc;

/// A value that is written in a template.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(Rc<str>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Mod,
    Pow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CompareOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    NotIn,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    Literal(Literal),
    Name(Rc<str>),
    Tuple(Vec<Expr>),
    List(Vec<Expr>),
    Dict(Vec<(Expr, Expr)>),
    Neg(Box<Expr>),
    Pos(Box<Expr>),
    Not(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    Concat(Vec<Expr>),
    Compare(Box<Expr>, Vec<(CompareOp, Expr)>),
    /// `a.b`
    Attr(Box<Expr>, Rc<str>),
    /// `a[b]`
    Item(Box<Expr>, Box<Expr>),
    /// `a[b:c:d]`
    Slice(Box<Expr>, [Option<Box<Expr>>; 3]),
    /// The filtered value is None at the start of a filter block.
    Filter(Option<Box<Expr>>, Rc<str>, Args),
    Test(Box<Expr>, Rc<str>, Args),
    /// `then if test else otherwise`
    Cond {
        test: Box<Expr>,
        then: Box<Expr>,
        otherwise: Option<Box<Expr>>,
    },
    Call(Box<Expr>, Args),
}

/// What stands between the parentheses of a call.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Args {
    pub positional: Vec<Expr>,
    pub keywords: Vec<(Rc<str>, Expr)>,
    /// `*args`
    pub star: Option<Box<Expr>>,
    /// `**kwargs`
    pub star_star: Option<Box<Expr>>,
}

/// What is assigned to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Target {
    Name(Rc<str>),
    Tuple(Vec<Target>),
    /// `namespace.attribute`
    Attr(Rc<str>, Rc<str>),
}

/// Where a name of a scope has its first value from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// It is set when the scope is entered.
    Parameter,
    /// The input, or a global function.
    Resolve,
    /// The name in a scope around this one.
    Alias,
    /// It has none.
    Undefined,
}

/// The names of a scope.
pub(crate) type Scope = Vec<(Rc<str>, Load)>;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stmt {
    Data(Rc<str>),
    Print(Expr),
    If { branches: Vec<(Expr, Vec<Stmt>)>, otherwise: Vec<Stmt> },
    For(Rc<For>),
    Set(Target, Expr),
    SetBlock { target: Target, filter: Option<Expr>, body: Vec<Stmt>, scope: Scope },
    Macro(Rc<Macro>),
    CallBlock { call: Expr, caller: Rc<Macro> },
    FilterBlock { filter: Expr, body: Vec<Stmt>, scope: Scope },
    With { targets: Vec<(Target, Expr)>, body: Vec<Stmt>, scope: Scope },
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct For {
    pub target: Target,
    pub iter: Expr,
    pub test: Option<Expr>,
    pub recursive: bool,
    pub body: Vec<Stmt>,
    pub otherwise: Vec<Stmt>,
    pub body_scope: Scope,
    pub test_scope: Scope,
    pub otherwise_scope: Scope,
}

/// A macro, or the body of a call block.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Macro {
    /// None for a call block.
    pub name: Option<Rc<str>>,
    pub params: Vec<Rc<str>>,
    /// For the last of them.
    pub defaults: Vec<Expr>,
    pub body: Vec<Stmt>,
    pub scope: Scope,
    pub takes_caller: bool,
    pub takes_kwargs: bool,
    pub takes_varargs: bool,
}
