//! Models that a Worker asks through a binding: no address, no key, no status.

/// Who asks models through bindings.
#[expect(async_fn_in_trait, reason = "callers never need to name the future or its bounds")]
pub trait Ai {
    /// What `env.BINDING.run(model, inputs)` gives, as JSON text. The inputs are an object as JSON
    /// text.
    async fn run(&self, binding: &str, model: &str, inputs: &str) -> Result<String, AiError>;
}

/// Why a binding has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AiError {
    /// The Worker has no binding of that name.
    #[error("is not bound")]
    Unbound,
    /// It failed, in its words.
    #[error("failed: {0}")]
    Failed(String),
}

impl<A: Ai> Ai for &A {
    async fn run(&self, binding: &str, model: &str, inputs: &str) -> Result<String, AiError> {
        (**self).run(binding, model, inputs).await
    }
}
