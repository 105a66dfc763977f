//! The first message of a request, seen as it passes: an audit log has to say which model was
//! activated, and must not depend on each service to tell it.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use tonic::Status;
use tonic::body::Body;

use crate::around::watched;

/// Bytes that are kept. Requests that name a resource are far smaller.
const KEPT: usize = 16 << 10;
/// A message begins with a flag and its length.
const HEADER: usize = 5;
/// Longest text that is given.
const LONGEST_TEXT: usize = 256;

/// What has passed so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Peek(Arc<Mutex<Vec<u8>>>);

impl Peek {
    /// The request as it was, and what will have been seen of it.
    pub(super) fn into(request: Request<Body>) -> (Request<Body>, Self) {
        let peek = Self::default();
        let seen = peek.clone();
        let see = move |frame: &Result<Frame<Bytes>, Status>| {
            if let Some(data) = frame.as_ref().ok().and_then(Frame::data_ref) {
                seen.see(data);
            }
        };
        (request.map(|body| watched(body, see)), peek)
    }

    fn see(&self, data: &[u8]) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = KEPT.saturating_sub(seen.len()).min(data.len());
        seen.extend_from_slice(&data[..room]);
    }

    /// The text in a field of the first message. A message that was not seen to its end is not read:
    /// the last of two values is the one that counts.
    pub(super) fn text(&self, path: &[u32], oneof: &[u32]) -> String {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(message) = first_message(&seen) else { return "(not read)".to_owned() };
        match text_at(message, path, oneof) {
            Some(text) => text.chars().take(LONGEST_TEXT).collect(),
            None => "(malformed)".to_owned(),
        }
    }
}

fn first_message(seen: &[u8]) -> Option<&[u8]> {
    let (header, rest) = seen.split_at_checked(HEADER)?;
    let length = u32::from_be_bytes(header[1..].try_into().ok()?);
    // A flag that is set means compressed, which servers here do not offer.
    if header[0] == 0 { rest.get(..length as usize) } else { None }
}

/// The text at the end of a path of fields of an encoded message; none when the message is none.
/// `oneof` has all numbers of the oneof that the path's first field is part of.
pub fn text_at(message: &[u8], path: &[u32], oneof: &[u32]) -> Option<String> {
    let (number, inner) = path.split_first()?;
    let values = values(message, *number, oneof)?;
    if inner.is_empty() {
        let text = values.last().copied().unwrap_or_default();
        return String::from_utf8(text.to_owned()).ok();
    }
    // Several of one message mean their fields one after the other.
    text_at(&values.concat(), inner, &[])
}

/// All values of a field of texts or messages.
fn values<'a>(mut message: &'a [u8], number: u32, oneof: &[u32]) -> Option<Vec<&'a [u8]>> {
    let (mut found, mut groups) = (Vec::new(), Vec::new());
    while !message.is_empty() {
        let key = varint(&mut message)?;
        let length = match key & 7 {
            0 => {
                varint(&mut message)?;
                0
            }
            1 => 8,
            2 => usize::try_from(varint(&mut message)?).ok()?,
            // Groups, of which no message here has any: decoders pass over them with all that is in them.
            3 => {
                groups.push(key >> 3);
                0
            }
            4 => {
                groups.pop().filter(|open| *open == key >> 3)?;
                0
            }
            5 => 4,
            _ => return None,
        };
        let (value, rest) = message.split_at_checked(length)?;
        message = rest;
        if !groups.is_empty() {
            continue;
        }
        if key == u64::from(number) << 3 | 2 {
            found.push(value);
        } else if oneof.iter().any(|part| u64::from(*part) == key >> 3) {
            // Another part of the oneof takes the place of what was there.
            found.clear();
        }
    }
    groups.is_empty().then_some(found)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[derive(Clone, PartialEq, Message)]
    struct Import {
        #[prost(string, tag = "1")]
        id: String,
        #[prost(uint64, tag = "4")]
        seed: u64,
        #[prost(double, tag = "5")]
        share: f64,
        #[prost(string, repeated, tag = "6")]
        tables: Vec<String>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Fit {
        #[prost(message, optional, tag = "1")]
        spec: Option<Spec>,
    }

    #[derive(Clone, PartialEq, Message)]
    struct Spec {
        #[prost(string, tag = "5")]
        model: String,
    }

    fn seen(message: &impl Message) -> Peek {
        let message = message.encode_to_vec();
        let peek = Peek::default();
        peek.see(&[0]);
        peek.see(&u32::try_from(message.len()).unwrap().to_be_bytes());
        // As it may come over the wire.
        message.chunks(3).for_each(|part| peek.see(part));
        peek
    }

    #[test]
    fn texts_are_found_as_a_decoder_would_find_them() {
        let tables = vec!["a".into(), "b".into()];
        let mut import = Import { id: "faces".into(), seed: u64::MAX, share: 0.5, tables };
        assert_eq!(seen(&import).text(&[1], &[]), "faces");
        assert_eq!(seen(&Import::default()).text(&[1], &[]), "");
        import.tables = vec!["x".repeat(KEPT)];
        assert_eq!(seen(&import).text(&[1], &[]), "(not read)");

        let fit = Fit { spec: Some(Spec { model: "models/a".into() }) };
        assert_eq!(seen(&fit).text(&[1, 5], &[]), "models/a");
        // The last of two values counts.
        let twice = [&[0x0a, 1, b'a'][..], &[0x0a, 1, b'b']].concat();
        assert_eq!(text_at(&twice, &[1], &[]).unwrap(), "b");
        // A group hides nothing from whoever reads the log: [9 begins, 1 = "b", [8], 9 ends], 1 = "a".
        let group = [0x4b, 0x0a, 1, b'b', 0x43, 0x44, 0x4c, 0x0a, 1, b'a'];
        assert_eq!(Import::decode(&group[..]).unwrap().id, "a");
        assert_eq!(text_at(&group, &[1], &[]).unwrap(), "a");
        assert_eq!(text_at(&group[..6], &[1], &[]), None);
        assert_eq!(text_at(&[0x4b, 0x54], &[1], &[]), None);
        // Of a oneof of 1 and 2 the last part counts: 1 = {5 = "b"}, 2 = {}, 1 = {}.
        let parts = [0x0a, 3, 0x2a, 1, b'b', 0x12, 0, 0x0a, 0];
        assert_eq!(text_at(&parts, &[1, 5], &[1, 2]).unwrap(), "");
        assert_eq!(text_at(&parts[..5], &[1, 5], &[1, 2]).unwrap(), "b");
        assert_eq!(text_at(&parts, &[1, 5], &[]).unwrap(), "b");
    }

    #[test]
    fn nothing_that_is_sent_can_break_it() {
        for length in 0..64_u8 {
            for byte in 0..=255 {
                let mut bytes = vec![byte; usize::from(length)];
                let _ = text_at(&bytes, &[1, 5], &[]);
                bytes.splice(..0, [0, 0, 0, 0, length]);
                let peek = Peek::default();
                peek.see(&bytes);
                let _ = peek.text(&[1], &[]);
            }
        }
    }
}
