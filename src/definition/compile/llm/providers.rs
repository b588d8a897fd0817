//! The providers of language models: a row for each type of node.

use serde_saphyr::{Location, Spanned};

use super::super::super::model::Wire;

/// What the nodes of a type have in common.
pub struct Provider {
    /// The type of the node.
    pub node: &'static str,
    /// The type of its connection.
    pub connection: &'static str,
    /// What Dynamiq puts before the names of models, to say whose they are. Never sent.
    prefix: &'static str,
    pub wire: Wire,
    /// What it is asked in another way than OpenAI.
    pub ways: Ways,
}

/// What a provider is asked in another way than OpenAI.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ways {
    OpenAi,
    /// None that matters.
    Alike,
    Azure,
    Mistral,
    Fireworks,
    Cerebras,
    Custom,
    WorkersAi,
    Anthropic,
}

macro_rules! dynamiq {
    ($name:literal, $connection:literal, $prefix:literal, $wire:ident, $ways:ident) => {
        Provider {
            node: concat!("dynamiq.nodes.llms.", $name),
            connection: concat!("dynamiq.connections.", $connection),
            prefix: $prefix,
            wire: Wire::$wire,
            ways: Ways::$ways,
        }
    };
}

pub const PROVIDERS: &[Provider] = &[
    dynamiq!("OpenAI", "OpenAI", "openai/", ChatCompletions, OpenAi),
    dynamiq!("AzureAI", "AzureAI", "azure/", Azure, Azure),
    dynamiq!("Anthropic", "Anthropic", "anthropic/", Anthropic, Anthropic),
    dynamiq!("Groq", "Groq", "groq/", ChatCompletions, Alike),
    dynamiq!("Mistral", "Mistral", "mistral/", Mistral, Mistral),
    dynamiq!("DeepSeek", "DeepSeek", "deepseek/", ChatCompletions, Alike),
    dynamiq!("TogetherAI", "TogetherAI", "together_ai/", ChatCompletions, Alike),
    dynamiq!("FireworksAI", "FireworksAI", "fireworks_ai/", ChatCompletions, Fireworks),
    dynamiq!("Cerebras", "Cerebras", "cerebras/", ChatCompletions, Cerebras),
    dynamiq!("xAI", "xAI", "xai/", ChatCompletions, Alike),
    dynamiq!("Ollama", "Ollama", "ollama/", Ollama, Alike),
    dynamiq!("OpenRouter", "OpenRouter", "openrouter/", ChatCompletions, Alike),
    dynamiq!("CustomLLM", "HttpApiKey", "", ChatCompletions, Custom),
    Provider {
        node: "edgememo.nodes.llms.WorkersAI",
        connection: "edgememo.connections.WorkersAI",
        prefix: "",
        wire: Wire::WorkersAi,
        ways: Ways::WorkersAi,
    },
];

/// What may stand before the model of a `CustomLLM`: whoever speaks OpenAI's chat completions.
const CUSTOM_PREFIXES: [&str; 11] = [
    "openai",
    "custom_openai",
    "hosted_vllm",
    "litellm_proxy",
    "openrouter",
    "groq",
    "deepseek",
    "together_ai",
    "cerebras",
    "xai",
    "nvidia_nim",
];

impl Provider {
    /// The provider's name of a model.
    pub fn model_name(
        &self,
        model: &str,
        custom: Option<Spanned<String>>,
    ) -> Result<String, (Location, String)> {
        let name = model.strip_prefix(self.prefix).unwrap_or(model);
        match (self.ways, custom) {
            (Ways::Custom, Some(prefix)) if CUSTOM_PREFIXES.contains(&prefix.value.as_str()) => {
                let prefix = format!("{}/", prefix.value);
                Ok(name.strip_prefix(&prefix).unwrap_or(name).to_owned())
            }
            (Ways::Custom, None) => Ok(match name.split_once('/') {
                Some((prefix, rest)) if CUSTOM_PREFIXES.contains(&prefix) => rest.to_owned(),
                _ => name.to_owned(),
            }),
            (Ways::Custom, Some(prefix)) => {
                let (other, known) = (&prefix.value, CUSTOM_PREFIXES.join(", "));
                let reason = format!("provider_prefix `{other}` is not one of {known}");
                Err((prefix.referenced, reason))
            }
            (Ways::Fireworks, None) if !name.starts_with("accounts/") => {
                Ok(format!("accounts/fireworks/models/{name}"))
            }
            _ => Ok(name.to_owned()),
        }
    }
}
