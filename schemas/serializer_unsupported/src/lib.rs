//! Refusals for serializers that accept a few types only.
//!
//! Invariant: a method made here always returns the error its caller names, whatever it is given, and a name that is
//! not one of serde's types does not compile.
//!
//! Written from scratch against the calls in serde_avro_fast, which asks for a crate of this name.

#[doc(hidden)]
pub use serde;

/// Makes, within an `impl serde::Serializer`, the method of each listed type return `Err` of the given expression.
///
/// A type is named as in its method: `map` stands for `serialize_map`. Types with parts (`seq`, `tuple`,
/// `tuple_struct`, `tuple_variant`, `map`, `struct`, `struct_variant`) bring their associated type, too. The expression
/// is evaluated at each refusal.
///
/// ```
/// use serde::ser::{Error as _, Serialize, Serializer};
/// use serde::de::value::Error;
///
/// /// Takes text and nothing else.
/// struct Text;
///
/// impl Serializer for Text {
///     type Ok = String;
///     type Error = Error;
///
///     fn serialize_str(self, text: &str) -> Result<String, Error> {
///         Ok(text.to_owned())
///     }
///
///     serde_serializer_quick_unsupported::serializer_unsupported! {
///         err = (Error::custom("a name must be text"));
///         bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes none some unit unit_struct unit_variant
///         newtype_struct newtype_variant seq tuple tuple_struct tuple_variant map struct struct_variant
///     }
/// }
///
/// assert_eq!("lamp".serialize(Text), Ok("lamp".to_owned()));
/// assert_eq!(7.serialize(Text).map_err(|error| error.to_string()), Err("a name must be text".to_owned()));
/// ```
#[macro_export]
macro_rules! serializer_unsupported {
    (err = ($error:expr); $($name:tt)*) => {
        $($crate::refusal! { $name, $error })*
    };
}

/// The refusal of one type.
#[doc(hidden)]
#[macro_export]
macro_rules! refusal {
    (bool, $error:expr) => {
        $crate::method! { serialize_bool(bool), $error }
    };
    (i8, $error:expr) => {
        $crate::method! { serialize_i8(i8), $error }
    };
    (i16, $error:expr) => {
        $crate::method! { serialize_i16(i16), $error }
    };
    (i32, $error:expr) => {
        $crate::method! { serialize_i32(i32), $error }
    };
    (i64, $error:expr) => {
        $crate::method! { serialize_i64(i64), $error }
    };
    (i128, $error:expr) => {
        $crate::method! { serialize_i128(i128), $error }
    };
    (u8, $error:expr) => {
        $crate::method! { serialize_u8(u8), $error }
    };
    (u16, $error:expr) => {
        $crate::method! { serialize_u16(u16), $error }
    };
    (u32, $error:expr) => {
        $crate::method! { serialize_u32(u32), $error }
    };
    (u64, $error:expr) => {
        $crate::method! { serialize_u64(u64), $error }
    };
    (u128, $error:expr) => {
        $crate::method! { serialize_u128(u128), $error }
    };
    (f32, $error:expr) => {
        $crate::method! { serialize_f32(f32), $error }
    };
    (f64, $error:expr) => {
        $crate::method! { serialize_f64(f64), $error }
    };
    (char, $error:expr) => {
        $crate::method! { serialize_char(char), $error }
    };
    (str, $error:expr) => {
        $crate::method! { serialize_str(&str), $error }
    };
    (bytes, $error:expr) => {
        $crate::method! { serialize_bytes(&[u8]), $error }
    };
    (none, $error:expr) => {
        $crate::method! { serialize_none(), $error }
    };
    (some, $error:expr) => {
        $crate::method! { serialize_some<T>(&T), $error }
    };
    (unit, $error:expr) => {
        $crate::method! { serialize_unit(), $error }
    };
    (unit_struct, $error:expr) => {
        $crate::method! { serialize_unit_struct(&'static str), $error }
    };
    (unit_variant, $error:expr) => {
        $crate::method! { serialize_unit_variant(&'static str, u32, &'static str), $error }
    };
    (newtype_struct, $error:expr) => {
        $crate::method! { serialize_newtype_struct<T>(&'static str, &T), $error }
    };
    (newtype_variant, $error:expr) => {
        $crate::method! { serialize_newtype_variant<T>(&'static str, u32, &'static str, &T), $error }
    };
    (seq, $error:expr) => {
        $crate::method! { serialize_seq(::core::option::Option<usize>) -> SerializeSeq, $error }
    };
    (tuple, $error:expr) => {
        $crate::method! { serialize_tuple(usize) -> SerializeTuple, $error }
    };
    (tuple_struct, $error:expr) => {
        $crate::method! { serialize_tuple_struct(&'static str, usize) -> SerializeTupleStruct, $error }
    };
    (tuple_variant, $error:expr) => {
        $crate::method! {
            serialize_tuple_variant(&'static str, u32, &'static str, usize) -> SerializeTupleVariant, $error
        }
    };
    (map, $error:expr) => {
        $crate::method! { serialize_map(::core::option::Option<usize>) -> SerializeMap, $error }
    };
    (struct, $error:expr) => {
        $crate::method! { serialize_struct(&'static str, usize) -> SerializeStruct, $error }
    };
    (struct_variant, $error:expr) => {
        $crate::method! {
            serialize_struct_variant(&'static str, u32, &'static str, usize) -> SerializeStructVariant, $error
        }
    };
    ($name:tt, $error:expr) => {
        ::core::compile_error! { ::core::concat!("`", ::core::stringify!($name), "` is not one of serde's types") }
    };
}

/// One refusing method, with the type of its parts where it has parts.
#[doc(hidden)]
#[macro_export]
macro_rules! method {
    ($method:ident $(<$value:ident>)? ($($argument:ty),*), $error:expr) => {
        fn $method $(<$value>)? (self $(, _: $argument)*) -> ::core::result::Result<Self::Ok, Self::Error>
        $(where $value: ?::core::marker::Sized + $crate::serde::Serialize)?
        {
            ::core::result::Result::Err($error)
        }
    };
    ($method:ident ($($argument:ty),*) -> $parts:ident, $error:expr) => {
        // Never made: whoever would add a part was refused before.
        type $parts = $crate::serde::ser::Impossible<Self::Ok, Self::Error>;

        fn $method(self $(, _: $argument)*) -> ::core::result::Result<Self::$parts, Self::Error> {
            ::core::result::Result::Err($error)
        }
    };
}

#[cfg(test)]
mod tests {
    use serde::de::value::Error;
    use serde::ser::{Error as _, Serializer};

    /// Refuses whatever it is given.
    struct Nothing;

    impl Serializer for Nothing {
        type Ok = ();
        type Error = Error;

        crate::serializer_unsupported! {
            err = (Error::custom("nothing goes in here"));
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str bytes none some unit unit_struct unit_variant
            newtype_struct newtype_variant seq tuple tuple_struct tuple_variant map struct struct_variant
        }
    }

    /// Takes what a caller defines beside the macro, and refuses the rest.
    struct Whole;

    impl Serializer for Whole {
        type Ok = i128;
        type Error = Error;

        fn serialize_i128(self, value: i128) -> Result<i128, Error> {
            Ok(value)
        }

        fn serialize_u8(self, value: u8) -> Result<i128, Error> {
            Ok(value.into())
        }

        crate::serializer_unsupported! {
            err = (Error::custom("a whole number is wanted"));
            bool i8 i16 i32 i64 u16 u32 u64 u128 f32 f64 char str bytes none some unit unit_struct unit_variant
            newtype_struct newtype_variant seq tuple tuple_struct tuple_variant map struct struct_variant
        }
    }

    fn refusal<T>(attempt: Result<T, Error>) -> Option<String> {
        attempt.err().map(|error| error.to_string())
    }

    #[test]
    fn every_listed_type_is_refused_with_the_given_error() {
        let attempts = [
            ("bool", refusal(Nothing.serialize_bool(true))),
            ("i8", refusal(Nothing.serialize_i8(-1))),
            ("i16", refusal(Nothing.serialize_i16(-1))),
            ("i32", refusal(Nothing.serialize_i32(-1))),
            ("i64", refusal(Nothing.serialize_i64(-1))),
            ("i128", refusal(Nothing.serialize_i128(-1))),
            ("u8", refusal(Nothing.serialize_u8(1))),
            ("u16", refusal(Nothing.serialize_u16(1))),
            ("u32", refusal(Nothing.serialize_u32(1))),
            ("u64", refusal(Nothing.serialize_u64(1))),
            ("u128", refusal(Nothing.serialize_u128(1))),
            ("f32", refusal(Nothing.serialize_f32(0.5))),
            ("f64", refusal(Nothing.serialize_f64(0.5))),
            ("char", refusal(Nothing.serialize_char('x'))),
            ("str", refusal(Nothing.serialize_str("lamp"))),
            ("bytes", refusal(Nothing.serialize_bytes(b"lamp"))),
            ("none", refusal(Nothing.serialize_none())),
            ("some", refusal(Nothing.serialize_some("lamp"))),
            ("unit", refusal(Nothing.serialize_unit())),
            ("unit_struct", refusal(Nothing.serialize_unit_struct("Lamp"))),
            ("unit_variant", refusal(Nothing.serialize_unit_variant("Lamp", 0, "Lit"))),
            ("newtype_struct", refusal(Nothing.serialize_newtype_struct("Lamp", "lit"))),
            ("newtype_variant", refusal(Nothing.serialize_newtype_variant("Lamp", 0, "Lit", "red"))),
            ("seq", refusal(Nothing.serialize_seq(Some(2)))),
            ("tuple", refusal(Nothing.serialize_tuple(2))),
            ("tuple_struct", refusal(Nothing.serialize_tuple_struct("Lamp", 2))),
            ("tuple_variant", refusal(Nothing.serialize_tuple_variant("Lamp", 0, "Lit", 2))),
            ("map", refusal(Nothing.serialize_map(None))),
            ("struct", refusal(Nothing.serialize_struct("Lamp", 2))),
            ("struct_variant", refusal(Nothing.serialize_struct_variant("Lamp", 0, "Lit", 2))),
        ];
        for (name, refused) in attempts {
            assert_eq!(refused.as_deref(), Some("nothing goes in here"), "{name}");
        }
    }

    #[test]
    fn a_type_that_is_not_listed_is_left_to_the_caller() {
        assert_eq!(Whole.serialize_i128(-7), Ok(-7));
        assert_eq!(Whole.serialize_u8(7), Ok(7));
        assert_eq!(refusal(Whole.serialize_u16(7)).as_deref(), Some("a whole number is wanted"));
    }
}
