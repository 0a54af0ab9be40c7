//! Deploys SQL rules: lowers plans to group graphs and runs them.
