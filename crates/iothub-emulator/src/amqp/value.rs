//! Values of the AMQP 1.0 type system.

use bytes::Bytes;

/// A value. Texts and symbols are told apart because peers look at the difference.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Ubyte(u8),
    Ushort(u16),
    Uint(u32),
    Ulong(u64),
    Byte(i8),
    Short(i16),
    Int(i32),
    Long(i64),
    Double(f64),
    /// Milliseconds since 1970.
    Timestamp(i64),
    Binary(Bytes),
    Text(String),
    Symbol(String),
    List(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Array(Vec<Value>),
    /// Descriptor and value.
    Described(Box<(Value, Value)>),
    /// A fixed width type that means nothing here (float, char, decimals, uuid): its code and bytes.
    Other(u8, Bytes),
}

/// What a field that was left out is.
pub(crate) static NULL: Value = Value::Null;

impl Value {
    /// A described list, such as a performative.
    pub(crate) fn composite(code: u64, fields: Vec<Self>) -> Self {
        Self::described(Self::Ulong(code), Self::List(fields))
    }

    pub(crate) fn described(descriptor: Self, value: Self) -> Self {
        Self::Described(Box::new((descriptor, value)))
    }

    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn symbol(text: impl Into<String>) -> Self {
        Self::Symbol(text.into())
    }

    /// The text of a text or a symbol.
    pub(crate) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Symbol(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(yes) => Some(*yes),
            _ => None,
        }
    }

    /// Any whole number that is not signed.
    pub(crate) fn as_u32(&self) -> Option<u32> {
        match *self {
            Self::Ubyte(number) => Some(number.into()),
            Self::Ushort(number) => Some(number.into()),
            Self::Uint(number) => Some(number),
            Self::Ulong(number) => u32::try_from(number).ok(),
            _ => None,
        }
    }

    /// Any whole number.
    pub(crate) fn as_i64(&self) -> Option<i64> {
        match *self {
            Self::Byte(number) => Some(number.into()),
            Self::Short(number) => Some(number.into()),
            Self::Int(number) => Some(number.into()),
            Self::Long(number) => Some(number),
            Self::Ulong(number) => i64::try_from(number).ok(),
            _ => self.as_u32().map(i64::from),
        }
    }

    /// The fields of a list, else none.
    pub(crate) fn fields(&self) -> &[Self] {
        match self {
            Self::List(fields) => fields,
            _ => &[],
        }
    }

    /// A field of a list; null when it was left out.
    pub(crate) fn field(&self, at: usize) -> &Self {
        self.fields().get(at).unwrap_or(&NULL)
    }

    /// The member of a map whose key is this text or symbol; null when there is none.
    pub(crate) fn member(&self, name: &str) -> &Self {
        let Self::Map(members) = self else { return &NULL };
        let found = members.iter().find(|(key, _)| key.as_str() == Some(name));
        found.map_or(&NULL, |(_, value)| value)
    }

    /// Without its descriptor, if it has one.
    pub(crate) fn bare(&self) -> &Self {
        match self {
            Self::Described(both) => &both.1,
            value => value,
        }
    }

    /// The code of its descriptor, if it has one that is a number.
    pub(crate) fn code(&self) -> Option<u64> {
        match self {
            Self::Described(both) => match both.0 {
                Self::Ulong(code) => Some(code),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether a list or array of symbols, or a single one, has this one.
    pub(crate) fn names(&self, name: &str) -> bool {
        match self {
            Self::List(all) | Self::Array(all) => all.iter().any(|one| one.as_str() == Some(name)),
            one => one.as_str() == Some(name),
        }
    }
}
