//! What was done with the containers.

use anyhow::Result;
use serde::Serialize;

use crate::report::{Row, is_whole, print_json, print_text, table};

/// All of it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The index's digest, where the image was built.
    pub(super) digest: Option<String>,
    /// Where it is, as an OCI layout.
    pub(super) layout: Option<String>,
    pub(super) steps: Vec<Row>,
}

impl Report {
    /// Whether nothing failed.
    pub(super) fn is_whole(&self) -> bool {
        is_whole(&self.steps)
    }

    /// # Errors
    /// Standard output's.
    pub(super) fn print(&self, json: bool) -> Result<()> {
        if json {
            return print_json(self);
        }
        let image =
            self.digest.as_ref().map_or_else(String::new, |digest| format!("image {digest}\n"));
        print_text(&table(&self.steps, &image))
    }
}
