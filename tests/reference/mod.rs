//! The rules of keys and of stored values a second time: written from the rules alone, for whoever
//! reads and not for speed, with nothing of the crate in it. The tests and the fuzz targets compare
//! the crate with it.
//!
//! `None` is a refusal. Nesting is followed by recursion, on a thread with a stack for it.

use sha2::{Digest, Sha256};

/// Which rules a canonical text and a key follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    Dynamiq,
    Canonical,
}

pub const ALL_RULES: [Rules; 2] = [Rules::Dynamiq, Rules::Canonical];

/// How deep arrays and objects may nest.
const MAX_DEPTH: usize = 1000;
/// How many digits a number without fraction and exponent may have, and how many significant ones
/// any number may have in `canonical`.
const MAX_DIGITS: usize = 4300;
/// The largest exponent, and the smallest with a minus, of a number in `canonical`.
const MAX_EXPONENT: i128 = 999_999;

/// A string as its code points. Surrogates among them are lone ones.
pub type Text = Vec<u32>;

/// A parsed text, with everything in it that some rule looks at.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    Null,
    Bool(bool),
    /// A number without fraction and exponent, as spelled.
    Integer(String),
    /// A number with a fraction or an exponent, as spelled.
    Float(String),
    /// `NaN`, `Infinity` or `-Infinity`.
    NonFinite(&'static str),
    Text(Text),
    Array(Vec<Tree>),
    Object(Vec<(Text, Tree)>),
}

/// What a key is made of; JSON texts are given as they are.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub rules: Rules,
    pub non_finite: bool,
    pub namespace: Option<&'a str>,
    pub entity_id: &'a str,
    pub input: &'a str,
    pub kwargs: Option<&'a str>,
    pub definition: Option<&'a str>,
}

// Keys.

pub fn cache_key(request: &Request<'_>) -> Option<String> {
    let texts = [Some(request.input), request.kwargs, request.definition];
    on_a_stack_for(&texts.map(Option::unwrap_or_default), || {
        let tree = |text: &str| parse(text, request.non_finite);
        let Tree::Object(input) = tree(request.input)? else { return None };
        let Tree::Object(kwargs) = tree(request.kwargs.unwrap_or("{}"))? else { return None };
        let definition = match request.definition {
            Some(text) => Some(tree(text)?),
            None => None,
        };
        let named = |name: &Text, names: &[&str]| names.iter().any(|other| *name == points(other));
        if kwargs.iter().any(|(name, _)| named(name, &["self", "entity_id", "input_data"])) {
            return None;
        }
        let left_out = ["config", "run_id", "parent_run_id", "wf_run_id", "executor"];
        let kwargs: Vec<_> =
            kwargs.into_iter().filter(|(name, _)| !named(name, &left_out)).collect();
        let input = Tree::Object(input);
        let kwargs = Tree::Object(kwargs);
        let separate = |part: Option<String>| part.map(|part| part + ":").unwrap_or_default();
        match request.rules {
            Rules::Dynamiq => Some(format!(
                "{}{}:{}:{}",
                separate(request.namespace.map(str::to_owned)),
                request.entity_id,
                hash(&dynamiq(&input)),
                hash(&dynamiq(&kwargs)),
            )),
            Rules::Canonical => {
                let mut work = vec![(points("kwargs"), kwargs)];
                work.extend(definition.map(|definition| (points("definition"), definition)));
                Some(format!(
                    "{}{}:{}:{}:v1",
                    separate(request.namespace.map(percent_encoded)),
                    percent_encoded(request.entity_id),
                    hash(&canonical(&input)?),
                    hash(&canonical(&Tree::Object(work))?),
                ))
            }
        }
    })
}

pub fn canonical_text(rules: Rules, text: &str, non_finite: bool) -> Option<String> {
    on_a_stack_for(&[text], || {
        let tree = parse(text, non_finite)?;
        match rules {
            Rules::Dynamiq => Some(dynamiq(&tree)),
            Rules::Canonical => canonical(&tree),
        }
    })
}

fn hash(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn percent_encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(byte.into());
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}

fn points(text: &str) -> Text {
    text.chars().map(u32::from).collect()
}

/// Nesting takes native stack here; only what nests gets more than there is.
fn on_a_stack_for<T: Send>(texts: &[&str], work: impl FnOnce() -> T + Send) -> T {
    let brackets = texts.iter().flat_map(|text| text.bytes()).filter(|byte| b"[{".contains(byte));
    if brackets.count() < 50 {
        return work();
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(64 << 20).spawn_scoped(scope, work);
        #[expect(clippy::unwrap_used, reason = "a helper of tests")]
        thread.unwrap().join().unwrap()
    })
}

// Scheme `dynamiq`: what Python prints of what Python parsed and Dynamiq sorted.

fn dynamiq(tree: &Tree) -> String {
    python(tree, true)
}

/// `sorted`: whether the members of an object that this is are sorted.
fn python(tree: &Tree, sorted: bool) -> String {
    match tree {
        Tree::Null => "null".to_owned(),
        Tree::Bool(value) => value.to_string(),
        Tree::Integer(spelled) if spelled == "-0" => "0".to_owned(),
        Tree::Integer(spelled) => spelled.clone(),
        Tree::Float(spelled) => python_float(double(spelled)),
        Tree::NonFinite(word) => (*word).to_owned(),
        Tree::Text(text) => python_string(text),
        Tree::Array(values) => {
            let values: Vec<_> = values.iter().map(|value| python(value, false)).collect();
            format!("[{}]", values.join(", "))
        }
        Tree::Object(members) => {
            let mut dictionary: Vec<(&Text, &Tree)> = Vec::new();
            for (name, value) in members {
                match dictionary.iter_mut().find(|(present, _)| *present == name) {
                    Some(member) => member.1 = value,
                    None => dictionary.push((name, value)),
                }
            }
            if sorted {
                dictionary.sort_by_key(|(name, _)| *name);
            }
            let members: Vec<_> = dictionary
                .into_iter()
                .map(|(name, value)| format!("{}: {}", python_string(name), python(value, sorted)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}

/// The nearest double, from the digits and the exponent of the last of them: a parser need not take
/// an exponent of any length.
fn double(spelled: &str) -> f64 {
    let (sign, spelled) = spelled.strip_prefix('-').map_or((1.0, spelled), |rest| (-1.0, rest));
    let (mantissa, exponent) = spelled.split_once(['e', 'E']).unwrap_or((spelled, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let mut digits = digits.trim_start_matches('0').to_owned();
    if digits.is_empty() {
        return sign * 0.0;
    }
    let far = if exponent.starts_with('-') { -1_000_000_000_000 } else { 1_000_000_000_000 };
    let exponent: i64 = exponent.parse().unwrap_or(far);
    let mut exponent = exponent.clamp(-far.abs(), far.abs()) - fraction.len() as i64;
    let magnitude = exponent + digits.len() as i64;
    if magnitude.abs() > 1000 {
        return if magnitude > 0 { sign * f64::INFINITY } else { sign * 0.0 };
    }
    // No digit so far back matters but for not being zero.
    if digits.len() > 1000 {
        exponent += digits.len() as i64 - 1001;
        digits.truncate(1000);
        digits.push('1');
    }
    sign * format!("{digits}e{exponent}").parse::<f64>().unwrap_or_default()
}

fn python_string(text: &[u32]) -> String {
    let mut out = String::from("\"");
    for &point in text {
        match short_escape(point) {
            Some(escape) => out += escape,
            None if (0x20..=0x7e).contains(&point) => out.extend(char::from_u32(point)),
            None if point < 0x10000 => out += &format!("\\u{point:04x}"),
            None => {
                let above = point - 0x10000;
                let (high, low) = (0xd800 + (above >> 10), 0xdc00 + (above & 0x3ff));
                out += &format!("\\u{high:04x}\\u{low:04x}");
            }
        }
    }
    out + "\""
}

/// The escapes that both schemes write.
fn short_escape(point: u32) -> Option<&'static str> {
    Some(match char::from_u32(point)? {
        '"' => "\\\"",
        '\\' => "\\\\",
        '\u{8}' => "\\b",
        '\t' => "\\t",
        '\n' => "\\n",
        '\u{c}' => "\\f",
        '\r' => "\\r",
        _ => return None,
    })
}

/// Python's `repr`.
fn python_float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    if value.is_infinite() {
        return format!("{sign}Infinity");
    }
    if value == 0.0 {
        return format!("{sign}0.0");
    }
    let (digits, exponent) = shortest_digits(value.abs());
    let (first, others) = digits.split_at(1);
    if !(-4..16).contains(&exponent) {
        let point = if others.is_empty() { "" } else { "." };
        let exponent_sign = if exponent < 0 { "-" } else { "+" };
        return format!("{sign}{first}{point}{others}e{exponent_sign}{:02}", exponent.abs());
    }
    let (whole, fraction) = positional(&digits, i128::from(exponent) + 1);
    let fraction = if fraction.is_empty() { "0".to_owned() } else { fraction };
    format!("{sign}{whole}.{fraction}")
}

/// The fewest digits d1 d2 … that read back as the value, and of several such the nearest to it:
/// the value is about d1.d2… × 10^exponent. No digit at the end is 0.
fn shortest_digits(value: f64) -> (String, i32) {
    for precision in 0..17 {
        let nearest = format!("{value:.precision$e}");
        let (mantissa, exponent) = nearest.split_once('e').unwrap_or_default();
        let digits = mantissa.replace('.', "");
        let exponent: i32 = exponent.parse().unwrap_or_default();
        let last_digit = exponent - precision as i32;
        let digits: u64 = digits.parse().unwrap_or_default();
        // At a power of two the doubles below are closer than those above, so that the nearest
        // digits may miss where their neighbours above do not.
        for candidate in [digits, digits + 1, digits.saturating_sub(1)] {
            if format!("{candidate}e{last_digit}").parse() == Ok(value) {
                let digits = candidate.to_string();
                let exponent = last_digit + digits.len() as i32 - 1;
                return (digits.trim_end_matches('0').to_owned(), exponent);
            }
        }
    }
    // 17 digits always read back.
    (String::new(), 0)
}

/// 0.d1 d2 … × 10^n written out: what stands before the point, and what after it.
fn positional(digits: &str, n: i128) -> (String, String) {
    let (mut whole, mut fraction) = (String::new(), String::new());
    for (place, digit) in (0..).zip(digits.chars()) {
        if place < n { whole.push(digit) } else { fraction.push(digit) }
    }
    let missing = usize::try_from(n).unwrap_or_default().saturating_sub(digits.len());
    whole += &"0".repeat(missing);
    if whole.is_empty() {
        whole.push('0');
    }
    if n < 0 {
        fraction = "0".repeat(n.unsigned_abs() as usize) + &fraction;
    }
    (whole, fraction)
}

// Scheme `canonical`.

fn canonical(tree: &Tree) -> Option<String> {
    Some(match tree {
        Tree::Null => "null".to_owned(),
        Tree::Bool(value) => value.to_string(),
        Tree::Integer(spelled) | Tree::Float(spelled) => canonical_number(spelled)?,
        Tree::NonFinite(_) => return None,
        Tree::Text(text) => canonical_string(text)?,
        Tree::Array(values) => {
            let values: Option<Vec<_>> = values.iter().map(canonical).collect();
            format!("[{}]", values?.join(","))
        }
        Tree::Object(members) => {
            let mut sorted: Vec<&(Text, Tree)> = members.iter().collect();
            sorted.sort_by_key(|(name, _)| name);
            if sorted.windows(2).any(|pair| matches!(pair, [a, b] if a.0 == b.0)) {
                return None;
            }
            let members: Option<Vec<_>> = sorted
                .into_iter()
                .map(|(name, value)| {
                    Some(format!("{}:{}", canonical_string(name)?, canonical(value)?))
                })
                .collect();
            format!("{{{}}}", members?.join(","))
        }
    })
}

fn canonical_string(text: &[u32]) -> Option<String> {
    let mut out = String::from("\"");
    for &point in text {
        match short_escape(point) {
            Some(escape) => out += escape,
            None if point < 0x20 => out += &format!("\\u{point:04x}"),
            // There is no character for a lone surrogate.
            None => out.push(char::from_u32(point)?),
        }
    }
    Some(out + "\"")
}

fn canonical_number(spelled: &str) -> Option<String> {
    let Decimal { negative, digits, n } = Decimal::of(spelled);
    if digits.is_empty() {
        return Some("0".to_owned());
    }
    let exponent = n - 1;
    if digits.len() > MAX_DIGITS || exponent.abs() > MAX_EXPONENT {
        return None;
    }
    let sign = if negative { "-" } else { "" };
    if -6 < n && n <= 21 {
        let (whole, fraction) = positional(&digits, n);
        let point = if fraction.is_empty() { "" } else { "." };
        return Some(format!("{sign}{whole}{point}{fraction}"));
    }
    let (first, others) = digits.split_at(1);
    let point = if others.is_empty() { "" } else { "." };
    Some(format!("{sign}{first}{point}{others}e{exponent:+}"))
}

/// 0.d1 d2 … × 10^n, without zeros at either end of the digits; without digits it is zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal {
    pub negative: bool,
    pub digits: String,
    pub n: i128,
}

impl Decimal {
    /// What a JSON number denotes.
    pub fn of(spelled: &str) -> Self {
        let (negative, unsigned) = match spelled.strip_prefix('-') {
            Some(unsigned) => (true, unsigned),
            None => (false, spelled),
        };
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0');
        let leading_zeros = all.len() - digits.len();
        let digits = digits.trim_end_matches('0');
        if digits.is_empty() {
            return Self { negative: false, digits: String::new(), n: 0 };
        }
        let n = whole.len() as i128 + exponent_value(exponent) - leading_zeros as i128;
        Self { negative, digits: digits.to_owned(), n }
    }
}

fn exponent_value(spelled: &str) -> i128 {
    let (sign, digits) = match spelled.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, spelled.trim_start_matches('+')),
    };
    let digits = digits.trim_start_matches('0');
    // Beyond that, no text has the zeros to make up for it.
    let size = if digits.len() > 30 { 10_i128.pow(30) } else { digits.parse().unwrap_or(0) };
    sign * size
}

// JSON texts.

/// Gives what a text denotes. It recurses as deep as the text nests.
pub fn parse(text: &str, non_finite: bool) -> Option<Tree> {
    let mut reader = Reader { text: text.chars().collect(), at: 0, non_finite };
    let tree = reader.value(0)?;
    reader.white_space();
    (reader.at == reader.text.len()).then_some(tree)
}

struct Reader {
    text: Vec<char>,
    at: usize,
    non_finite: bool,
}

impl Reader {
    /// `depth`: how many containers are open around the value.
    fn value(&mut self, depth: usize) -> Option<Tree> {
        self.white_space();
        match self.peek()? {
            '[' | '{' if depth == MAX_DEPTH => None,
            '[' => {
                let mut values = Vec::new();
                self.items('[', ']', |reader| {
                    values.push(reader.value(depth + 1)?);
                    Some(())
                })?;
                Some(Tree::Array(values))
            }
            '{' => {
                let mut members = Vec::new();
                self.items('{', '}', |reader| {
                    reader.white_space();
                    let name = reader.string()?;
                    reader.white_space();
                    reader.token(":")?;
                    members.push((name, reader.value(depth + 1)?));
                    Some(())
                })?;
                Some(Tree::Object(members))
            }
            '"' => self.string().map(Tree::Text),
            _ => self
                .token("null")
                .map(|()| Tree::Null)
                .or_else(|| self.token("true").map(|()| Tree::Bool(true)))
                .or_else(|| self.token("false").map(|()| Tree::Bool(false)))
                .or_else(|| self.non_finite())
                .or_else(|| self.number()),
        }
    }

    /// What stands between two brackets, separated by commas.
    fn items(
        &mut self,
        start: char,
        end: char,
        mut item: impl FnMut(&mut Self) -> Option<()>,
    ) -> Option<()> {
        self.token(&start.to_string())?;
        self.white_space();
        if self.token(&end.to_string()).is_some() {
            return Some(());
        }
        loop {
            item(self)?;
            self.white_space();
            if self.token(&end.to_string()).is_some() {
                return Some(());
            }
            self.token(",")?;
        }
    }

    fn string(&mut self) -> Option<Text> {
        self.token("\"")?;
        let mut units = Vec::new();
        loop {
            let char = self.next()?;
            match char {
                '"' => break,
                '\\' => units.push(self.escape()?),
                '\0'..='\u{1f}' => return None,
                _ => units.push(char.into()),
            }
        }
        // Only escapes can have put surrogates there.
        let mut text = Text::new();
        for unit in units {
            match (text.last().copied(), unit) {
                (Some(high @ 0xd800..=0xdbff), low @ 0xdc00..=0xdfff) => {
                    text.pop();
                    text.push(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
                }
                _ => text.push(unit),
            }
        }
        Some(text)
    }

    fn escape(&mut self) -> Option<u32> {
        Some(match self.next()? {
            'b' => 0x8,
            't' => 0x9,
            'n' => 0xa,
            'f' => 0xc,
            'r' => 0xd,
            char @ ('"' | '\\' | '/') => char.into(),
            'u' => {
                let mut unit = 0;
                for _ in 0..4 {
                    unit = unit * 16 + self.next()?.to_digit(16)?;
                }
                unit
            }
            _ => return None,
        })
    }

    fn number(&mut self) -> Option<Tree> {
        let mut spelled = String::new();
        while let Some(char @ ('0'..='9' | '-' | '+' | '.' | 'e' | 'E')) = self.peek() {
            spelled.push(char);
            self.at += 1;
        }
        let unsigned = spelled.strip_prefix('-').unwrap_or(&spelled);
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (unsigned, None),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
        let exponent_digits = |text: &str| digits(text.strip_prefix(['+', '-']).unwrap_or(text));
        let good = digits(whole)
            && (whole == "0" || !whole.starts_with('0'))
            && fraction.is_none_or(digits)
            && exponent.is_none_or(exponent_digits);
        if !good {
            None
        } else if fraction.is_some() || exponent.is_some() {
            Some(Tree::Float(spelled))
        } else {
            (whole.len() <= MAX_DIGITS).then_some(Tree::Integer(spelled))
        }
    }

    fn non_finite(&mut self) -> Option<Tree> {
        if !self.non_finite {
            return None;
        }
        let words = ["NaN", "Infinity", "-Infinity"];
        words.into_iter().find(|word| self.token(word).is_some()).map(Tree::NonFinite)
    }

    /// Moves behind the token if it stands here.
    fn token(&mut self, token: &str) -> Option<()> {
        let end = self.at + token.len();
        let here = self.text.get(self.at..end)?;
        here.iter().copied().eq(token.chars()).then(|| self.at = end)
    }

    fn white_space(&mut self) {
        while let Some(' ' | '\t' | '\n' | '\r') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let char = self.peek()?;
        self.at += 1;
        Some(char)
    }
}

// Stored values.

/// What reading a stored value comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    NotBase64,
    NotUtf8,
    NotJson,
    Null,
    Output(String),
}

pub fn decode(stored: &str) -> Stored {
    let Some(bytes) = base64(stored) else { return Stored::NotBase64 };
    let Ok(text) = String::from_utf8(bytes) else { return Stored::NotUtf8 };
    let null = on_a_stack_for(&[&text], || parse(&text, false).map(|tree| tree == Tree::Null));
    match null {
        None => Stored::NotJson,
        Some(true) => Stored::Null,
        Some(false) => Stored::Output(text),
    }
}

/// Base64 as Python's `b64decode` reads it: what is not of the alphabet is passed over. `=` counts
/// when it stands where padding may (after two or three digits of a group of four); as soon as
/// digits and `=` right behind each other make up a group, the text ends there. Without that, the
/// last group has to be complete.
fn base64(stored: &str) -> Option<Vec<u8>> {
    let alphabet: Vec<char> =
        ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
    let mut bits: Vec<bool> = Vec::new();
    let (mut digits, mut pads) = (0, 0);
    let mut padded = false;
    for char in stored.chars() {
        if let Some(digit) = alphabet.iter().position(|&other| other == char) {
            bits.extend((0..6).rev().map(|bit| digit >> bit & 1 == 1));
            digits += 1;
            pads = 0;
        } else if char == '=' && digits % 4 >= 2 {
            pads += 1;
            if digits % 4 + pads == 4 {
                padded = true;
                break;
            }
        }
    }
    if !padded && digits % 4 != 0 {
        return None;
    }
    let byte = |bits: &[bool]| bits.iter().fold(0, |byte, &bit| byte << 1 | u8::from(bit));
    Some(bits.chunks_exact(8).map(byte).collect())
}
