//! The schema that is published is that of the types, and profiles obey it.
//! `RINGER_BLESS=1` writes it anew.

mod common;

use common::sample;
use jsonschema::Validator;
use ringer_profile::{FORMAT, schema};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

fn published() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/profile.schema.json");
    let wanted = format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap());
    if std::env::var_os("RINGER_BLESS").is_some() {
        fs::write(&path, &wanted).expect("the schema can be written");
    }
    let text = fs::read_to_string(&path).expect("docs/profile.schema.json");
    assert!(text == wanted, "docs/profile.schema.json is not that of the types: RINGER_BLESS=1");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn a_profile_obeys_the_published_schema() {
    let schema = published();
    jsonschema::meta::validate(&schema).expect("the schema is one");
    let validator = Validator::new(&schema).expect("a schema");
    let profile = serde_json::to_value(sample()).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&profile).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(profile["format"], FORMAT);
}

#[test]
fn what_is_not_one_is_refused_by_the_schema() {
    let validator = Validator::new(&published()).expect("a schema");
    let profile = serde_json::to_value(sample()).unwrap();
    let spoils: [(&str, Value); 7] = [
        ("/dispatched", json!("many")),
        ("/dispatched", json!(-1)),
        ("/blocks/0/eip", json!("c0102300")),
        ("/blocks/0/guest/0/class", json!("strange")),
        ("/cache/extents/0/state", json!(null)),
        ("/timeline/0/ledger", json!([true])),
        ("/meta/guest", json!([])),
    ];
    for (place, value) in spoils {
        let mut spoilt = profile.clone();
        *spoilt.pointer_mut(place).expect(place) = value;
        assert!(!validator.is_valid(&spoilt), "{place}");
    }
    for missing in ["meta", "ledger", "seconds", "blocks"] {
        let mut spoilt = profile.clone();
        spoilt.as_object_mut().unwrap().remove(missing).expect("it was there");
        assert!(!validator.is_valid(&spoilt), "{missing}");
    }
}
