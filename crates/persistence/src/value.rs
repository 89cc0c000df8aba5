//! What goes into a query and comes out of it, whichever engine runs it.

use events::id::{Id, Kind};

use crate::tx::StoreError;

/// A value of the database.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueRef<'a> {
    /// Nothing.
    Null,
    /// A 64-bit integer, also a truth value.
    Integer(i64),
    /// UTF-8.
    Text(&'a str),
    /// Bytes.
    Blob(&'a [u8]),
}

/// What can be a parameter of a query.
pub trait ToValue {
    /// The value as the database sees it.
    fn to_value(&self) -> ValueRef<'_>;
}

/// What can be read from a column.
pub trait FromValue: Sized {
    /// Returns `None` if the value is of another type.
    fn from_value(value: ValueRef<'_>) -> Option<Self>;
}

/// A row of an answer.
pub struct Row<'a> {
    pub(crate) inner: &'a rusqlite::Row<'a>,
}

impl Row<'_> {
    /// Reads the column with number `index`, from 0.
    pub fn get<T: FromValue>(&self, index: usize) -> Result<T, StoreError> {
        let value = self.inner.get_ref(index).map_err(|error| StoreError::engine(&error))?;
        let value = match value {
            rusqlite::types::ValueRef::Null => ValueRef::Null,
            rusqlite::types::ValueRef::Integer(integer) => ValueRef::Integer(integer),
            rusqlite::types::ValueRef::Text(text) => {
                ValueRef::Text(std::str::from_utf8(text).map_err(|_| self.unreadable(index))?)
            }
            rusqlite::types::ValueRef::Blob(bytes) => ValueRef::Blob(bytes),
            rusqlite::types::ValueRef::Real(_) => return Err(self.unreadable(index)),
        };
        T::from_value(value).ok_or_else(|| self.unreadable(index))
    }

    /// The bytes in the column with number `index`, from 0, where they lie.
    pub fn bytes(&self, index: usize) -> Result<&[u8], StoreError> {
        match self.inner.get_ref(index).map_err(|error| StoreError::engine(&error))? {
            rusqlite::types::ValueRef::Blob(bytes) => Ok(bytes),
            rusqlite::types::ValueRef::Null
            | rusqlite::types::ValueRef::Integer(_)
            | rusqlite::types::ValueRef::Real(_)
            | rusqlite::types::ValueRef::Text(_) => Err(self.unreadable(index)),
        }
    }

    fn unreadable(&self, index: usize) -> StoreError {
        let column = self.inner.as_ref().column_name(index).unwrap_or("?").to_owned();
        StoreError::Inconsistent(format!("the column {column} holds a value that cannot be there"))
    }
}

impl ToValue for i64 {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::Integer(*self)
    }
}

impl ToValue for u32 {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::Integer(i64::from(*self))
    }
}

impl ToValue for bool {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::Integer(i64::from(*self))
    }
}

impl ToValue for str {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::Text(self)
    }
}

impl ToValue for String {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::Text(self)
    }
}

impl ToValue for [u8] {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::Blob(self)
    }
}

impl ToValue for Vec<u8> {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::Blob(self)
    }
}

impl<K> ToValue for Id<K> {
    fn to_value(&self) -> ValueRef<'_> {
        ValueRef::Text(self.as_str())
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> ValueRef<'_> {
        (**self).to_value()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> ValueRef<'_> {
        self.as_ref().map_or(ValueRef::Null, ToValue::to_value)
    }
}

impl FromValue for i64 {
    fn from_value(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Integer(integer) => Some(integer),
            ValueRef::Null | ValueRef::Text(_) | ValueRef::Blob(_) => None,
        }
    }
}

impl FromValue for u32 {
    fn from_value(value: ValueRef<'_>) -> Option<Self> {
        i64::from_value(value).and_then(|integer| Self::try_from(integer).ok())
    }
}

impl FromValue for bool {
    fn from_value(value: ValueRef<'_>) -> Option<Self> {
        i64::from_value(value).map(|integer| integer != 0)
    }
}

impl FromValue for String {
    fn from_value(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Text(text) => Some(text.to_owned()),
            ValueRef::Null | ValueRef::Integer(_) | ValueRef::Blob(_) => None,
        }
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Blob(bytes) => Some(bytes.to_vec()),
            ValueRef::Null | ValueRef::Integer(_) | ValueRef::Text(_) => None,
        }
    }
}

impl<K: Kind> FromValue for Id<K> {
    fn from_value(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Text(text) => Self::parse(text).ok(),
            ValueRef::Null | ValueRef::Integer(_) | ValueRef::Blob(_) => None,
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: ValueRef<'_>) -> Option<Self> {
        match value {
            ValueRef::Null => Some(None),
            ValueRef::Integer(_) | ValueRef::Text(_) | ValueRef::Blob(_) => T::from_value(value).map(Some),
        }
    }
}
