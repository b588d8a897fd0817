//! Prompts: Jinja templates over the input of a node, printed as Python prints.

use std::fmt::Write as _;

use minijinja::value::{Value as Jinja, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Output, State};

use crate::definition::Prompt;
use crate::json::{Item, Value, repr, write_string};
use crate::template;

/// Why a prompt cannot be rendered for an input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PromptError {
    /// A variable that the prompt needs is not a member of the input.
    #[error("input.{0} is missing: the prompt needs it")]
    MissingVariable(String),
    /// A value that a template cannot hold: an integer over 128 bits, a lone surrogate.
    #[error("input holds {0}, which a prompt cannot print")]
    Unprintable(&'static str),
    /// The template failed on this input.
    #[error("the prompt cannot be rendered for this input: {0}")]
    Render(String),
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
        return Err(PromptError::Unprintable("a member named `self`"));
    }
    let mut environment = template::environment();
    environment.set_formatter(print);
    // Only what the prompt names: the rest of an input may hold what no template can.
    let mut variables = Vec::new();
    for name in &prompt.required {
        if let Some(value) = input.get(name) {
            variables.push((name.as_str(), to_jinja(value)?));
        }
    }
    let input = Jinja::from_pairs(variables);
    let mut out = String::from("[");
    for (index, message) in prompt.messages.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str("{\"content\":");
        if message.is_static {
            write_string(&mut out, &message.content);
        } else {
            write_string(&mut out, &render(&environment, &message.content, &input)?);
        }
        out.push_str(",\"role\":");
        write_string(&mut out, message.role.as_str());
        out.push('}');
    }
    out.push(']');
    Ok(out)
}

fn render(env: &Environment<'_>, source: &str, input: &Jinja) -> Result<String, PromptError> {
    env.template_from_str(source)
        .and_then(|template| template.render(input))
        .map_err(|error| PromptError::Render(error.to_string()))
}

fn to_jinja(value: Value<'_>) -> Result<Jinja, PromptError> {
    Ok(match value.item() {
        Item::Null => Jinja::from(()),
        Item::Bool(bool) => Jinja::from(bool),
        Item::Integer(text) => match text.parse::<i64>() {
            Ok(number) => Jinja::from(number),
            Err(_) => text
                .parse::<i128>()
                .map(Jinja::from)
                .map_err(|_| PromptError::Unprintable("an integer over 128 bits"))?,
        },
        // JSON's spelling of a number is one that Rust reads.
        Item::Float(text) => Jinja::from(text.parse::<f64>().unwrap_or(f64::NAN)),
        Item::String(string) => match string.to_str() {
            Some(text) => Jinja::from(text.as_ref()),
            None => return Err(PromptError::Unprintable("a lone surrogate")),
        },
        Item::Array(values) => Jinja::from(values.map(to_jinja).collect::<Result<Vec<_>, _>>()?),
        Item::Object(members) => {
            let mut pairs = Vec::new();
            for (name, value) in members {
                let name = name.to_str().ok_or(PromptError::Unprintable("a lone surrogate"))?;
                pairs.push((name.into_owned(), to_jinja(value)?));
            }
            Jinja::from_pairs(pairs)
        }
    })
}

/// Prints a value as Python's `str()` does.
fn print(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Jinja) -> Result<(), Error> {
    let failed = |_| Error::new(ErrorKind::WriteFailure, "out of memory");
    match value.as_str() {
        Some(text) => out.write_str(text).map_err(failed),
        None if value.is_undefined() => Ok(()),
        None => {
            let mut text = String::new();
            write_repr(&mut text, value)?;
            out.write_str(&text).map_err(failed)
        }
    }
}

/// Appends what Python's `repr()` prints.
fn write_repr(out: &mut String, value: &Jinja) -> Result<(), Error> {
    match value.kind() {
        ValueKind::None => out.push_str("None"),
        ValueKind::Bool => out.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number if value.is_integer() => out.push_str(&value.to_string()),
        ValueKind::Number => out.push_str(&repr_float(f64::try_from(value.clone())?)),
        ValueKind::String => write_repr_string(out, value.as_str().unwrap_or_default())?,
        ValueKind::Seq => {
            out.push('[');
            for (index, item) in value.try_iter()?.enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write_repr(out, &item)?;
            }
            out.push(']');
        }
        ValueKind::Map => {
            out.push('{');
            for (index, name) in value.try_iter()?.enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write_repr(out, &name)?;
                out.push_str(": ");
                write_repr(out, &value.get_item(&name)?)?;
            }
            out.push('}');
        }
        kind => {
            let message = format!("a prompt cannot print {kind}");
            return Err(Error::new(ErrorKind::InvalidOperation, message));
        }
    }
    Ok(())
}

/// `repr` of a float, which differs from JSON's spelling in what JSON does not have.
fn repr_float(value: f64) -> String {
    if value.is_nan() {
        "nan".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "inf" } else { "-inf" }.to_owned()
    } else {
        repr(value)
    }
}

fn write_repr_string(out: &mut String, text: &str) -> Result<(), Error> {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            // Which of these Python escapes depends on its version of Unicode.
            c if !c.is_ascii() && c.escape_debug().len() > 1 => {
                let message = format!("a prompt cannot print U+{:04X} inside a list", u32::from(c));
                return Err(Error::new(ErrorKind::InvalidOperation, message));
            }
            c if c.is_control() => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push(quote);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{Message, Role};
    use crate::json::{Dialect, Document};

    fn prompt(content: &str) -> Prompt {
        let message = Message { role: Role::User, content: content.to_owned(), is_static: false };
        let required =
            crate::definition::required_parameters(content).unwrap().into_iter().collect();
        Prompt { messages: vec![message], required }
    }

    fn rendered(content: &str, input: &str) -> Result<String, PromptError> {
        let document = Document::parse(input, Dialect::STRICT).unwrap();
        let prompt = prompt(content);
        check_input(&prompt, document.root())?;
        render_messages(&prompt, document.root())
    }

    #[test]
    fn values_print_as_python_prints_them() {
        let input = r#"{"v": {"b": [1.0, null, true, "it's", 1e16], "a": 18446744073709551616}}"#;
        assert_eq!(
            rendered("{{ v }}|{{ v.b[2] }}|{{ v.none }}|{{ v.b[0] }}", input).unwrap(),
            r#"[{"content":"{'b': [1.0, None, True, \"it's\", 1e+16], 'a': 18446744073709551616}|True||1.0","role":"user"}]"#
        );
    }

    #[test]
    fn nothing_is_escaped_and_one_trailing_newline_goes() {
        assert_eq!(
            rendered("{{ v }}\n", r#"{"v": "<b>&'"}"#).unwrap(),
            r#"[{"content":"<b>&'","role":"user"}]"#
        );
    }

    #[test]
    fn a_missing_variable_is_named_and_null_is_enough() {
        let missing = PromptError::MissingVariable("text".to_owned());
        assert_eq!(rendered("{{ text }}", r#"{"txt": 1}"#), Err(missing));
        assert!(rendered("{{ text }}", r#"{"text": null}"#).unwrap().contains("\"None\""));
    }

    #[test]
    fn what_cannot_be_printed_exactly_is_refused() {
        assert!(rendered("{{ v }}", r#"{"v": "\u200b"}"#).is_ok());
        let hidden = r#"{"v": ["\u200b"]}"#;
        assert!(matches!(rendered("{{ v }}", hidden), Err(PromptError::Render(_))));
        let big = format!(r#"{{"v": {}}}"#, "9".repeat(60));
        assert!(matches!(rendered("{{ v }}", &big), Err(PromptError::Unprintable(_))));
        let lone = r#"{"v": "\ud800"}"#;
        assert!(matches!(rendered("{{ v }}", lone), Err(PromptError::Unprintable(_))));
        let unused = r#"{"v": 1, "w": "\ud800"}"#;
        assert!(rendered("{{ v }}", unused).is_ok(), "what is not printed does not matter");
        assert!(matches!(rendered("{{ v.a.b }}", r#"{"v":1}"#), Err(PromptError::Render(_))));
    }

    /// Python refuses to compare a text with a number; minijinja has an order for them.
    const COMPARED: &str = "if-03";

    /// A prompt of the vectors, when the build would accept it.
    fn accepted(messages: &Value<'_>) -> Option<Prompt> {
        let Item::Array(messages) = messages.item() else { return None };
        let mut prompt = Prompt { messages: Vec::new(), required: Vec::new() };
        for message in messages {
            let content = message.get("content")?.as_str()?.to_str()?.into_owned();
            let known = |name: &str| ["role", "content", "static"].contains(&name);
            let Item::Object(mut members) = message.item() else { return None };
            if !members.all(|(name, _)| name.to_str().is_some_and(|name| known(&name))) {
                return None;
            }
            let role = match message.get("role").and_then(Value::as_str) {
                None => Role::User,
                Some(role) if role.is("user") => Role::User,
                Some(role) if role.is("system") => Role::System,
                Some(role) if role.is("assistant") => Role::Assistant,
                Some(_) => return None,
            };
            let is_static =
                matches!(message.get("static").map(Value::item), Some(Item::Bool(true)));
            if !is_static {
                prompt.required.extend(crate::definition::required_parameters(&content).ok()?);
            }
            prompt.messages.push(Message { role, content, is_static });
        }
        Some(prompt)
    }

    #[test]
    fn what_the_build_accepts_is_rendered_as_dynamiq_does_or_refused() {
        #[derive(serde::Deserialize)]
        struct Vector {
            name: String,
            messages_json: String,
            input_json: String,
            rendered_json: Option<String>,
        }
        let vectors = include_str!("../tests/vectors/dynamiq-prompts.json");
        let vectors: Vec<Vector> = serde_json::from_str(vectors).unwrap();
        let (mut equal, mut refused) = (0, 0);
        let mut different = Vec::new();
        for vector in &vectors {
            let messages = Document::parse(&vector.messages_json, Dialect::PYTHON).unwrap();
            let input = Document::parse(&vector.input_json, Dialect::PYTHON).unwrap();
            let rendered = accepted(&messages.root()).and_then(|prompt| {
                check_input(&prompt, input.root()).ok()?;
                render_messages(&prompt, input.root()).ok()
            });
            match (rendered, &vector.rendered_json) {
                (None, _) => refused += 1,
                (Some(ours), theirs) => {
                    let spelled = |text: &str| {
                        let document = Document::parse(text, Dialect::PYTHON).unwrap();
                        crate::json::dumps(document.root(), crate::json::Order::AsWritten)
                    };
                    if theirs.as_deref().map(spelled) == Some(spelled(&ours)) {
                        equal += 1;
                    } else if vector.name != COMPARED {
                        different.push((&vector.name, &vector.messages_json, ours, theirs));
                    }
                }
            }
        }
        assert!(different.is_empty(), "{different:#?}");
        assert!(equal >= 100, "{equal} equal, {refused} refused");
    }
}
