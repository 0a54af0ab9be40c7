//! The shop's own rules: products, prompts, recommendations, the name filter and complete image sets.
