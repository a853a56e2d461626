//! What is read of a request's body: which role a binding binds, and to whom.
//!
//! Invariant: nothing else of a body is ever kept, and a body of any shape is read without an error.

use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess};
use std::fmt;

/// The body of a request, as far as it is read.
#[derive(Default)]
pub struct RequestBody {
    /// The role that is bound; none where the body names none.
    pub role: Option<RoleRef>,
    /// Whom it is bound to.
    pub subjects: Vec<Subject>,
}

/// The role of a binding.
#[derive(Default)]
pub struct RoleRef {
    /// `ClusterRole` or `Role`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// Somebody whom a role is bound to.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Subject {
    kind: String,
    namespace: String,
    name: String,
}

impl Subject {
    /// The user name under which it appears in requests; none for a group.
    pub fn username(&self) -> Option<String> {
        match self.kind.as_str() {
            _ if self.name.is_empty() => None,
            "ServiceAccount" => Some(format!("system:serviceaccount:{}:{}", self.namespace, self.name)),
            "User" => Some(self.name.clone()),
            _ => None,
        }
    }
}

/// The list of subjects; what is of another shape is left out.
struct Subjects(Vec<Subject>);

/// Reads a body of any shape (a patch may be a list) and skips the rest without building it.
impl<'de> Deserialize<'de> for RequestBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = RequestBody;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any JSON")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RequestBody, A::Error> {
                let mut body = RequestBody::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "roleRef" => body.role = Some(map.next_value()?),
                        "subjects" => body.subjects = map.next_value::<Subjects>()?.0,
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(body)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<RequestBody, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(RequestBody::default())
            }
            fn visit_bool<E: de::Error>(self, _: bool) -> Result<RequestBody, E> {
                Ok(RequestBody::default())
            }
            fn visit_i64<E: de::Error>(self, _: i64) -> Result<RequestBody, E> {
                Ok(RequestBody::default())
            }
            fn visit_u64<E: de::Error>(self, _: u64) -> Result<RequestBody, E> {
                Ok(RequestBody::default())
            }
            fn visit_f64<E: de::Error>(self, _: f64) -> Result<RequestBody, E> {
                Ok(RequestBody::default())
            }
            fn visit_str<E: de::Error>(self, _: &str) -> Result<RequestBody, E> {
                Ok(RequestBody::default())
            }
            fn visit_unit<E: de::Error>(self) -> Result<RequestBody, E> {
                Ok(RequestBody::default())
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Kind and name of a role; anything of another shape reads as no name.
impl<'de> Deserialize<'de> for RoleRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Lenient {
            Ref {
                #[serde(default)]
                kind: String,
                name: String,
            },
            Other(IgnoredAny),
        }
        Ok(match Lenient::deserialize(deserializer)? {
            Lenient::Ref { kind, name } => RoleRef { kind, name },
            Lenient::Other(_) => RoleRef::default(),
        })
    }
}

impl<'de> Deserialize<'de> for Subjects {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum One {
            Named(Subject),
            Other(IgnoredAny),
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Lenient {
            List(Vec<One>),
            Other(IgnoredAny),
        }
        let list = match Lenient::deserialize(deserializer)? {
            Lenient::List(list) => list,
            Lenient::Other(_) => Vec::new(),
        };
        let named = |one| match one {
            One::Named(subject) => Some(subject),
            One::Other(_) => None,
        };
        Ok(Subjects(list.into_iter().filter_map(named).collect()))
    }
}
