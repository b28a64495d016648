//! Values on their way into PostgreSQL and out of it: single ones, and a column as an array.

use crate::engine::RawRows;
use crate::error::StoreError;
use jiaoyi_domain::record::{Kind, TableSpec, Value};
use std::error::Error;
use tokio_postgres::Row;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

/// One value as a parameter.
#[derive(Debug)]
pub(super) struct Bound<'a>(pub &'a Value);

impl ToSql for Bound<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self.0 {
            Value::Null => Ok(IsNull::Yes),
            Value::Int(number) if *kind == Type::INT4 => i32::try_from(*number)?.to_sql(kind, out),
            Value::Int(number) => number.to_sql(kind, out),
            Value::Text(text) => text.to_sql(kind, out),
            Value::Bytes(bytes) => bytes.to_sql(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A column of several rows, as an array.
#[derive(Debug)]
pub(super) enum Array<'a> {
    Ints(Vec<Option<i64>>),
    Texts(Vec<Option<&'a str>>),
    Bytes(Vec<Option<&'a [u8]>>),
}

impl<'a> Array<'a> {
    /// The values of a column; one of another kind becomes NULL, which no key admits.
    pub(super) fn new(kind: Kind, values: impl Iterator<Item = Option<&'a Value>>) -> Array<'a> {
        match kind {
            Kind::Int => Array::Ints(
                values
                    .map(|value| match value {
                        Some(Value::Int(number)) => Some(*number),
                        _ => None,
                    })
                    .collect(),
            ),
            Kind::Text => Array::Texts(
                values
                    .map(|value| match value {
                        Some(Value::Text(text)) => Some(text.as_str()),
                        _ => None,
                    })
                    .collect(),
            ),
            Kind::Bytes => Array::Bytes(
                values
                    .map(|value| match value {
                        Some(Value::Bytes(bytes)) => Some(bytes.as_slice()),
                        _ => None,
                    })
                    .collect(),
            ),
        }
    }

    pub(super) fn bound(&self) -> &(dyn ToSql + Sync) {
        match self {
            Array::Ints(list) => list,
            Array::Texts(list) => list,
            Array::Bytes(list) => list,
        }
    }
}

/// The kind of a column by its name; `bigint` for those that only a statement knows.
pub(super) fn kind_of(spec: &TableSpec, column: &str) -> Kind {
    spec.place(column)
        .map_or(Kind::Int, |place| spec.columns[place].kind)
}

/// Reads the columns of a row.
pub(super) fn read_row(row: &Row) -> Result<Vec<Value>, StoreError> {
    let mut values = Vec::with_capacity(row.len());
    for (place, column) in row.columns().iter().enumerate() {
        let kind = column.type_();
        let value = if *kind == Type::INT8 {
            row.try_get::<_, Option<i64>>(place)?.map(Value::Int)
        } else if *kind == Type::INT4 {
            row.try_get::<_, Option<i32>>(place)?
                .map(|number| Value::Int(i64::from(number)))
        } else if *kind == Type::BYTEA {
            row.try_get::<_, Option<&[u8]>>(place)?
                .map(|bytes| Value::Bytes(bytes.to_vec()))
        } else {
            row.try_get::<_, Option<String>>(place)?.map(Value::Text)
        };
        values.push(value.unwrap_or(Value::Null));
    }
    Ok(values)
}

/// Reads rows.
pub(super) fn read_rows(rows: &[Row]) -> Result<RawRows, StoreError> {
    rows.iter().map(read_row).collect()
}
