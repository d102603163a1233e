//! numeric, for which tokio-postgres has no type of its own: the bytes as they
//! are sent.

use bytes::{BufMut, BytesMut};
use std::error::Error;
use tokio_postgres::types::{accepts, to_sql_checked, FromSql, IsNull, ToSql, Type};

#[derive(Clone, Debug, PartialEq)]
pub struct Number(Vec<u8>);

impl Number {
    /// Digits to the base of 10000, of which `weight` + 1 are before the point;
    /// `scale` decimals are shown.
    pub fn new(digits: &[i16], weight: i16, negative: bool, scale: i16) -> Number {
        let mut bytes = BytesMut::new();
        bytes.put_i16(digits.len() as i16);
        bytes.put_i16(weight);
        bytes.put_i16(if negative { 0x4000 } else { 0 });
        bytes.put_i16(scale);
        for digit in digits {
            bytes.put_i16(*digit);
        }
        Number(bytes.to_vec())
    }
}

impl<'a> FromSql<'a> for Number {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Number, Box<dyn Error + Sync + Send>> {
        Ok(Number(raw.to_vec()))
    }

    accepts!(NUMERIC);
}

impl ToSql for Number {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_slice(&self.0);
        Ok(IsNull::No)
    }

    accepts!(NUMERIC);
    to_sql_checked!();
}
