//! A reader of protobuf's wire format, by its description alone.

/// A field's contents.
#[derive(Clone, Copy, Debug)]
pub enum Field<'a> {
    /// A variable-length number.
    Number(u64, u64),
    /// Text, a message, or numbers one after the other.
    Bytes(u64, &'a [u8]),
}

impl<'a> Field<'a> {
    fn tag(&self) -> u64 {
        let (Field::Number(tag, _) | Field::Bytes(tag, _)) = self;
        *tag
    }

    /// What a field with a length has.
    pub fn bytes(&self) -> &'a [u8] {
        match self {
            Field::Bytes(_, bytes) => bytes,
            Field::Number(tag, _) => panic!("field {tag} is a number"),
        }
    }
}

/// The fields of a message, in their order.
#[derive(Debug)]
pub struct Message<'a>(Vec<Field<'a>>);

fn number(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first().expect("a number ends");
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return value;
        }
    }
    panic!("a number has ten bytes at most")
}

impl<'a> Message<'a> {
    /// Reads a whole message.
    pub fn parse(mut bytes: &'a [u8]) -> Self {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = number(&mut bytes);
            fields.push(match key & 7 {
                0 => Field::Number(key >> 3, number(&mut bytes)),
                2 => {
                    let len = number(&mut bytes) as usize;
                    let (contents, rest) = bytes.split_at(len);
                    bytes = rest;
                    Field::Bytes(key >> 3, contents)
                }
                other => panic!("wire type {other}"),
            });
        }
        Self(fields)
    }

    /// The fields with a tag.
    pub fn all(&self, tag: u64) -> impl Iterator<Item = Field<'a>> {
        self.0.iter().copied().filter(move |field| field.tag() == tag)
    }

    /// The messages with a tag.
    pub fn messages(&self, tag: u64) -> impl Iterator<Item = Message<'a>> {
        self.all(tag).map(|field| Message::parse(field.bytes()))
    }

    /// The number with a tag; 0 is left out by the format.
    pub fn number(&self, tag: u64) -> u64 {
        match self.all(tag).last() {
            Some(Field::Number(_, value)) => value,
            Some(Field::Bytes(..)) => panic!("field {tag} is no number"),
            None => 0,
        }
    }

    /// Numbers one after the other, in one field.
    pub fn packed(&self, tag: u64) -> Vec<u64> {
        let mut numbers = Vec::new();
        for field in self.all(tag) {
            let mut bytes = field.bytes();
            while !bytes.is_empty() {
                numbers.push(number(&mut bytes));
            }
        }
        numbers
    }
}
