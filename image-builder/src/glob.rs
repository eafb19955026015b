//! Patterns with `*`, which stands for any number of characters that are no slash.

/// Whether the whole of `text` fits `pattern`.
pub fn matches(pattern: &str, text: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(rest) = text.strip_prefix(before) else {
        return false;
    };
    let reach = rest.find('/').unwrap_or(rest.len());
    rest.char_indices()
        .map(|(at, _)| at)
        .chain([rest.len()])
        .take_while(|at| *at <= reach)
        .any(|at| matches(after, rest.get(at..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stops_at_a_slash() {
        for (pattern, text, fits) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("*", "anything", true),
            ("*.service", "a.service", true),
            ("*.service", "a.service.d", false),
            ("usr/lib/*/gconv", "usr/lib/aarch64-linux-gnu/gconv", true),
            ("usr/*/gconv", "usr/lib/aarch64-linux-gnu/gconv", false),
            ("usr/lib/*", "usr/lib/a/b", false),
            ("a*b*c", "a1b2b3c", true),
            ("a*é", "a-é", true),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }
}
