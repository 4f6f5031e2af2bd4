//! What comes from the command line, turned into commands.

use std::collections::BTreeMap;
use std::path::Path;

use machine::act::{Evidence, Signature, digest_hex};
use machine::command::{Directory, Perform};
use machine::file::FieldType;
use machine::value::{Name, PersonId, Value};
use machine::{Definition, Person};

use crate::CliError;
use crate::args::ActArguments;

/// The largest file read from the command line.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Reads a text file, saying which one cannot be read and why.
pub(crate) fn read_text(path: &Path) -> Result<String, CliError> {
    String::from_utf8(read_bytes(path)?)
        .map_err(|_| CliError::Usage(format!("{} is not UTF-8 text", path.display())))
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, CliError> {
    let cannot = |error: std::io::Error| CliError::Usage(format!("cannot read {}: {error}", path.display()));
    let size = std::fs::metadata(path).map_err(cannot)?.len();
    if size > FILE_BYTES_MAX {
        return Err(CliError::Usage(format!("{} is larger than {FILE_BYTES_MAX} bytes", path.display())));
    }
    std::fs::read(path).map_err(cannot)
}

/// `person/post`, looked up in the organisation.
pub(crate) fn person(text: &str, directory: &Directory) -> Result<Person, CliError> {
    let (person, post) = text.split_once('/').unwrap_or((text, ""));
    let mut held = directory
        .posts
        .iter()
        .filter(|held| held.person.as_str() == person && (post.is_empty() || held.id.as_str() == post));
    let found =
        held.next().ok_or_else(|| CliError::Usage(format!("nobody holds '{text}'; write person/post")))?;
    if held.next().is_some() {
        return Err(CliError::Usage(format!("{person} holds several posts; write person/post")));
    }
    Ok(Person { person: found.person.clone(), post: found.id.clone(), unit: found.unit.clone() })
}

/// `name=value`.
pub(crate) fn pair(text: &str) -> Result<(&str, &str), CliError> {
    text.split_once('=').ok_or_else(|| CliError::Usage(format!("'{text}' is not name=value")))
}

/// Fields, read as the definition types them. What does not fit is left as text for the machine to refuse.
pub(crate) fn fields(texts: &[String], definition: &Definition) -> Result<BTreeMap<Name, Value>, CliError> {
    let mut fields = BTreeMap::new();
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
            return Err(CliError::Usage(format!("the field '{name}' is given twice")));
        }
    }
    Ok(fields)
}

/// An act, as the command line gives it.
pub(crate) fn perform(
    name: &str,
    arguments: &ActArguments,
    definition: &Definition,
) -> Result<Perform, CliError> {
    let mut evidence = Vec::new();
    for text in &arguments.evidence {
        let (kind, path) = pair(text)?;
        let bytes = read_bytes(Path::new(path))?;
        evidence.push(Evidence {
            kind: kind.to_owned(),
            digest: digest_hex(&bytes),
            size_bytes: bytes.len() as u64,
        });
    }
    let refused = arguments.refused_to_sign.clone().map(Signature::Refused);
    let occurred_on = arguments.occurred_on.as_deref().map(calendar::parse_date).transpose();
    Ok(Perform {
        act: name.to_owned(),
        fields: fields(&arguments.fields, definition)?,
        evidence,
        officers: arguments.officers.iter().map(|officer| PersonId(officer.clone())).collect(),
        signature: arguments.signed.clone().map(Signature::Signed).or(refused),
        entered_for: arguments.entered_for.clone().map(PersonId),
        occurred_on: occurred_on.map_err(|error| CliError::Usage(error.to_string()))?,
        reason: arguments.reason.clone(),
    })
}
