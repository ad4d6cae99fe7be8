//! Tags: the recipient's preferences per MSP, signed by the recipient.

/// The tag of the MSP that a holder prefers where nothing else decides.
pub const DEFAULT_TAG: &str = "Default";
/// How many tags a mapping may have.
pub const MAX_TAGS: usize = 8;
/// How long a tag may be, in bytes of UTF-8.
pub const MAX_TAG_BYTES: usize = 32;

/// Up to [`MAX_TAGS`] distinct short strings, in the holder's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags(Vec<String>);

/// The rule that a list of tags broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagsError {
    /// Too many.
    #[error("a mapping has {MAX_TAGS} tags at most")]
    TooMany,
    /// Empty or too long.
    #[error("a tag has 1 to {MAX_TAG_BYTES} bytes")]
    Length,
    /// White space at the ends, or a control character.
    #[error("a tag has no control characters and no white space at its ends")]
    Characters,
    /// Twice the same.
    #[error("a tag is given once")]
    Repeated,
}

impl Tags {
    /// Checks a list of tags.
    ///
    /// # Errors
    ///
    /// [`TagsError`] names the broken rule.
    pub fn new(tags: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, TagsError> {
        let mut checked: Vec<String> = Vec::new();
        for tag in tags {
            let tag = tag.into();
            if checked.len() == MAX_TAGS {
                return Err(TagsError::TooMany);
            }
            if tag.is_empty() || tag.len() > MAX_TAG_BYTES {
                return Err(TagsError::Length);
            }
            if tag.trim() != tag || tag.chars().any(char::is_control) {
                return Err(TagsError::Characters);
            }
            if checked.contains(&tag) {
                return Err(TagsError::Repeated);
            }
            checked.push(tag);
        }
        Ok(Self(checked))
    }

    /// The tags, in the holder's order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether `tag` is among them.
    #[must_use]
    pub fn contains(&self, tag: &str) -> bool {
        self.iter().any(|own| own == tag)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_of_a_list_of_tags() {
        let of = |tags: &[&str]| Tags::new(tags.iter().copied());
        assert!(of(&[]).unwrap().is_empty());
        assert!(of(&["Default", "Business", "1", "2", "3", "4", "5", "6"]).unwrap().contains(DEFAULT_TAG));
        assert_eq!(of(&["1", "2", "3", "4", "5", "6", "7", "8", "9"]), Err(TagsError::TooMany));
        assert_eq!(of(&[""]), Err(TagsError::Length));
        assert!(of(&[&"é".repeat(16)]).is_ok());
        assert_eq!(of(&[&"é".repeat(17)]), Err(TagsError::Length));
        assert_eq!(of(&["a\u{7}"]), Err(TagsError::Characters));
        assert_eq!(of(&[" a"]), Err(TagsError::Characters));
        assert_eq!(of(&["a", "a"]), Err(TagsError::Repeated));
    }
}
