//! The crate, asked in the words of the reference: `None` is a refusal.

use edgememo::codec::{self, DecodeError};
use edgememo::json::{Dialect, Document};
use edgememo::key::{self, KeyRequest, Scheme};

use crate::reference::{Request, Rules, Stored};

pub fn dialect(non_finite: bool) -> Dialect {
    if non_finite { Dialect::PYTHON } else { Dialect::STRICT }
}

fn scheme(rules: Rules) -> Scheme {
    match rules {
        Rules::Dynamiq => Scheme::Dynamiq,
        Rules::Canonical => Scheme::Canonical,
    }
}

pub fn canonical_text(rules: Rules, text: &str, non_finite: bool) -> Option<String> {
    let document = Document::parse(text, dialect(non_finite)).ok()?;
    key::canonicalize(document.root(), scheme(rules)).ok()
}

pub fn cache_key(request: &Request<'_>) -> Option<String> {
    let parse = |text| Document::parse(text, dialect(request.non_finite));
    let input = parse(request.input).ok()?;
    let kwargs = request.kwargs.map(parse).transpose().ok()?;
    let definition = request.definition.map(parse).transpose().ok()?;
    key::cache_key(&KeyRequest {
        scheme: scheme(request.rules),
        namespace: request.namespace,
        entity_id: request.entity_id,
        input: input.root(),
        kwargs: kwargs.as_ref().map(Document::root),
        definition: definition.as_ref().map(Document::root),
    })
    .ok()
}

/// None for a reason that the reference does not know.
pub fn decode(stored: &str) -> Option<Stored> {
    Some(match codec::decode(stored) {
        Ok(text) => Stored::Output(text),
        Err(DecodeError::NotBase64) => Stored::NotBase64,
        Err(DecodeError::NotUtf8) => Stored::NotUtf8,
        Err(DecodeError::NotJson) => Stored::NotJson,
        Err(DecodeError::Null) => Stored::Null,
        Err(_) => return None,
    })
}
