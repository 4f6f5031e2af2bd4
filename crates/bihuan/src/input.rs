//! What comes from the command line, turned into commands.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use calendar::yaml::ReadFault;
use machine::act::{Evidence, Signature, digest_hex};
use machine::command::{Directory, Perform};
use machine::file::FieldType;
use machine::value::{Name, PersonId, Value};
use machine::{Definition, Person};
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::json;

use crate::CliError;
use crate::args::ActArguments;
use crate::error::{special, unreadable, usage};

/// The largest file read from the command line.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The largest act read as JSON: a hundred fields of the longest text fit.
const JSON_BYTES_MAX: u64 = 1024 * 1024;

/// Reads a text file, saying which one cannot be read and why.
pub(crate) fn read_text(path: &Path) -> Result<String, CliError> {
    text(path, read_bytes(path, FILE_BYTES_MAX)?)
}

fn text(path: &Path, bytes: Vec<u8>) -> Result<String, CliError> {
    let file = path.display().to_string();
    String::from_utf8(bytes).map_err(|_| usage("BH0053", json!({ "file": file })))
}

/// Reads no more than `most` bytes; what is longer is refused, never cut.
fn read_bytes(path: &Path, most: u64) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(most + 1).read_to_end(&mut bytes)
    } else {
        // A pipe or a device may have no end, and opening one may already wait for ever.
        let kind = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?;
        if !kind.is_file() && !kind.is_dir() {
            return Err(special(path));
        }
        std::fs::File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes))
    };
    let read = read.map_err(|error| unreadable(path, &error))?;
    if read as u64 > most {
        return Err(usage("BH0055", json!({ "file": path.display().to_string(), "most": most })));
    }
    Ok(bytes)
}

/// `person/post`, looked up in the organisation.
pub(crate) fn person(text: &str, directory: &Directory) -> Result<Person, CliError> {
    let (person, post) = text.split_once('/').unwrap_or((text, ""));
    let held = directory
        .posts
        .iter()
        .filter(|held| held.person.as_str() == person && (post.is_empty() || held.id.as_str() == post));
    let held: Vec<_> = held.collect();
    match held.as_slice() {
        [] => Err(usage("BH0056", json!({ "name": text }))),
        [found] => {
            Ok(Person { person: found.person.clone(), post: found.id.clone(), unit: found.unit.clone() })
        }
        several => {
            let known: Vec<_> = several.iter().map(|held| format!("{person}/{}", held.id)).collect();
            Err(usage("BH0057", json!({ "name": person, "known": known })))
        }
    }
}

/// `name=value`.
pub(crate) fn pair(text: &str) -> Result<(&str, &str), CliError> {
    text.split_once('=').ok_or_else(|| usage("BH0058", json!({ "text": text })))
}

pub(crate) fn twice(name: &str) -> CliError {
    usage("BH0059", json!({ "name": name }))
}

/// Fields, read as the definition types them. What does not fit is left as text for the machine to refuse.
pub(crate) fn fields(texts: &[String], definition: &Definition) -> Result<BTreeMap<Name, Value>, CliError> {
    let mut fields = BTreeMap::new();
    add_fields(&mut fields, texts, definition)?;
    Ok(fields)
}

fn add_fields(
    fields: &mut BTreeMap<Name, Value>,
    texts: &[String],
    definition: &Definition,
) -> Result<(), CliError> {
    for text in texts {
        let (name, value) = pair(text)?;
        let kind = definition.field(name).map(|field| field.kind);
        let value = match (kind, value) {
            (Some(FieldType::Bool), "true" | "yes" | "是") => Value::Bool(true),
            (Some(FieldType::Bool), "false" | "no" | "否") => Value::Bool(false),
            (Some(FieldType::Int), number) => {
                number.parse().map_or_else(|_| Value::Text(number.to_owned()), Value::Int)
            }
            (Some(FieldType::Units), units) => {
                Value::List(units.split(',').map(|unit| unit.trim().to_owned()).collect())
            }
            (_, text) => Value::Text(text.to_owned()),
        };
        if fields.insert(name.to_owned(), value).is_some() {
            return Err(twice(name));
        }
    }
    Ok(())
}

/// The act in the file given with `--file`: the same keys as everywhere, and no others.
pub(crate) fn file(arguments: &ActArguments) -> Result<Option<Perform>, CliError> {
    let Some(path) = &arguments.file else { return Ok(None) };
    let text = text(path, read_bytes(path, JSON_BYTES_MAX)?)?;
    // An object and nothing else, in which no key hides another of the same name.
    let once = serde_json::from_str::<Once>(&text);
    let read = once.and_then(|_| serde_json::from_str(&text)).map_err(|error| {
        let said = error.to_string();
        let problem = said.rsplit_once(" at line ").map_or(said.as_str(), |(problem, _)| problem);
        let file = path.display().to_string();
        let fault = ReadFault::from_words(problem);
        CliError::Json { file, line: error.line(), column: error.column().max(1), fault }
    });
    read.map(Some)
}

/// An object in which, all the way down, every key stands once: serde keeps the last of several, and takes a
/// list for an object.
struct Once;

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Once, D::Error> {
        deserializer.deserialize_map(Inside).map(|_| Once)
    }
}

/// Any value in it.
struct Inside;

impl<'de> Deserialize<'de> for Inside {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Inside, D::Error> {
        deserializer.deserialize_any(Inside)
    }
}

impl<'de> Visitor<'de> for Inside {
    type Value = Inside;

    fn expecting(&self, words: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        words.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Inside, A::Error> {
        let mut keys = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if keys.contains(&key) {
                return Err(A::Error::custom(format!("duplicate field `{key}`")));
            }
            map.next_value::<Inside>()?;
            keys.insert(key);
        }
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Inside, A::Error> {
        while list.next_element::<Inside>()?.is_some() {}
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Inside, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Inside, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Inside, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Inside, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Inside, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Inside, E> {
        Ok(self)
    }
}

/// An act, as its file and the command line give it; what both give is refused.
pub(crate) fn perform(
    name: Option<&str>,
    in_file: Option<Perform>,
    arguments: &ActArguments,
    definition: &Definition,
) -> Result<Perform, CliError> {
    let mut perform = in_file.unwrap_or_default();
    match name {
        Some(name) if perform.act.is_empty() => name.clone_into(&mut perform.act),
        Some(name) if name != perform.act => {
            return Err(usage("BH0071", json!({ "in_file": perform.act, "given": name })));
        }
        None if perform.act.is_empty() => return Err(usage("BH0074", json!({}))),
        Some(_) | None => {}
    }
    add_fields(&mut perform.fields, &arguments.fields, definition)?;
    for text in &arguments.evidence {
        let (kind, path) = pair(text)?;
        let bytes = read_bytes(Path::new(path), FILE_BYTES_MAX)?;
        perform.evidence.push(Evidence {
            kind: kind.to_owned(),
            digest: digest_hex(&bytes),
            size_bytes: bytes.len() as u64,
        });
    }
    perform.officers.extend(arguments.officers.iter().map(|officer| PersonId(officer.clone())));
    let refused = arguments.refused_to_sign.clone().map(Signature::Refused);
    let signature = arguments.signed.clone().map(Signature::Signed).or(refused);
    let occurred_on = arguments.occurred_on.as_deref().map(calendar::parse_date).transpose()?;
    once(&mut perform.issue, arguments.issue.clone(), "issue")?;
    once(&mut perform.signature, signature, "signature")?;
    once(&mut perform.entered_for, arguments.entered_for.clone().map(PersonId), "entered_for")?;
    once(&mut perform.occurred_on, occurred_on, "occurred_on")?;
    once(&mut perform.reason, arguments.reason.clone(), "reason")?;
    Ok(perform)
}

fn once<T>(place: &mut Option<T>, given: Option<T>, name: &str) -> Result<(), CliError> {
    match (place.is_some(), given) {
        (true, Some(_)) => Err(twice(name)),
        (false, Some(given)) => {
            *place = Some(given);
            Ok(())
        }
        (_, None) => Ok(()),
    }
}
