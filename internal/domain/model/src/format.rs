/// How one half of a topic's records is laid out within its format, where a statement says more than the format's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FormatOptions {
    /// A single column stands by itself, without a record or an object around it.
    pub is_bare: bool,
    /// What stands between fields, in a format of separated fields; a comma unless said.
    pub delimiter: Option<char>,
    /// The registered schema to read or write by.
    pub schema_id: Option<u32>,
    /// The full name that a record's schema shall have.
    pub schema_name: Option<String>,
}

impl FormatOptions {
    /// A single column by itself.
    pub fn bare() -> Self {
        Self { is_bare: true, ..Self::default() }
    }
}
