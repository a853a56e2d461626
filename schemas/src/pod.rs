//! How a pod is named among the instances of an entity: `NAME/UID` where both are known, else by the one that is.
//!
//! Invariant: no name of a pod holds a `/`, so a reference is read back as it was made.

use std::borrow::Cow;

/// The reference of a pod; a text that is no uid is not taken for one.
pub fn reference<'a>(name: &'a str, uid: &'a str) -> Cow<'a, str> {
    match (name, uid) {
        (name, uid) if !is_uid(uid) => name.into(),
        ("", uid) => uid.into(),
        (name, uid) => format!("{name}/{uid}").into(),
    }
}

/// Name and uid of a reference; empty where it does not tell.
pub fn parts(reference: &str) -> (&str, &str) {
    match reference.rsplit_once('/') {
        Some((name, uid)) if is_uid(uid) => (name, uid),
        None if is_uid(reference) => ("", reference),
        _ => (reference, ""),
    }
}

/// True for the text of a uid, as the API server writes it.
pub fn is_uid(text: &str) -> bool {
    let fits = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.bytes().enumerate().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "0b1d5f1e-2c3d-4e5f-8a9b-0c1d2e3f4a5b";

    #[test]
    fn a_reference_says_what_is_known_and_is_read_back() {
        for (name, uid) in [("cart-1", UID), ("cart-1", ""), ("", UID), ("", "")] {
            assert_eq!(parts(&reference(name, uid)), (name, uid));
        }
        assert_eq!(reference("cart-1", UID), format!("cart-1/{UID}"));
    }

    #[test]
    fn what_is_no_uid_is_part_of_a_name_or_nothing() {
        assert_eq!(reference("cart-1", "../secrets"), "cart-1");
        assert_eq!(parts("cart-1/other"), ("cart-1/other", ""));
        assert!(is_uid(UID) && !is_uid(&UID[1..]) && !is_uid(&UID.replace('-', "0")) && !is_uid("ü"));
    }
}
