//! Canonical JSON: the bytes an act is chained by.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// A value has no canonical bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} has no canonical form")]
pub struct NotCanonical(&'static str);

/// Canonical JSON: keys sorted by their bytes, UTF-8, no white space, whole numbers only.
pub fn canonical(value: &impl Serialize) -> Result<Vec<u8>, NotCanonical> {
    let mut sorted = Sorted { out: Vec::with_capacity(2048), ..Sorted::default() };
    value
        .serialize(&mut Serializer::with_formatter(&mut sorted, Marks))
        .map_err(|error| NotCanonical(if error.is_io() { "a fraction" } else { "this value" }))?;
    Ok(sorted.out)
}

/// Where an object begins, a key, its value, and where these end. Bytes that JSON never has in it as they are: in
/// texts they are escaped.
const OPEN: u8 = 1;
const KEY: u8 = 2;
const VALUE: u8 = 3;
const NEXT: u8 = 4;
const CLOSE: u8 = 5;

/// Tells the writer below what it is being given.
struct Marks;

impl Formatter for Marks {
    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(&[OPEN])
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, _: bool) -> io::Result<()> {
        writer.write_all(&[KEY])
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(&[VALUE])
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(&[NEXT])
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(&[CLOSE])
    }

    fn write_f32<W: ?Sized + Write>(&mut self, _: &mut W, _: f32) -> io::Result<()> {
        Err(io::ErrorKind::InvalidData.into())
    }

    fn write_f64<W: ?Sized + Write>(&mut self, _: &mut W, _: f64) -> io::Result<()> {
        Err(io::ErrorKind::InvalidData.into())
    }
}

/// Sorts every object as it ends.
#[derive(Default)]
struct Sorted {
    out: Vec<u8>,
    /// Members of the objects not yet ended.
    members: Vec<Member>,
    /// The first member of each of these objects.
    open: Vec<usize>,
}

/// Places in the bytes: of a key, of the colon after it, of the end of its value.
#[derive(Clone, Copy)]
struct Member {
    key: usize,
    colon: usize,
    end: usize,
}

impl Sorted {
    fn mark(&mut self, mark: u8) {
        let first = self.open.last().copied().unwrap_or_default();
        let here = self.out.len();
        match (mark, self.members.last_mut()) {
            (OPEN, _) => {
                self.open.push(self.members.len());
                self.out.push(b'{');
            }
            (KEY, _) => {
                let comma = self.members.len() > first;
                self.out.extend(comma.then_some(b','));
                self.members.push(Member { key: here + usize::from(comma), colon: 0, end: 0 });
            }
            (VALUE, Some(member)) => {
                member.colon = here;
                self.out.push(b':');
            }
            (NEXT, Some(member)) => member.end = here,
            _ => {
                self.sort(first);
                self.open.pop();
                self.out.push(b'}');
            }
        }
    }

    /// The members of the innermost object, which go with it.
    fn sort(&mut self, first: usize) {
        let key = |member: &Member| unescaped(&self.out[member.key..member.colon]);
        let members = &self.members[first..];
        if !members.is_sorted_by(|one, next| key(one) <= key(next)) {
            let mut sorted = members.to_vec();
            sorted.sort_by(|one, other| key(one).cmp(&key(other)));
            let members: Vec<&[u8]> = sorted.iter().map(|member| &self.out[member.key..member.end]).collect();
            let joined = members.join(&b',');
            self.out.truncate(self.members[first].key);
            self.out.extend(joined);
        }
        self.members.truncate(first);
    }
}

/// The bytes of a key: it stands in quotes.
fn unescaped(key: &[u8]) -> Cow<'_, [u8]> {
    if key.contains(&b'\\') {
        serde_json::from_slice::<String>(key).map_or(Cow::Borrowed(key), |key| Cow::Owned(key.into_bytes()))
    } else {
        Cow::Borrowed(key.get(1..key.len().saturating_sub(1)).unwrap_or_default())
    }
}

impl Write for Sorted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match bytes {
            [mark @ OPEN..=CLOSE] => self.mark(*mark),
            _ => self.out.extend_from_slice(bytes),
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
