//! The commands that the cache uses, and what Redis replies.

use std::borrow::Cow;

/// A command. [`Command::args`] is its wire form, [`Command::parse`] the way back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command<'a> {
    /// `GET key`
    Get(Cow<'a, str>),
    /// `SET key value [EX seconds | PX milliseconds] [NX]`
    Set {
        /// Where.
        key: Cow<'a, str>,
        /// What.
        value: Cow<'a, str>,
        /// For how long; None forever.
        expiry: Option<Expiry>,
        /// Only when there is nothing yet.
        if_absent: bool,
    },
    /// `SETEX key seconds value`
    SetEx {
        /// Where.
        key: Cow<'a, str>,
        /// For how many seconds; at least 1.
        seconds: u64,
        /// What.
        value: Cow<'a, str>,
    },
    /// `DEL key [key …]`
    Del(Vec<Cow<'a, str>>),
    /// `PTTL key`
    PTtl(Cow<'a, str>),
    /// `MGET key [key …]`
    MGet(Vec<Cow<'a, str>>),
    /// Deletes the key if that is what it holds: [`COMPARE_AND_DELETE`] by `EVAL`. The reply is how many
    /// were deleted.
    CompareAndDelete {
        /// Where.
        key: Cow<'a, str>,
        /// What.
        expected: Cow<'a, str>,
    },
    /// Gives the key that lifetime if that is what it holds: [`COMPARE_AND_EXPIRE`] by `EVAL`. The reply
    /// is how many have it now.
    CompareAndExpire {
        /// Where.
        key: Cow<'a, str>,
        /// What.
        expected: Cow<'a, str>,
        /// For how many milliseconds from now on; at least 1.
        milliseconds: u64,
    },
    /// `EDGEMEMO.AWAIT milliseconds key [key …]`, which the embedded store alone knows: the reply of
    /// `MGET`, as soon as the second key is not there, or after that time.
    Await {
        /// For how long at most.
        milliseconds: u64,
        /// Which keys; the second is waited for.
        keys: Vec<Cow<'a, str>>,
    },
    /// `PING [message]`
    Ping(Option<Cow<'a, str>>),
}

/// The script of [`Command::CompareAndDelete`].
pub const COMPARE_AND_DELETE: &str =
    "if redis.call('GET',KEYS[1])==ARGV[1] then return redis.call('DEL',KEYS[1]) end return 0";
/// The script of [`Command::CompareAndExpire`].
pub const COMPARE_AND_EXPIRE: &str = "if redis.call('GET',KEYS[1])==ARGV[1] then \
     return redis.call('PEXPIRE',KEYS[1],ARGV[2]) end return 0";

/// How long an entry lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// `EX`
    Seconds(u64),
    /// `PX`
    Milliseconds(u64),
}

impl Expiry {
    /// The lifetime in milliseconds; None when it overflows.
    pub fn as_millis(self) -> Option<u64> {
        match self {
            Self::Seconds(seconds) => seconds.checked_mul(1000),
            Self::Milliseconds(milliseconds) => Some(milliseconds),
        }
    }
}

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Nothing there.
    Nil,
    /// A status (`OK`, `PONG`) or a string.
    Text(String),
    /// A number.
    Integer(i64),
    /// Several replies.
    Array(Vec<Reply>),
    /// The command was refused, in Redis's words (`WRONGTYPE …`).
    Error(String),
}

impl Reply {
    /// The reply to a command that has nothing to say.
    pub fn ok() -> Self {
        Self::Text("OK".to_owned())
    }
}

/// Why arguments are not a command, in Redis's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CommandError(pub String);

impl CommandError {
    fn new(message: &str) -> Self {
        Self(format!("ERR {message}"))
    }

    fn arity(name: &str) -> Self {
        Self(format!("ERR wrong number of arguments for '{name}' command"))
    }

    fn expire_time(name: &str) -> Self {
        Self(format!("ERR invalid expire time in '{name}' command"))
    }
}

impl<'a> Command<'a> {
    /// `GET key`
    pub fn get(key: &'a str) -> Self {
        Self::Get(key.into())
    }

    /// What writes an entry as Dynamiq does: `SETEX` with a ttl, `SET` without.
    pub fn store(key: &'a str, value: &'a str, ttl: Option<u64>) -> Self {
        let (key, value) = (key.into(), value.into());
        match ttl {
            Some(seconds) => Self::SetEx { key, seconds, value },
            None => Self::Set { key, value, expiry: None, if_absent: false },
        }
    }

    /// The key that the command is about; for several the first.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Get(key) | Self::PTtl(key) => Some(key),
            Self::Set { key, .. }
            | Self::SetEx { key, .. }
            | Self::CompareAndDelete { key, .. }
            | Self::CompareAndExpire { key, .. } => Some(key),
            Self::Del(keys) | Self::MGet(keys) | Self::Await { keys, .. } => {
                keys.first().map(|key| &**key)
            }
            Self::Ping(_) => None,
        }
    }

    /// Name and arguments as they go over the wire.
    pub fn args(&self) -> Vec<Cow<'_, str>> {
        let text = |text: &'static str| Cow::Borrowed(text);
        match self {
            Self::Get(key) => vec![text("GET"), Cow::Borrowed(key)],
            Self::Set { key, value, expiry, if_absent } => {
                let mut args = vec![text("SET"), Cow::Borrowed(&**key), Cow::Borrowed(&**value)];
                match expiry {
                    Some(Expiry::Seconds(n)) => args.extend([text("EX"), n.to_string().into()]),
                    Some(Expiry::Milliseconds(n)) => {
                        args.extend([text("PX"), n.to_string().into()])
                    }
                    None => {}
                }
                if *if_absent {
                    args.push(text("NX"));
                }
                args
            }
            Self::SetEx { key, seconds, value } => vec![
                text("SETEX"),
                Cow::Borrowed(key),
                seconds.to_string().into(),
                Cow::Borrowed(value),
            ],
            Self::Del(keys) => named("DEL", keys),
            Self::MGet(keys) => named("MGET", keys),
            Self::Await { milliseconds, keys } => {
                let mut args = named("EDGEMEMO.AWAIT", keys);
                args.insert(1, milliseconds.to_string().into());
                args
            }
            Self::CompareAndDelete { key, expected } => {
                let (key, expected) = (Cow::Borrowed(&**key), Cow::Borrowed(&**expected));
                vec![text("EVAL"), text(COMPARE_AND_DELETE), text("1"), key, expected]
            }
            Self::CompareAndExpire { key, expected, milliseconds } => {
                let (key, expected) = (Cow::Borrowed(&**key), Cow::Borrowed(&**expected));
                let milliseconds = milliseconds.to_string().into();
                vec![text("EVAL"), text(COMPARE_AND_EXPIRE), text("1"), key, expected, milliseconds]
            }
            Self::PTtl(key) => vec![text("PTTL"), Cow::Borrowed(key)],
            Self::Ping(message) => std::iter::once(text("PING"))
                .chain(message.iter().map(|message| Cow::Borrowed(&**message)))
                .collect(),
        }
    }

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
            "set" => {
                let (key, value, first) = (next()?, next()?, rest.next());
                let (expiry, if_absent) = set_options(first.into_iter().chain(options))?;
                Ok(Self::Set { key, value, expiry, if_absent })
            }
            _ => Err(CommandError::new(&format!("unknown command '{name}'"))),
        }
    }
}

/// A command by its name and some keys.
fn named<'a>(name: &'static str, keys: &'a [Cow<'_, str>]) -> Vec<Cow<'a, str>> {
    std::iter::once(Cow::Borrowed(name))
        .chain(keys.iter().map(|key| Cow::Borrowed(&**key)))
        .collect()
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

fn lifetime(text: &str, name: &str) -> Result<u64, CommandError> {
    let number: i64 =
        text.parse().map_err(|_| CommandError::new("value is not an integer or out of range"))?;
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
