//! Whether a text is well-formed XML, as far as SVG of ours needs.

/// The first fault.
pub fn check(text: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        letters(&rest[..at])?;
        let end = rest[at..].find('>').ok_or("a tag without end")? + at;
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            let last = open.pop().ok_or("nothing is open")?;
            if last != name {
                return Err(format!("</{name}> closes <{last}>"));
            }
            continue;
        }
        let closed = tag.ends_with('/');
        let tag = tag.trim_end_matches('/');
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        self::attributes(attributes)?;
        if !closed {
            open.push(name);
        }
    }
    if rest.trim().is_empty() && open.is_empty() {
        Ok(())
    } else {
        Err(format!("left open: {open:?}"))
    }
}

fn attributes(text: &str) -> Result<(), String> {
    let mut names: Vec<&str> = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (name, value) = rest.split_once("=\"").ok_or(format!("no value in `{rest}`"))?;
        let (value, after) = value.split_once('"').ok_or(format!("no end in `{rest}`"))?;
        letters(value)?;
        if names.contains(&name)
            || !name.bytes().all(|it| it.is_ascii_alphabetic() || b"-:".contains(&it))
        {
            return Err(format!("`{name}` twice or no name"));
        }
        names.push(name);
        rest = after.trim_start();
    }
    Ok(())
}

fn letters(text: &str) -> Result<(), String> {
    for (at, _) in text.match_indices('&') {
        let known = ["&lt;", "&gt;", "&amp;", "&quot;"];
        if !known.iter().any(|it| text[at..].starts_with(it)) {
            return Err(format!("a bare & in `{text}`"));
        }
    }
    match text.contains(|it: char| it.is_control() && it != '\n') {
        true => Err(format!("control characters in `{text}`")),
        false => Ok(()),
    }
}

#[test]
fn faults_are_found() {
    assert_eq!(check("<a b=\"c\"><d/>e &lt; f</a>"), Ok(()));
    for bad in ["<a>", "<a></b>", "<a b></a>", "<a>&</a>", "<a b=\"1\" b=\"2\"/>", "</a>"] {
        assert!(check(bad).is_err(), "{bad}");
    }
}
