//! The members of a JSON object that matter. Written by hand instead of derived:
//! serde's derive macro would bring five crates more.

use std::fmt;

use serde_core::Deserializer as _;
use serde_core::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Deserializer, Value};
use zeroize::Zeroize;

/// A member's value, wiped on drop where it is a string: it may be a secret.
#[derive(Debug, PartialEq)]
pub(crate) struct Member(Value);

impl Member {
    pub(crate) fn value(&self) -> &Value {
        &self.0
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Value::String(text) = &mut self.0 {
            text.zeroize();
        }
    }
}

/// Why there are no members. It quotes nothing: a parser's error does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    Empty,
    NotAnObject,
    BreaksOff,
    MemberTwice,
    Invalid,
}

/// The members of these names, of whatever type; `None` for one that is missing
/// or null. Others are passed over.
pub(crate) fn members<const N: usize>(
    json: &[u8],
    names: [&'static str; N],
) -> Result<[Option<Member>; N], Problem> {
    match json.trim_ascii_start().first() {
        None => return Err(Problem::Empty),
        Some(b'{') => {}
        Some(_) => return Err(Problem::NotAnObject),
    }
    // The parser would not look into what is passed over.
    let json = std::str::from_utf8(json).map_err(|_| Problem::Invalid)?;
    let mut parser = Deserializer::from_str(json);
    parser
        .deserialize_map(Members { names })
        .and_then(|members| parser.end().map(|()| members))
        .map_err(|error| match error.classify() {
            Category::Eof => Problem::BreaksOff,
            Category::Data => Problem::MemberTwice,
            Category::Syntax | Category::Io => Problem::Invalid,
        })
}

struct Members<const N: usize> {
    names: [&'static str; N],
}

impl<'de, const N: usize> Visitor<'de> for Members<N> {
    type Value = [Option<Member>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = [const { None }; N];
        while let Some(key) = map.next_key::<String>()? {
            let mut named = self.names.iter().zip(&mut members);
            match named.find(|(name, _)| **name == key) {
                None => drop(map.next_value::<IgnoredAny>()?),
                Some((_, Some(_))) => return Err(A::Error::custom("")),
                Some((_, member)) => *member = Some(Member(map.next_value()?)),
            }
        }
        Ok(members.map(|member| member.filter(|member| !member.0.is_null())))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn a_and_b(json: impl AsRef<[u8]>) -> Result<[Option<Member>; 2], Problem> {
        members(json.as_ref(), ["a", "b"])
    }

    #[test]
    fn members_come_by_name_and_others_are_passed_over() {
        let [a, b] = a_and_b(r#" {"c": [{"a": 0}], "\u0062": true, "a": "x"} "#).unwrap();
        assert_eq!(a.unwrap().value(), "x");
        assert_eq!(b.unwrap().value(), &true);
    }

    #[test]
    fn a_member_that_is_missing_or_null_is_none() {
        assert_eq!(a_and_b(r#"{"a": null}"#), Ok([None, None]));
    }

    #[test]
    fn each_problem_has_its_name() {
        for (json, problem) in [
            (" \n", Problem::Empty),
            (r#"["a"]"#, Problem::NotAnObject),
            (r#"{"a": 1, "c": "#, Problem::BreaksOff),
            (r#"{"a": 1, "a": 1}"#, Problem::MemberTwice),
            (r#"{"a": null, "a": 1}"#, Problem::MemberTwice),
            (r#"{"a": 1} {"#, Problem::Invalid),
            (r#"{"a": 1e}"#, Problem::Invalid),
        ] {
            assert_eq!(a_and_b(json), Err(problem), "{json}");
        }
        let in_what_is_passed_over = b"{\"c\": \"\xff\", \"a\": \"x\"}";
        assert_eq!(a_and_b(in_what_is_passed_over), Err(Problem::Invalid));
    }
}
