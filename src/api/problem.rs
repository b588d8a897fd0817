//! Errors that are not results of a run, as `application/problem+json` (RFC 9457).

use crate::json::write_string;

/// What a problem says. Messages tell what to do and never hold a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The kind, which has a stable code and a status.
    pub code: Code,
    /// What is wrong with this request, and what to do.
    pub detail: String,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $status:literal $code:literal $title:literal,)+) => {
        /// The kinds of problems.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $name,)+
        }

        impl Code {
            /// The HTTP status.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)+ }
            }

            /// The stable name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// The same for every problem of the kind.
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }
        }
    };
}

codes! {
    /// The body is not JSON.
    InvalidJson = 400 "invalid-json" "The body is not JSON",
    /// No API key, or one that is not known.
    Unauthenticated = 401 "unauthenticated" "An API key is needed",
    /// The API key does not cover the namespace.
    NamespaceForbidden = 403 "namespace-forbidden" "The API key does not cover this namespace",
    /// Insecure mode, and the `Host` is not loopback.
    InsecureHostForbidden = 403 "insecure-host-forbidden" "Insecure mode serves loopback only",
    /// Insecure mode, and the `Origin` is foreign.
    InsecureOriginForbidden = 403 "insecure-origin-forbidden" "Insecure mode serves its own page only",
    /// No such path.
    NotFound = 404 "not-found" "There is nothing here",
    /// No such node.
    NodeNotFound = 404 "node-not-found" "There is no such node",
    /// No such workflow.
    WorkflowNotFound = 404 "workflow-not-found" "There is no such workflow",
    /// The path takes another method.
    MethodNotAllowed = 405 "method-not-allowed" "The method is not allowed here",
    /// The body is over the limit.
    BodyTooLarge = 413 "body-too-large" "The body is too large",
    /// The client went away while sending.
    BodyUnreadable = 400 "body-unreadable" "The body could not be read",
    /// No API keys are configured.
    ApiKeysMissing = 503 "api-keys-missing" "No API keys are configured",
    /// The configured API keys cannot be read.
    ApiKeysInvalid = 503 "api-keys-invalid" "The configured API keys cannot be read",
    /// A setting of the Worker is missing or wrong.
    SettingsInvalid = 503 "settings-invalid" "A setting of the Worker is wrong",
    /// The node's provider has no key.
    ProviderKeyMissing = 503 "provider-key-missing" "The provider's key is not configured",
    /// Something that should not happen.
    Internal = 500 "internal" "The Worker failed",
}

impl Problem {
    /// A problem of the kind.
    #[cold]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// The body.
    pub fn to_json(&self) -> String {
        let mut out = String::from("{\"type\":\"about:blank\",\"title\":");
        write_string(&mut out, self.code.title());
        out.push_str(&format!(",\"status\":{},\"code\":", self.code.status()));
        write_string(&mut out, self.code.as_str());
        out.push_str(",\"detail\":");
        write_string(&mut out, &self.detail);
        out.push('}');
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_the_members_of_rfc_9457_and_a_code() {
        assert_eq!(
            Problem::new(Code::NotFound, "no \"x\"").to_json(),
            r#"{"type":"about:blank","title":"There is nothing here","status":404,"code":"not-found","detail":"no \"x\""}"#
        );
    }
}
