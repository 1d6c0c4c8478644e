//! How much a profile's file may be to be read: bytes, and values in it. Each value takes memory of its own, whatever it
//! takes in the file.

use ringer_input::Limit;

/// The file. A long run's profile has a few MiB.
pub const FILE: Limit = Limit::new(64 << 20, "what a profile can have");
/// Objects, and values of any kind.
const OBJECTS: usize = 1_000_000;
const VALUES: usize = 8_000_000;

/// Whether the JSON in `bytes` has no more objects and values than can be kept. A text that is no JSON may be anything.
pub fn holds(bytes: &[u8]) -> bool {
    let (mut objects, mut values) = (0, 0);
    let (mut in_string, mut escaped) = (false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' => objects += 1,
            b'[' | b',' => values += 1,
            _ => {}
        }
    }
    objects <= OBJECTS && objects + values <= VALUES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_and_values_are_counted_outside_of_texts() {
        let list =
            |element: &str, count: usize| format!("[{}0]", format!("{element},").repeat(count));
        assert!(holds(list("{}", OBJECTS).as_bytes()));
        assert!(!holds(list("{}", OBJECTS + 1).as_bytes()));
        assert!(holds(list("0", VALUES - 1).as_bytes()));
        assert!(!holds(list("0", VALUES).as_bytes()));
        let text = format!("{{\"a\\\"\":\"{}\"}}", "{,[".repeat(VALUES));
        assert!(holds(text.as_bytes()));
    }
}
