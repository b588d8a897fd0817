//! The way back: commands from their wire form, and Redis's errors for what is wrong.

use std::borrow::Cow;

use super::{COMPARE_AND_DELETE, COMPARE_AND_EXPIRE, Command, CommandError, Expiry};

impl<'a> Command<'a> {
    /// Reads a command from name and arguments, with Redis's errors for what is wrong.
    pub fn parse(args: Vec<Cow<'a, str>>) -> Result<Self, CommandError> {
        let mut args = args.into_iter();
        let name = args.next().unwrap_or_default().to_ascii_lowercase();
        let mut rest: Vec<Cow<'a, str>> = args.collect();
        let options = rest.split_off(rest.len().min(3));
        let arity = || CommandError::arity(&name);
        let mut rest = rest.into_iter();
        let mut next = || rest.next().ok_or_else(arity);
        match name.as_str() {
            "get" => exactly(Self::Get(next()?), rest.next(), &options, &name),
            "pttl" => exactly(Self::PTtl(next()?), rest.next(), &options, &name),
            "ping" => exactly(Self::Ping(rest.next()), rest.next(), &options, &name),
            "del" | "mget" => {
                let keys: Vec<_> = std::iter::once(next()?).chain(rest).chain(options).collect();
                Ok(if name == "del" { Self::Del(keys) } else { Self::MGet(keys) })
            }
            "edgememo.await" => {
                let (milliseconds, first) = (lifetime(&next()?, &name)?, next()?);
                let keys = std::iter::once(first).chain(rest).chain(options).collect();
                Ok(Self::Await { milliseconds, keys })
            }
            "eval" => {
                let (script, count, key) = (next()?, next()?, next()?);
                if count != "1" {
                    return Err(unknown_script());
                }
                script_call(&script, key, options)
            }
            "setex" => {
                let (key, seconds, value) = (next()?, next()?, next()?);
                let seconds = lifetime(&seconds, "setex")?;
                Expiry::Seconds(seconds)
                    .as_millis()
                    .ok_or_else(|| CommandError::expire_time("setex"))?;
                exactly(Self::SetEx { key, seconds, value }, None, &options, &name)
            }
            "incrby" => {
                let (key, by) = (next()?, next()?);
                if rest.next().is_some() || !options.is_empty() {
                    return Err(arity());
                }
                Ok(Self::IncrBy { key, by: integer(&by).ok_or_else(CommandError::not_an_integer)? })
            }
            "scan" => {
                let cursor = next()?;
                let cursor = cursor.parse().map_err(|_| CommandError::new("invalid cursor"))?;
                let (pattern, count) = scan_options(rest.chain(options))?;
                Ok(Self::Scan { cursor, pattern, count })
            }
            "set" => {
                let (key, value, first) = (next()?, next()?, rest.next());
                let (expiry, if_absent) = set_options(first.into_iter().chain(options))?;
                Ok(Self::Set { key, value, expiry, if_absent })
            }
            _ => Err(CommandError::new(&format!("unknown command '{name}'"))),
        }
    }
}

/// One of the scripts that are known here: there is nothing that runs others.
fn script_call<'a>(
    script: &str,
    key: Cow<'a, str>,
    args: Vec<Cow<'a, str>>,
) -> Result<Command<'a>, CommandError> {
    let mut args = args.into_iter();
    match (script, args.next(), args.next(), args.next()) {
        (COMPARE_AND_DELETE, Some(expected), None, None) => {
            Ok(Command::CompareAndDelete { key, expected })
        }
        (COMPARE_AND_EXPIRE, Some(expected), Some(milliseconds), None) => {
            let milliseconds = lifetime(&milliseconds, "pexpire")?;
            Ok(Command::CompareAndExpire { key, expected, milliseconds })
        }
        _ => Err(unknown_script()),
    }
}

fn unknown_script() -> CommandError {
    CommandError::new("this script is not known here")
}

fn exactly<'a>(
    command: Command<'a>,
    more: Option<Cow<'a, str>>,
    options: &[Cow<'a, str>],
    name: &str,
) -> Result<Command<'a>, CommandError> {
    if more.is_some() || !options.is_empty() { Err(CommandError::arity(name)) } else { Ok(command) }
}

fn set_options<'a>(
    mut options: impl Iterator<Item = Cow<'a, str>>,
) -> Result<(Option<Expiry>, bool), CommandError> {
    let syntax = || CommandError::new("syntax error");
    let (mut expiry, mut if_absent) = (None, false);
    while let Some(option) = options.next() {
        match option.to_ascii_uppercase().as_str() {
            "NX" => if_absent = true,
            unit @ ("EX" | "PX") if expiry.is_none() => {
                let number = lifetime(&options.next().ok_or_else(syntax)?, "set")?;
                let lifetime = if unit == "EX" {
                    Expiry::Seconds(number)
                } else {
                    Expiry::Milliseconds(number)
                };
                lifetime.as_millis().ok_or_else(|| CommandError::expire_time("set"))?;
                expiry = Some(lifetime);
            }
            _ => return Err(syntax()),
        }
    }
    Ok((expiry, if_absent))
}

fn scan_options<'a>(
    mut options: impl Iterator<Item = Cow<'a, str>>,
) -> Result<(Option<Cow<'a, str>>, Option<u64>), CommandError> {
    let syntax = || CommandError::new("syntax error");
    let (mut pattern, mut count) = (None, None);
    while let Some(option) = options.next() {
        let value = options.next().ok_or_else(syntax)?;
        match option.to_ascii_uppercase().as_str() {
            "MATCH" => pattern = Some(value),
            "COUNT" => {
                let number = integer(&value).ok_or_else(CommandError::not_an_integer)?;
                count = Some(u64::try_from(number).ok().filter(|n| *n > 0).ok_or_else(syntax)?);
            }
            _ => return Err(syntax()),
        }
    }
    Ok((pattern, count))
}

/// A number in the one spelling that Redis takes: digits without leading zeros, `-` before them.
pub fn integer(text: &str) -> Option<i64> {
    text.parse().ok().filter(|number: &i64| number.to_string() == text)
}

fn lifetime(text: &str, name: &str) -> Result<u64, CommandError> {
    let number = integer(text).ok_or_else(CommandError::not_an_integer)?;
    match u64::try_from(number) {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(CommandError::expire_time(name)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Command<'_>, String> {
        Command::parse(text.split(' ').map(Cow::Borrowed).collect()).map_err(|error| error.0)
    }

    #[test]
    fn names_and_options_are_read_in_any_case() {
        assert_eq!(parse("get k"), Ok(Command::get("k")));
        assert_eq!(
            parse("set k v px 5 nx"),
            Ok(Command::Set {
                key: "k".into(),
                value: "v".into(),
                expiry: Some(Expiry::Milliseconds(5)),
                if_absent: true,
            })
        );
        assert_eq!(parse("SETEX k 10 v"), Ok(Command::store("k", "v", Some(10))));
        assert_eq!(
            parse("del a b c d e"),
            Ok(Command::Del(["a", "b", "c", "d", "e"].map(Cow::Borrowed).to_vec()))
        );
    }

    #[test]
    fn errors_are_in_the_words_of_redis() {
        let refused = |text: &str, message: &str| {
            assert_eq!(parse(text).unwrap_err(), format!("ERR {message}"), "{text}");
        };
        refused("get", "wrong number of arguments for 'get' command");
        refused("GET a b", "wrong number of arguments for 'get' command");
        refused("setex a 1 b c", "wrong number of arguments for 'setex' command");
        refused("setex a 0 b", "invalid expire time in 'setex' command");
        refused("setex a -1 b", "invalid expire time in 'setex' command");
        refused("setex a 9223372036854775807 b", "invalid expire time in 'setex' command");
        refused("setex a x b", "value is not an integer or out of range");
        refused("set a b ex", "syntax error");
        refused("set a b ex 1 px 1", "syntax error");
        refused("set a b ex 0", "invalid expire time in 'set' command");
        refused("set a b keepttl", "syntax error");
        refused("setex a 010 b", "value is not an integer or out of range");
        refused("incrby a", "wrong number of arguments for 'incrby' command");
        refused("incrby a 1 2", "wrong number of arguments for 'incrby' command");
        for number in ["x", "1.5", "+1", "01", "-0", "9223372036854775808"] {
            refused(&format!("incrby a {number}"), "value is not an integer or out of range");
        }
        refused("scan", "wrong number of arguments for 'scan' command");
        refused("scan x", "invalid cursor");
        refused("scan -1", "invalid cursor");
        refused("scan 0 match", "syntax error");
        refused("scan 0 count 0", "syntax error");
        refused("scan 0 count x", "value is not an integer or out of range");
        refused("scan 0 type string", "syntax error");
        refused("flushall", "unknown command 'flushall'");
        refused("eval return 1 k", "this script is not known here");
        refused("", "unknown command ''");
    }

    fn any_command() -> impl Strategy<Value = Command<'static>> {
        let text = || any::<String>().prop_map(Cow::<'static, str>::Owned);
        let expiry = proptest::option::of(prop_oneof![
            (1..=1_000_000_u64).prop_map(Expiry::Seconds),
            (1..=1_000_000_u64).prop_map(Expiry::Milliseconds),
        ]);
        prop_oneof![
            text().prop_map(Command::Get),
            text().prop_map(Command::PTtl),
            proptest::option::of(text()).prop_map(Command::Ping),
            (text(), any::<i64>()).prop_map(|(key, by)| Command::IncrBy { key, by }),
            (any::<u64>(), proptest::option::of(text()), proptest::option::of(1..=1000_u64))
                .prop_map(|(cursor, pattern, count)| Command::Scan { cursor, pattern, count }),
            proptest::collection::vec(text(), 1..6).prop_map(Command::Del),
            proptest::collection::vec(text(), 1..6).prop_map(Command::MGet),
            (proptest::collection::vec(text(), 1..6), 1..=1_000_000_u64)
                .prop_map(|(keys, milliseconds)| Command::Await { milliseconds, keys }),
            (text(), text())
                .prop_map(|(key, expected)| Command::CompareAndDelete { key, expected }),
            (text(), text(), 1..=1_000_000_u64).prop_map(|(key, expected, milliseconds)| {
                Command::CompareAndExpire { key, expected, milliseconds }
            }),
            (text(), 1..=1_000_000_u64, text()).prop_map(|(key, seconds, value)| Command::SetEx {
                key,
                seconds,
                value
            }),
            (text(), text(), expiry, any::<bool>()).prop_map(|(key, value, expiry, if_absent)| {
                Command::Set { key, value, expiry, if_absent }
            }),
        ]
    }

    proptest! {
        #[test]
        fn the_wire_form_reads_back_as_the_command(command in any_command()) {
            prop_assert_eq!(Command::parse(command.args()), Ok(command.clone()));
        }
    }
}
