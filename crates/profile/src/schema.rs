//! The schema of profiles, made of the types themselves.

use crate::file::ProfileFile;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// The JSON schema (draft 2020-12) of what this version writes: docs/profile.schema.json.
#[must_use]
pub fn schema() -> Value {
    // What is written has every field; a reader asks for none.
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    generator.into_root_schema_for::<ProfileFile>().to_value()
}
