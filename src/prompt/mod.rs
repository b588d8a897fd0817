//! Prompts: Jinja templates over the input of a node, printed as Python prints.
//!
//! A prompt gives the text that Jinja2 gives, or an error; what is done here and what is refused is
//! in `docs/prompts.md`.

mod access;
mod checks;
mod filters;
mod format;
mod functions;
mod methods;
mod number;
mod print;
mod render;
mod text;
mod value;
mod work;

use crate::definition::{Content, Detail, Message, Part, Prompt};
use crate::json::{Value, write_string};
use crate::template::Template;
use render::Renderer;

/// Why a prompt cannot be rendered for an input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PromptError {
    /// A variable that the prompt needs is not a member of the input.
    #[error("input.{0} is missing: the prompt needs it")]
    MissingVariable(String),
    /// The template fails on this input, as it does in Dynamiq. Holds Python's words.
    #[error("the prompt cannot be rendered for this input: {0}")]
    Render(String),
    /// The template or the input needs what the edge does not do, or cannot do as Dynamiq does.
    #[error("the edge cannot render this prompt for this input: it does not do {0}")]
    Refused(String),
    /// Rendering takes too long, goes too deep, or gives too long a text.
    #[error("the prompt takes too much work or memory for this input: use smaller loops or texts")]
    TooMuch,
    /// A variable of an image's URL is not a text.
    #[error("input.{0} has to be a string: an image's URL is made of it")]
    ImageVariable(String),
}

/// Why a template stops.
#[derive(Debug, Clone)]
enum Fail {
    /// Python fails too.
    Python(String),
    /// Python may go on.
    Refused(String),
    /// The budget is spent.
    TooMuch,
}

impl Fail {
    fn python(message: &str) -> Self {
        Self::Python(message.to_owned())
    }

    fn type_error(message: String) -> Self {
        Self::Python(format!("TypeError: {message}"))
    }

    fn undefined(hint: &str) -> Self {
        Self::Python(format!("UndefinedError: {hint}"))
    }

    /// With the name of what is not done.
    fn refused(what: &str) -> Self {
        Self::Refused(what.to_owned())
    }
}

impl From<Fail> for PromptError {
    fn from(fail: Fail) -> Self {
        match fail {
            Fail::Python(message) => Self::Render(message),
            Fail::Refused(what) => Self::Refused(what),
            Fail::TooMuch => Self::TooMuch,
        }
    }
}

/// Checks that the input has every variable that the prompt needs. `null` is enough.
pub fn check_input(prompt: &Prompt, input: Value<'_>) -> Result<(), PromptError> {
    match prompt.required.iter().find(|name| input.get(name).is_none()) {
        Some(name) => Err(PromptError::MissingVariable(name.clone())),
        None => Ok(()),
    }
}

/// The messages as a JSON array in Dynamiq's member order: `[{"content": …, "role": …}]`.
pub fn render_messages(prompt: &Prompt, input: Value<'_>) -> Result<String, PromptError> {
    // In Python it collides with the receiver of the method that renders.
    if input.get("self").is_some() {
        return Err(PromptError::Refused("a member of the input named `self`".to_owned()));
    }
    let mut renderer = Renderer::new(input);
    let mut out = String::from("[");
    for (index, message) in prompt.messages.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push_message(&mut out, message, &mut renderer, input)?;
    }
    out.push(']');
    Ok(out)
}

/// Appends everything that makes another message of it, with its templates as they are.
pub(crate) fn describe(message: &Message, out: &mut String) {
    out.push_str("{\"content\":");
    match &message.content {
        Content::Text(source) => write_string(out, source),
        Content::Parts(parts) => {
            let parts = parts.iter().map(|part| match part {
                Part::Text(source) => Ok(PartText::Text(source.clone())),
                Part::Image { url, detail } => Ok(PartText::Image(url.clone(), *detail)),
            });
            // Nothing fails here.
            let _: Result<(), PromptError> = push_parts(out, parts);
        }
    }
    push_rest(out, message);
    if message.is_static {
        out.push_str(",\"static\":true");
    }
    out.push('}');
}

fn parsed(source: &str) -> Result<Template, PromptError> {
    Template::parse(source).map_err(|mistake| PromptError::Render(mistake.to_string()))
}

/// A part with its texts filled in.
enum PartText {
    Text(String),
    Image(String, Detail),
}

fn push_parts(
    out: &mut String,
    parts: impl Iterator<Item = Result<PartText, PromptError>>,
) -> Result<(), PromptError> {
    out.push('[');
    for (index, part) in parts.enumerate() {
        if index > 0 {
            out.push(',');
        }
        match part? {
            PartText::Text(text) => {
                out.push_str("{\"type\":\"text\",\"text\":");
                write_string(out, &text);
                out.push('}');
            }
            PartText::Image(url, detail) => {
                out.push_str("{\"type\":\"image_url\",\"image_url\":{\"url\":");
                write_string(out, &url);
                out.push_str(",\"detail\":");
                write_string(out, detail.as_str());
                out.push_str("}}");
            }
        }
    }
    out.push(']');
    Ok(())
}

/// Appends what follows the content.
fn push_rest(out: &mut String, message: &Message) {
    out.push_str(",\"role\":");
    write_string(out, message.role.as_str());
    if let Some(calls) = &message.tool_calls {
        out.push_str(",\"tool_calls\":");
        out.push_str(calls);
    }
    for (name, value) in [("tool_call_id", &message.tool_call_id), ("name", &message.name)] {
        if let Some(value) = value {
            out.push_str(",\"");
            out.push_str(name);
            out.push_str("\":");
            write_string(out, value);
        }
    }
}

fn push_message(
    out: &mut String,
    message: &Message,
    renderer: &mut Renderer<'_>,
    input: Value<'_>,
) -> Result<(), PromptError> {
    let text = |source: &str, renderer: &mut Renderer<'_>| -> Result<String, PromptError> {
        if message.is_static {
            return Ok(source.to_owned());
        }
        Ok(renderer.render(&parsed(source)?)?)
    };
    out.push_str("{\"content\":");
    match &message.content {
        Content::Text(source) => write_string(out, &text(source, renderer)?),
        Content::Parts(parts) => match parts.as_slice() {
            [Part::Text(source)] => write_string(out, &text(source, renderer)?),
            parts => push_parts(
                out,
                parts.iter().map(|part| match part {
                    Part::Text(source) => Ok(PartText::Text(text(source, renderer)?)),
                    // Also that of a static message.
                    Part::Image { url, detail } => {
                        Ok(PartText::Image(image_url(url, renderer, input)?, *detail))
                    }
                }),
            )?,
        },
    }
    push_rest(out, message);
    out.push('}');
    Ok(())
}

fn image_url(
    source: &str,
    renderer: &mut Renderer<'_>,
    input: Value<'_>,
) -> Result<String, PromptError> {
    let template = parsed(source)?;
    let is_text = |name: &str| input.get(name).and_then(Value::as_str).is_some();
    match template.required.iter().find(|name| !is_text(name)) {
        Some(name) => Err(PromptError::ImageVariable(name.to_string())),
        None => Ok(renderer.render(&template)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::Role;
    use crate::json::{Dialect, Document};

    /// What the tables below are rendered with.
    const INPUT: &str = r#"{"n": 5, "s": "it's <b>", "l": ["b", "A", "c"], "d": {"items": 1, "b": [1.0, null, true], "a": 2}, "f": 2.675, "t": [{"n": "a", "c": [{"n": "b"}]}], "big": 1000000000000000000000000000000000000000, "y": "input"}"#;

    fn prompt(messages: Vec<Message>) -> Prompt {
        Prompt { messages, required: Vec::new() }
    }

    fn message(template: &str) -> Message {
        Message { content: Content::Text(template.to_owned()), ..Message::default() }
    }

    fn rendered(template: &str, input: &str) -> Result<String, PromptError> {
        let document = Document::parse(input, Dialect::PYTHON).unwrap();
        let required = Template::parse(template).unwrap().required;
        let required = required.iter().map(|name| name.to_string()).collect();
        let prompt = Prompt { required, ..prompt(vec![message(template)]) };
        check_input(&prompt, document.root())?;
        let sent = render_messages(&prompt, document.root())?;
        let sent = Document::parse(&sent, Dialect::STRICT).unwrap();
        let crate::json::Item::Array(mut messages) = sent.root().item() else { panic!("{sent:?}") };
        let content = messages.next().unwrap().get("content").unwrap();
        Ok(content.as_str().unwrap().to_str().unwrap().into_owned())
    }

    #[test]
    fn templates_give_what_jinja2_gives() {
        for (template, text) in [
            (
                "{{ 4 / 2 }} {{ 7 // -2 }} {{ -7 % 3 }} {{ 2 ** -1 }} {{ -2 ** 2 }} {{ 7.5 // 2 }} {{ true + 1 }}",
                "2.0 -4 2 0.5 4 3.0 2",
            ),
            (
                "{{ 0.1 + 0.2 }} {{ 1e16 }} {{ 1_000 }} {{ 0x1F }} {{ big }} {{ [1e22, -0.0] }}",
                "0.30000000000000004 1e+16 1000 31 1000000000000000000000000000000000000000 [1e+22, -0.0]",
            ),
            (
                "{{ f | round(2) }} {{ 2.5 | round }} {{ 1250 | round(-2) }} {{ 42.55 | round(1, 'floor') }} {{ '12.9' | int }}",
                "2.67 2.0 1200 42.5 12",
            ),
            (
                "{{ 1 == 1.0 }} {{ 1 < 2 < 3 }} {{ 1 == true }} {{ '1' == 1 }} {{ [1, 2] < [1, 3] }} {{ 9007199254740993 == 9007199254740992.0 }}",
                "True True True False True False",
            ),
            (
                "{{ 'a' in d }} {{ 'b' not in l }} {{ s is in [s] }} {{ none is none }} {{ n is divisibleby 5 }}",
                "True False True True True",
            ),
            (
                "{{ d['items'] }} {{ d.items() | list | length }} {{ d.b[2] }} {{ d.nope }}|{{ d.b.5 }}|{{ l[-1] }}{{ l[::-1] }}{{ s[:2] }}",
                "1 3 True ||c['c', 'A', 'b']it",
            ),
            (
                "{{ s.upper() }} {{ s.title() }} {{ s | title }} {{ 'straße'.upper() }} {{ 'ΑΣ'.lower() }} {{ ' x '.strip() ~ none ~ 1.0 }}",
                "IT'S <B> It'S <B> It's <B> STRASSE ας xNone1.0",
            ),
            (
                "{{ 'a,b,,c'.split(',') }} {{ ' a  b '.split() }} {{ 'aXbX'.replace('X', '-', 1) }} {{ 'ab' * 2 }} {{ 'abc'.find('c') }}",
                "['a', 'b', '', 'c'] ['a', 'b'] a-bX abab 2",
            ),
            (
                "{{ '%05.1f|%x|%s|%r|%5s' % (3.14159, 255, none, s, 'x') }} {{ '{:>5}|{:,.2f}|{!r}'.format('r', 1234.5, l) }}",
                r#"003.1|ff|None|"it's <b>"|    x     r|1,234.50|['b', 'A', 'c']"#,
            ),
            (
                r#"{{ d }}|{{ (1,) }}|{{ [s, 'say "hi"', '\n\u00e9\u200b'] }}|{{ d.items() }}|{{ range(3) }}|{{ {1: none} }}"#,
                r#"{'items': 1, 'b': [1.0, None, True], 'a': 2}|(1,)|["it's <b>", 'say "hi"', '\né\u200b']|dict_items([('items', 1), ('b', [1.0, None, True]), ('a', 2)])|range(0, 3)|{1: None}"#,
            ),
            (
                "{{ (s | e) + '<' }} {{ (s | e) ~ '<' }} {{ [s | e] }} {{ (d | tojson) + '&' }} {{ s | safe | upper }}",
                r#"it&#39;s &lt;b&gt;&lt; it&#39;s &lt;b&gt;< [Markup('it&#39;s &lt;b&gt;')] {"a": 2, "b": [1.0, null, true], "items": 1}&amp; IT'S <B>"#,
            ),
            (
                "{{ l | sort }} {{ l | sort(case_sensitive=true, reverse=true) }} {{ l | map('upper') | join('-') }} {{ d | dictsort }} {{ [3, 1] | sum }}",
                "['A', 'b', 'c'] ['c', 'b', 'A'] B-A-C [('a', 2), ('b', [1.0, None, True]), ('items', 1)] 4",
            ),
            (
                "{{ l | batch(2, '-') | list }} {{ l | slice(2) | list }} {{ l | unique | list }} {{ l | reverse | list }} {{ l | select('gt', 'a') | list }}",
                "[['b', 'A'], ['c', '-']] [['b', 'A'], ['c']] ['b', 'A', 'c'] ['c', 'A', 'b'] ['b', 'c']",
            ),
            (
                "{% set g = l | map('lower') %}{{ g | first }}{{ g | list }}{{ g | list }}",
                "b['a', 'c'][]",
            ),
            (
                "{% set x = 1 %}{% for i in l %}{% set x = x + 1 %}{{ x }}{% endfor %}{{ x }}",
                "2221",
            ),
            ("{% macro m() %}{{ n }}{% endmacro %}{{ m() }}{% set n = 6 %}{{ m() }}", "6"),
            (
                "{% set ns = namespace(c=0) %}{% for i in l %}{% set ns.c = ns.c + loop.index %}{% endfor %}{{ ns.c }}{{ ns }}",
                "6<Namespace {'c': 6}>",
            ),
            (
                "{% if n %}{% set y = n %}{% endif %}{{ y }}{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}",
                "515",
            ),
            (
                "{% for x in l %}{{ loop.index }}{{ loop.revindex0 }}{{ loop.last }}{{ loop.previtem }}{{ loop.cycle(1, 2) }};{% endfor %}",
                "12False1;21Falseb2;30TrueA1;",
            ),
            (
                "{% for x in t recursive %}{{ x.n }}{{ loop.depth }}{% if x.c %}({{ loop(x.c) }}){% endif %}{% endfor %}",
                "a1(b2)",
            ),
            (
                "{% for k, v in d.items() if v is number %}{{ k }}={{ v }}{% else %}none{% endfor %}",
                "items=1a=2",
            ),
            (
                "{% macro m(a, b='x', c=a) %}{{ a }}{{ b }}{{ c }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, z=2) }}{{ m(1, 2, 3, 4) }}{{ m() }}",
                "1x1(){'z': 2}123(4,){}x(){}",
            ),
            (
                "{% macro m() %}[{{ caller(1) }}]{% endmacro %}{% call(x) m() %}{{ x }}{{ n }}{% endcall %}",
                "[15]",
            ),
            (
                "a  {%- if n %} b {%+ endif -%}  \n c {#- x -#} d{% raw -%} {{ x }} {% endraw %}\r\ne\r\n",
                "a b cd{{ x }} \ne",
            ),
        ] {
            assert_eq!(rendered(template, INPUT).as_deref(), Ok(text), "{template}");
        }
    }

    #[test]
    fn what_fails_in_python_fails_here() {
        for template in [
            "{% if n > 'a' %}{% endif %}",
            "{{ n + s }}",
            "{{ d.nope.x }}",
            "{{ none | length }}",
            "{{ n / 0 }}",
            "{{ s.nope() }}",
            "{{ l | join(1, 2, 3) }}",
            "{{ 1 in s }}",
            "{{ l.index('z') }}",
            "{{ [1, 'a'] | sort }}",
            "{% filter length %}x{% endfilter %}",
            "{{ '%d' % s }}",
            "{{ {l: 1} }}",
            "{% for a, b in l %}{% endfor %}",
            "{{ l[s:] }}",
            "{{ s * 1.5 }}",
            "{{ '' * 2 ** 63 }}",
            "{{ s.split('x', 2 ** 63) }}",
        ] {
            let result = rendered(template, INPUT);
            assert!(matches!(result, Err(PromptError::Render(_))), "{template}: {result:?}");
        }
    }

    #[test]
    fn what_cannot_be_done_exactly_is_refused_by_name() {
        let big = "9".repeat(60);
        for (template, input, what) in [
            (
                "{{ v + 1 }}",
                format!(r#"{{"v": {big}}}"#),
                "arithmetic with an integer over 128 bits",
            ),
            ("{{ v }}", r#"{"v": "\ud800"}"#.to_owned(), "a lone surrogate"),
            ("{{ v }}", r#"{"v": ["\u0378"]}"#.to_owned(), "printing U+0378 inside a value"),
            ("{{ v.upper() }}", r#"{"v": "\ua7cb"}"#.to_owned(), "changing the case of U+A7CB"),
            ("{{ ([v] * 10) | sum }}", r#"{"v": 0.1}"#.to_owned(), "a sum of floats"),
            ("{{ v.nope() if 0 else v.update }}", r#"{"v": {}}"#.to_owned(), "printing a function"),
            ("{{ 2 ** 0.3 }}", "{}".to_owned(), "this power of a float"),
            ("{{ [v, nan] | sort }}", r#"{"v": 1.5, "nan": NaN}"#.to_owned(), "sorting NaN"),
            ("x", r#"{"self": 1}"#.to_owned(), "named `self`"),
        ] {
            let result = rendered(template, &input);
            let Err(PromptError::Refused(reason)) = &result else {
                panic!("{template}: {result:?}")
            };
            assert!(reason.contains(what), "{template}: {reason}");
        }
        // Nothing is computed with it.
        assert_eq!(
            rendered("{{ v }}{{ [v] }}", &format!(r#"{{"v": {big}}}"#)),
            Ok(format!("{big}[{big}]"))
        );
        assert!(rendered("{{ v }}", r#"{"v": 1, "w": "\ud800"}"#).is_ok(), "it is not printed");
    }

    #[test]
    fn rendering_ends_whatever_the_template_is() {
        for template in [
            "{% for i in range(10 ** 9) %}{% endfor %}",
            "{{ range(10 ** 9) | list }}",
            "{% for a in range(1000) %}{% for b in range(1000) %}{% for c in range(1000) %}{% endfor %}{% endfor %}{% endfor %}",
            "{{ 'x' * 10 ** 9 }}",
            "{% set v = [1] * 99999 %}{% for i in range(99999) %}{{ v == v }}{% endfor %}",
            "{% set v = 'x' * 999999 %}{% for i in range(99999) %}{{ v[-1] }}{{ v | length }}{% endfor %}",
            "{% set v = [[1] * 99999] * 9999 %}{{ v | sort }}{{ v | min }}",
            "{{ 'x'.center(10 ** 9) }}",
            "{{ [1] * 10 ** 9 }}",
            "{{ 'a' | indent(10 ** 9, true) }}",
            "{{ [1] | batch(10 ** 9, 0) | list }}",
            "{% set ns = namespace(x='xx') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
            "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
            "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(40) }}",
            "{% for i in [[]] recursive %}{{ loop([i]) }}{% endfor %}",
            "{% set x = 'x' * 2 ** 20 %}{% for i in range(17) %}{{ x }}{% endfor %}",
        ] {
            assert_eq!(rendered(template, "{}"), Err(PromptError::TooMuch), "{template}");
        }
        let grown = "{% set ns = namespace(x=0) %}{% for i in range(999) %}{% set ns.x = [ns.x] %}{% endfor %}";
        assert!(matches!(rendered(grown, "{}"), Err(PromptError::Refused(_))));
        let deep = format!(r#"{{"v": {}{}}}"#, "[".repeat(900), "]".repeat(900));
        assert!(matches!(rendered("{{ v }}", &deep), Err(PromptError::Refused(_))));
        assert_eq!(rendered("{{ w }}", &deep.replacen('{', r#"{"w": 1, "#, 1)).as_deref(), Ok("1"));
    }

    #[test]
    fn a_missing_variable_is_named_and_null_is_enough() {
        let missing = PromptError::MissingVariable("text".to_owned());
        assert_eq!(rendered("{{ text }}", r#"{"txt": 1}"#), Err(missing));
        assert_eq!(rendered("{{ text }}", r#"{"text": null}"#).as_deref(), Ok("None"));
    }

    #[test]
    fn everything_that_makes_another_message_is_in_its_description() {
        let image = |url: &str, detail| {
            let parts =
                vec![Part::Text("t".to_owned()), Part::Image { url: url.to_owned(), detail }];
            Message { content: Content::Parts(parts), ..Message::default() }
        };
        let all = [
            message("x"),
            message("y"),
            Message { role: Role::Tool, ..message("x") },
            Message { is_static: true, ..message("x") },
            Message { tool_calls: Some("[{}]".to_owned()), ..message("x") },
            Message { tool_call_id: Some("c".to_owned()), ..message("x") },
            Message { name: Some("c".to_owned()), ..message("x") },
            image("a", Detail::Auto),
            image("b", Detail::Auto),
            image("a", Detail::High),
        ];
        let described = all.iter().map(|message| {
            let mut text = String::new();
            describe(message, &mut text);
            text
        });
        let described: std::collections::BTreeSet<_> = described.collect();
        assert_eq!(described.len(), all.len());
        // Keys in caches were made with it.
        assert!(described.contains(r#"{"content":"x","role":"user"}"#));
        assert!(described.contains(r#"{"content":"x","role":"user","static":true}"#));
    }
}
