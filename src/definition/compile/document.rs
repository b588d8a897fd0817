//! Refuses, wherever it stands in a file, what Dynamiq would read differently.

use std::collections::BTreeMap;
use std::rc::Rc;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, StructureStyle};

use super::{Mistakes, scalars};

/// What stands in a file. What an alias stands for is there again.
enum Node {
    Scalar { text: String, is_merge: bool, place: Place },
    List(Vec<Rc<Node>>),
    Map(Vec<(Rc<Node>, Rc<Node>)>, Place),
}

/// Line and column, counted from 1.
type Place = (u64, u64);

/// The fields in which settings are read, with all that is in them.
fn holds_settings(path: &[&str]) -> bool {
    matches!(
        path,
        ["connections", _, "api_key" | "url" | "api_version"]
            | ["connections", _, "headers" | "params" | "data", ..]
            | ["nodes", _, "url"]
            | ["nodes", _, "headers" | "params" | "data" | "allowed_origins", ..]
    )
}

/// Where the order of members has no meaning: Dynamiq puts those that are merged in before the others,
/// the parser here puts them after.
fn has_no_order(path: &[&str]) -> bool {
    matches!(
        path,
        [_] | [_, _]
            | ["nodes", _, "caching" | "error_handling" | "fallback"]
            | ["nodes", _, "fallback", "llm"]
    )
}

impl Mistakes<'_> {
    /// Whether all of a text that has been parsed means the same in Dynamiq.
    pub(super) fn check_document(&mut self, text: &str) -> bool {
        let before = self.found.len();
        for (line, text) in (1..).zip(text.split('\n')) {
            let breaks = ['\u{85}', '\u{2028}', '\u{2029}'];
            if let Some((column, _)) = (1..).zip(text.chars()).find(|(_, c)| breaks.contains(c)) {
                let reason = "Dynamiq begins a new line at this character: write it as \\N, \\L or \\P \
                              in double quotes";
                self.add_at((line, column), reason.to_owned());
            }
        }
        let parser = Parser::new_from_str(text);
        let mut reader =
            Reader { parser, anchors: BTreeMap::new(), last_block: None, mistakes: self };
        // What cannot be read is told by who deserializes it.
        if let Ok(Some(root)) = reader.root() {
            if let Some(place) = reader.last_block.filter(|_| !text.ends_with('\n')) {
                let reason = "the file has to end with a line break: to Dynamiq this text has none \
                              at its end otherwise";
                self.add_at(place, reason.to_owned());
            }
            self.check_node(&root, &mut Vec::new());
        }
        self.found.len() == before
    }

    fn check_node<'n>(&mut self, node: &'n Node, path: &mut Vec<&'n str>) {
        match node {
            Node::Scalar { text, place, .. } => self.check_references(text, *place, path),
            Node::List(items) => items.iter().for_each(|item| self.check_node(item, path)),
            Node::Map(members, place) => {
                let mut merges = 0;
                for (name, value) in members {
                    let Node::Scalar { text, is_merge, .. } = &**name else { continue };
                    if *is_merge {
                        merges += 1;
                        // As if its members stood here.
                        self.check_node(value, path);
                        if !is_merged(value) {
                            self.add_at(*place, "`<<` takes a mapping, or a list of them".into());
                        }
                    } else {
                        path.push(text);
                        self.check_node(value, path);
                        path.pop();
                    }
                }
                if merges > 1 {
                    let reason = "Dynamiq merges a second `<<` over the first: give one a list";
                    self.add_at(*place, reason.to_owned());
                }
                if merges > 0 && !has_no_order(path) {
                    let reason = "the order of members matters here, and Dynamiq has those that are \
                                  merged by `<<` before the others: write all of them";
                    self.add_at(*place, reason.to_owned());
                }
            }
        }
    }

    fn check_references(&mut self, text: &str, place: Place, path: &[&str]) {
        if !text.contains("${") {
            return;
        }
        let reason = if !holds_settings(path) {
            "Dynamiq takes `${` for the beginning of a reference, which the edge reads only in the \
             settings of connections and calls; in a prompt write {{ '$' }}{ for it"
        } else if text.contains("\\${") {
            "`\\${` cannot be used: to Dynamiq that is a text without the backslash"
        } else {
            return;
        };
        self.add_at(place, format!("{}: {reason}", path.join(".")));
    }

    /// What may be looked at more than once, by way of aliases, is told once.
    fn add_at(&mut self, place: Place, reason: String) {
        let mistake = super::Mistake { file: self.file.to_owned(), place: Some(place), reason };
        if !self.found.contains(&mistake) {
            self.found.push(mistake);
        }
    }
}

fn is_merged(value: &Node) -> bool {
    let is_map = |node: &Node| matches!(node, Node::Map(..));
    match value {
        Node::List(items) => items.iter().all(|item| is_map(item)),
        node => is_map(node),
    }
}

/// From the events of the parser to a [`Node`].
struct Reader<'r, 'm, 't> {
    parser: Parser<'t, StrInput<'t>>,
    anchors: BTreeMap<usize, Rc<Node>>,
    /// Where the last scalar is, if it is a block of lines that ends with a line break.
    last_block: Option<Place>,
    mistakes: &'r mut Mistakes<'m>,
}

/// Where a node is.
#[derive(Clone, Copy, Default)]
struct Context {
    is_key: bool,
    is_flow: bool,
}

impl<'t> Reader<'_, '_, 't> {
    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, ScanError> {
        self.parser.next().transpose()
    }

    fn root(&mut self) -> Result<Option<Rc<Node>>, ScanError> {
        while let Some((event, span)) = self.next()? {
            if let Some(node) = self.node(event, span, Context::default())? {
                return Ok(Some(node));
            }
        }
        Ok(None)
    }

    /// The node that begins with an event; None for an event that begins none.
    fn node(
        &mut self,
        event: Event<'t>,
        span: Span,
        context: Context,
    ) -> Result<Option<Rc<Node>>, ScanError> {
        let place = (span.start.line() as u64, span.start.col() as u64 + 1);
        let (anchor, tag, node) = match event {
            Event::Alias(anchor) => return Ok(self.anchors.get(&anchor).cloned()),
            Event::Scalar(text, style, anchor, tag) => {
                let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                self.last_block = (is_block && text.ends_with('\n')).then_some(place);
                let is_plain = style == ScalarStyle::Plain && tag.is_none();
                let is_merge = is_plain && context.is_key && text == "<<";
                if is_plain && !is_merge {
                    let reason = scalars::mistake(&text, context.is_key, context.is_flow);
                    reason.into_iter().for_each(|reason| self.mistakes.add_at(place, reason));
                }
                (anchor, tag, Node::Scalar { text: text.into_owned(), is_merge, place })
            }
            Event::SequenceStart(style, anchor, tag) => {
                let nodes = self.nodes(&Event::SequenceEnd, style, false)?;
                (anchor, tag, Node::List(nodes))
            }
            Event::MappingStart(style, anchor, tag) => {
                let mut nodes = self.nodes(&Event::MappingEnd, style, true)?.into_iter();
                let members = std::iter::from_fn(|| nodes.next().zip(nodes.next())).collect();
                (anchor, tag, Node::Map(members, place))
            }
            _ => return Ok(None),
        };
        if tag.is_some() {
            let reason = "the edge reads no tags: put a text in quotes, and leave the tag out";
            self.mistakes.add_at(place, reason.to_owned());
        }
        let node = Rc::new(node);
        self.anchors.insert(anchor, node.clone());
        Ok(Some(node))
    }

    /// The nodes up to an event.
    fn nodes(
        &mut self,
        end: &Event<'t>,
        style: StructureStyle,
        has_keys: bool,
    ) -> Result<Vec<Rc<Node>>, ScanError> {
        let mut nodes = Vec::new();
        while let Some((event, span)) = self.next()?
            && event != *end
        {
            let is_key = has_keys && nodes.len() % 2 == 0;
            let context = Context { is_key, is_flow: style == StructureStyle::Flow };
            nodes.extend(self.node(event, span, context)?);
        }
        Ok(nodes)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::{Compiler, Mistakes};

    fn check(text: &str) -> Vec<String> {
        let mut mistakes = Mistakes { file: Path::new("a.yaml"), found: Vec::new() };
        mistakes.check_document(text);
        mistakes.found.iter().map(ToString::to_string).collect()
    }

    /// How Dynamiq reads each of them stands beside it. The parser here read something else, but for
    /// the tags.
    #[test]
    fn what_dynamiq_reads_differently_is_refused_where_it_stands() {
        for (text, place, reason) in [
            // {'a': ['x', 8]}; here 10.0.
            ("a:\n  - x\n  - 010\n", "3:5", "this is a number in Dynamiq, and another one here"),
            // {'a': 'b', 8: 1}
            ("{a: b, 010: 1}\n", "1:8", "this name is a number in Dynamiq"),
            // {True: 1}
            ("yes: 1\n", "1:1", "this name is a boolean in Dynamiq"),
            // {None: 1}
            ("~: 1\n", "1:1", "this name is null in Dynamiq"),
            // {'b': None}
            ("a: [{?b: 1}]\n", "1:6", "does not read `?` here"),
            // A parser error.
            ("a: [http://x/?y]\n", "1:5", "does not read `?` here"),
            // 8 twice; here 10.0.
            ("a: &x 010\nb: *x\n", "1:7", "this is a number"),
            // 'd': {'p': 1, 'q': 2}; here q came first.
            ("a: &a {p: 1}\nb: {c: {d: {q: 2, <<: *a}}}\n", "2:12", "order of members matters"),
            // {'p': 2}; here 1.
            ("a: {b: {<<: {p: 1}, <<: {p: 2}}}\n", "1:8", "a second `<<` over the first"),
            // A constructor error; here nothing was merged.
            ("a: {b: {<<: }}\n", "1:8", "`<<` takes a mapping"),
            // '1'
            ("a: !!str 1\n", "1:10", "no tags"),
            // 5
            ("a: !!int '5'\n", "1:10", "no tags"),
            // A constructor error.
            ("a: !!python/tuple [1]\n", "1:19", "no tags"),
            // A set, which its loader refuses.
            ("a: !!set {x}\n", "1:10", "no tags"),
            // 'x'; here 'x\n'.
            ("a: |\n  x", "2:3", "has to end with a line break"),
            // {'a': 'x', 'b': 1}; here {'a': 'x'}
            ("a: x # c\u{2028}b: 1\n", "1:9", "begins a new line"),
            // 'x y'
            ("a: 1\nb: 'x\u{85}y'\n", "2:6", "begins a new line"),
        ] {
            let found = check(text);
            let [found] = &*found else { panic!("{text}: {found:?}") };
            assert!(found.starts_with(&format!("a.yaml:{place}: ")), "{found}");
            assert!(found.contains(reason), "{found}");
        }
    }

    #[test]
    fn what_means_the_same_stays() {
        for text in [
            "{x: 1, y: 2, n: [y, n, Y, null, ~, true, -1, 1.5], =: '='}\n",
            "a: {'010': '010', \"yes\": \"yes\"}\nb: |\n  010\n",
            "nodes: {a: &a {p: 1}, b: {q: 2, <<: *a}, c: {<<: [{r: 1}, *a]}}\n",
            "a: http://x/?y\nb: ['?', \"\\L\"]\n",
            "a: 2001-12-14\nb: 1:60\nc: ...\nd: '<<'\n",
            "a: |-\n  x",
        ] {
            assert_eq!(check(text), [] as [&str; 0], "{text}");
        }
    }

    /// Dynamiq's loader resolves references in every text of a file, whatever its quotes, and fails for
    /// one that leads nowhere; `\\${x}` is `${x}` there. It leaves names of members alone.
    #[test]
    fn references_stand_in_settings_only() {
        let reference = "Dynamiq takes `${` for the beginning of a reference";
        for (text, place, reason) in [
            ("prompts: {p: {messages: [{content: 'cost: ${x}'}]}}\n", "1:36", reference),
            ("prompts: {p: {messages: [{content: '${{ x }}'}]}}\n", "1:36", "{{ '$' }}{"),
            ("a: 'cost: \\${x}'\n", "1:4", reference),
            ("a: |\n  ${\n", "2:3", reference),
            ("nodes: {a: {input_mapping: {x: [\"${y}\"]}}}\n", "1:33", "nodes.a.input_mapping.x: "),
            ("nodes: {a: {model: '${oc.env:X}'}}\n", "1:20", "nodes.a.model: "),
            ("connections: {a: {type: '${oc.env:X}'}}\n", "1:25", "connections.a.type: "),
            (
                "connections: {a: {url: &u '${oc.env:X}'}}\nnodes: {a: {name: *u}}\n",
                "1:27",
                "nodes.a.name: ",
            ),
            ("x: &x {model: '${y}'}\nnodes: {a: {<<: *x}}\n", "1:15", "x.model: "),
            // The value of X with a backslash before it was what the edge read.
            ("nodes: {a: {data: {x: '\\${oc.env:X}'}}}\n", "1:23", "without the backslash"),
        ] {
            let found = check(text).concat();
            assert!(found.starts_with(&format!("a.yaml:{place}: ")), "{found} {text}");
            assert!(found.contains(reason), "{found}");
        }
        for text in [
            "'${x}': 1\nb: '$ {x} $5 {{ $ }}'\n",
            "prompts: {p: {messages: [{content: \"{{ '$' }}{{{ x }}\"}]}}\n",
            "connections: {a: &a {api_key: '${oc.env:X}', headers: {b: 'c${oc.env:X}'}}, b: {<<: *a}}\n",
            "nodes: {a: {url: '${oc.env:X}', data: {x: {y: ['${oc.env:X}']}}}}\n",
        ] {
            assert_eq!(check(text), [] as [&str; 0], "{text}");
        }
    }

    fn compile(text: &str) -> Vec<String> {
        let mut compiler = Compiler::default();
        compiler.file(Path::new("a.yaml"), text);
        compiler.mistakes.iter().map(ToString::to_string).collect()
    }

    const GOOD: &str = "\
connections: {c: {type: dynamiq.connections.OpenAI, api_version: '${oc.env:V,2024-02-01}'}}
prompts: {p: {messages: [{content: y}]}}
nodes: {n: {type: dynamiq.nodes.llms.AzureAI, model: y, connection: c, prompt: p, stop: [n]}}
flows: {f: {nodes: [n]}}
workflows: {w: {flow: f, version: '1'}}
";

    /// Dynamiq's classes take no number for a text, its parser no document after the first, no name
    /// twice; a default is read by OmegaConf's grammar.
    #[test]
    fn what_dynamiq_refuses_is_refused() {
        let good = GOOD.replace("connections.OpenAI", "connections.AzureAI");
        assert_eq!(compile(&good), [] as [&str; 0]);
        for (old, new, reason) in [
            ("model: y", "model: 12345", "a.yaml:3:54: this has to be a text: put it in quotes"),
            ("model: y", "model: true", "a.yaml:3:54: this has to be a text: put it in quotes"),
            ("version: '1'", "version: 1.0", "a.yaml:5:35: this has to be a text"),
            ("stop: [n]", "stop: [1]", "this has to be a text"),
            ("stop: [n]", "stop: [~]", "null"),
            ("content: y", "content: 1", "a.yaml:2:27: "),
            ("flows: ", "nodes: {}\nflows: ", "duplicate"),
            ("flows: ", "---\nflows: ", "multiple"),
            ("2024-02-01", "1.", "api_version has to be a text"),
            ("2024-02-01", "null", "api_version has to be a text"),
            ("2024-02-01", "'x'", "api_version has to be a text"),
            ("2024-02-01", "a,b", "api_version has to be a text"),
        ] {
            assert!(good.contains(old), "{old}");
            let found = compile(&good.replacen(old, &new.replace('\'', "''"), 1)).concat();
            assert!(found.contains(reason), "{found} {new}");
            assert!(!found.contains("12345"), "{found}");
        }
    }
}
