//! The SQL dialect: parsing, binding, planning and evaluation, with diagnostics that point at the text.
