//! Owns writing an array as the server would: braces, quotes where they are needed, bounds where they are not 1.

use super::decode::Decoder;

/// The array in text; none where its bytes are not one.
pub(super) fn array(item: &Decoder, bytes: &[u8]) -> Option<String> {
    let mut rest = bytes;
    let dimensions = usize::try_from(take(&mut rest)?).ok()?;
    let _has_nulls = take(&mut rest)?;
    let _item_type = take(&mut rest)?;
    if dimensions == 0 {
        return Some("{}".to_owned());
    }
    // The server knows of six.
    if dimensions > 6 {
        return None;
    }
    let mut lengths = Vec::with_capacity(dimensions);
    let mut bounds = String::new();
    let mut is_plain = true;
    for _ in 0..dimensions {
        let length = take(&mut rest)?;
        let lower = take(&mut rest)?;
        is_plain &= lower == 1;
        bounds.push_str(&format!("[{lower}:{}]", lower.checked_add(length)?.checked_sub(1)?));
        lengths.push(usize::try_from(length).ok()?);
    }
    let mut text = if is_plain { String::new() } else { bounds + "=" };
    let (items, depth) = (&mut rest, lengths.as_slice());
    level(item, depth, items, &mut text)?;
    rest.is_empty().then_some(text)
}

fn level(item: &Decoder, lengths: &[usize], rest: &mut &[u8], text: &mut String) -> Option<()> {
    let (length, deeper) = lengths.split_first()?;
    text.push('{');
    for index in 0..*length {
        if index > 0 {
            text.push(',');
        }
        match deeper {
            [] => element(item, rest, text)?,
            deeper => level(item, deeper, rest, text)?,
        }
    }
    text.push('}');
    Some(())
}

fn element(item: &Decoder, rest: &mut &[u8], text: &mut String) -> Option<()> {
    let Ok(length) = usize::try_from(take(rest)?) else {
        text.push_str("NULL");
        return Some(());
    };
    let (bytes, after) = rest.split_at_checked(length)?;
    *rest = after;
    let written = item.written(bytes)?;
    let is_bare = !written.is_empty()
        && !written.eq_ignore_ascii_case("null")
        && !written.contains(['"', '\\', '{', '}', ',', ' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    if is_bare {
        text.push_str(&written);
        return Some(());
    }
    text.push('"');
    for c in written.chars() {
        if matches!(c, '"' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    Some(())
}

fn take(rest: &mut &[u8]) -> Option<i32> {
    let (head, tail) = rest.split_first_chunk::<4>()?;
    *rest = tail;
    Some(i32::from_be_bytes(*head))
}
