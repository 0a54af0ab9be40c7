use std::collections::BTreeMap;

use super::entry::RESET;

/// What one who asks has set: settings and variables. It lasts as long as whoever keeps it wants.
#[derive(Clone, Debug, Default)]
pub struct Session {
    settings: BTreeMap<String, String>,
    variables: BTreeMap<String, String>,
}

impl Session {
    /// One with nothing set.
    pub fn new() -> Self {
        Self::default()
    }

    /// The settings, by name.
    pub fn settings(&self) -> &BTreeMap<String, String> {
        &self.settings
    }

    /// The variables, by name.
    pub fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// Sets or, without a value, forgets a setting.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        put(&mut self.settings, name, value);
    }

    /// Defines or, without a value, forgets a variable.
    pub fn define(&mut self, name: &str, value: Option<&str>) {
        put(&mut self.variables, name, value);
    }

    /// Whether queries that are asked see what was there before.
    pub(crate) fn reads_from_first(&self) -> bool {
        let reset = self.settings.iter().find(|(name, _)| name.ends_with(RESET));
        reset.is_some_and(|(_, value)| value.eq_ignore_ascii_case("earliest"))
    }
}

fn put(map: &mut BTreeMap<String, String>, name: &str, value: Option<&str>) {
    match value {
        Some(value) => drop(map.insert(name.to_owned(), value.to_owned())),
        None => drop(map.remove(name)),
    }
}
