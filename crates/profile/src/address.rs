//! Addresses as people write them.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// A guest address, linear or physical. In JSON it is a string, `"0xc0101234"`: JSON's numbers are exact
/// to 53 bits only, and nobody reads addresses in decimal. A number is read, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub u64);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl From<u32> for Address {
    fn from(address: u32) -> Self {
        Self(u64::from(address))
    }
}

impl From<u64> for Address {
    fn from(address: u64) -> Self {
        Self(address)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("0x{self}"))
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

impl JsonSchema for Address {
    fn schema_name() -> Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A guest address, linear or physical, in hexadecimal digits.",
            "type": "string",
            "pattern": "^0x[0-9a-f]{8,16}$",
        })
    }
}

struct Reader;

impl Visitor<'_> for Reader {
    type Value = Address;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address: \"0x\" and hexadecimal digits")
    }

    fn visit_u64<E: Error>(self, address: u64) -> Result<Address, E> {
        Ok(Address(address))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Address, E> {
        // A sign is no digit, though from_str_radix takes one.
        let digits = text.strip_prefix("0x").filter(|digits| !digits.starts_with('+'));
        let address = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        address.map(Address).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_hexadecimal_string() {
        let address = Address(0xc010_1234);
        assert_eq!(serde_json::to_string(&address).unwrap(), "\"0xc0101234\"");
        for good in ["\"0xc0101234\"", "3222278708"] {
            assert_eq!(serde_json::from_str::<Address>(good).unwrap(), address, "{good}");
        }
        let wide = Address(u64::MAX);
        let text = serde_json::to_string(&wide).unwrap();
        assert_eq!(serde_json::from_str::<Address>(&text).unwrap(), wide);
        for bad in ["\"c0101234\"", "\"0x\"", "\"0x+1\"", "\"0x10000000000000000\"", "-1", "1.5"] {
            assert!(serde_json::from_str::<Address>(bad).is_err(), "{bad}");
        }
    }
}
