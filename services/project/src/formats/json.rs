//! JSON files, read element by element.
//!
//! The top is a list (GitHub issues) or an object whose fields say what it is: `cards` of a Trello board, `items` of a
//! GitHub search, `format` and `tasks` of our own export. The elements of the list that holds the tasks are read one at a
//! time, each at most [`LONGEST`]; fields that are of no interest are passed over without being kept.

use std::{
    cell::Cell,
    io::{self, BufReader, Read},
    rc::Rc,
};

use chassis::FieldError;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::{Broken, Survey, Take, export, github};
use crate::domain::{
    import::Format,
    import_row::{Row, SourceComment, SourceTask},
};

/// Bytes of one element at most.
const LONGEST: u64 = 16 * 1024 * 1024;

/// What becomes of a field of the top object.
enum Wanted {
    /// Its elements, one by one.
    Elements,
    /// It as a whole.
    Whole,
    Nothing,
}

/// Hears what a file holds.
trait Hear {
    fn wants(&mut self, field: &str) -> Wanted;
    /// An element of the list `field`; of the top's own list when that is empty.
    fn element(&mut self, field: &str, element: Value) -> Result<(), Broken>;
    fn whole(&mut self, field: &str, value: Value) -> Result<(), Broken>;
}

/// Reads bytes and counts those of the element that is being read.
struct Counted<R> {
    inner: BufReader<R>,
    left: Rc<Cell<Option<u64>>>,
    failed: Rc<Cell<Option<io::Error>>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = match self.inner.read(into) {
            Ok(count) => count,
            Err(error) => {
                // serde_json would make a text of it.
                let told = io::Error::from(error.kind());
                self.failed.set(Some(error));
                return Err(told);
            }
        };
        if let Some(left) = self.left.get() {
            let left = left.checked_sub(count as u64);
            self.left.set(Some(left.unwrap_or(0)));
            if left.is_none() {
                return Err(io::Error::other("an element is longer than 16 MiB"));
            }
        }
        Ok(count)
    }
}

struct Top<'a> {
    hear: &'a mut dyn Hear,
    left: Rc<Cell<Option<u64>>>,
    broken: &'a mut Option<Broken>,
}

impl Top<'_> {
    fn bounded<T>(&self, read: impl FnOnce() -> T) -> T {
        self.left.set(Some(LONGEST));
        let value = read();
        self.left.set(None);
        value
    }

    fn heard<E: serde::de::Error>(&mut self, heard: Result<(), Broken>) -> Result<(), E> {
        heard.map_err(|broken| {
            *self.broken = Some(broken);
            E::custom("stopped")
        })
    }

    fn elements<'de, A: SeqAccess<'de>>(&mut self, field: &str, mut list: A) -> Result<(), A::Error> {
        while let Some(element) = self.bounded(|| list.next_element::<Value>())? {
            let heard = self.hear.element(field, element);
            self.heard(heard)?;
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for &mut Top<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Top<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of issues, a Trello board, or a project that was exported here")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        if matches!(self.hear.wants(""), Wanted::Nothing) {
            return Err(A::Error::custom("expected an object, not a list"));
        }
        self.elements("", list)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key::<String>()? {
            match self.hear.wants(&field) {
                Wanted::Nothing => drop(map.next_value::<IgnoredAny>()?),
                Wanted::Whole => {
                    let value = self.bounded(|| map.next_value::<Value>())?;
                    let heard = self.hear.whole(&field, value);
                    self.heard(heard)?;
                }
                Wanted::Elements => map.next_value_seed(List {
                    field: &field,
                    top: &mut *self,
                })?,
            }
        }
        Ok(())
    }
}

/// A field of the top that holds a list.
struct List<'a, 'b> {
    field: &'a str,
    top: &'a mut Top<'b>,
}

impl<'de> DeserializeSeed<'de> for List<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a list in {}", self.field)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        self.top.elements(self.field, list)
    }
}

fn read(text: impl Read, hear: &mut dyn Hear) -> Result<(), Broken> {
    let (left, failed) = (Rc::new(Cell::new(None)), Rc::new(Cell::new(None)));
    let counted = Counted {
        inner: BufReader::new(text),
        left: Rc::clone(&left),
        failed: Rc::clone(&failed),
    };
    let mut broken = None;
    let mut reader = serde_json::Deserializer::from_reader(counted);
    let mut top = Top {
        hear,
        left,
        broken: &mut broken,
    };
    let result = top.deserialize(&mut reader).and_then(|()| reader.end());
    match (result, broken, failed.take()) {
        (Ok(()), ..) => Ok(()),
        (Err(_), Some(broken), _) => Err(broken),
        (Err(_), None, Some(error)) => Err(error.into()),
        (Err(error), None, None) => Err(Broken::File(format!("the file cannot be read as JSON: {error}"))),
    }
}

/// Finds out what the file is.
struct Surveying<'a> {
    survey: &'a mut Survey,
    fields: Vec<String>,
    counts: [(&'static str, u64); 4],
    mark: Option<String>,
    is_list: bool,
}

impl Surveying<'_> {
    fn count(&self, list: &str) -> u64 {
        self.counts
            .iter()
            .find(|(name, _)| *name == list)
            .map_or(0, |(_, count)| *count)
    }
}

impl Hear for Surveying<'_> {
    fn wants(&mut self, field: &str) -> Wanted {
        self.is_list |= field.is_empty();
        if self.fields.len() < 100 {
            self.fields.push(field.to_owned());
        }
        match field {
            "format" | "project" => Wanted::Whole,
            "" | "cards" | "items" | "tasks" | "lists" | "labels" | "members" | "actions" | "checklists" => {
                Wanted::Elements
            }
            _ => Wanted::Nothing,
        }
    }

    fn element(&mut self, field: &str, element: Value) -> Result<(), Broken> {
        if let Some((_, count)) = self.counts.iter_mut().find(|(name, _)| *name == field) {
            *count += 1;
            return Ok(());
        }
        if field == "labels"
            && let (Some(name), Some(colour)) = (element["name"].as_str(), element["colour"].as_str())
            && self.survey.labels.len() < 1000
        {
            self.survey.labels.push((name.to_owned(), colour.to_owned()));
        }
        self.survey.board.learn(field, &element)
    }

    fn whole(&mut self, field: &str, value: Value) -> Result<(), Broken> {
        match field {
            "format" => self.mark = value.as_str().map(str::to_owned),
            _ => self.survey.description = value["description"].as_str().unwrap_or_default().to_owned(),
        }
        Ok(())
    }
}

pub(super) fn survey(text: impl Read, survey: &mut Survey, named: Option<Format>) -> Result<(), Broken> {
    let mut surveying = Surveying {
        survey,
        fields: Vec::new(),
        counts: [("", 0), ("cards", 0), ("items", 0), ("tasks", 0)],
        mark: None,
        is_list: false,
    };
    read(text, &mut surveying)?;
    let has = |field: &str| surveying.fields.iter().any(|name| name == field);
    let (found, list) = if surveying.is_list {
        (Format::Github, "")
    } else if surveying.mark.as_deref() == Some(export::MARK) && has("tasks") {
        (Format::Cloudtaskhub, "tasks")
    } else if has("cards") && has("lists") {
        (Format::Trello, "cards")
    } else if has("items") {
        (Format::Github, "items")
    } else {
        let detail = "this JSON is none that can be imported: expected a Trello board with its cards and lists, a list of \
                      GitHub issues, or a project that was exported here";
        return Err(Broken::File(detail.to_owned()));
    };
    if let Some(named) = named.filter(|named| *named != found) {
        let detail = format!("the file looks like {}, not like {}", found.name(), named.name());
        return Err(Broken::File(detail));
    }
    let rows = surveying.count(list);
    survey.format = found;
    survey.rows = rows;
    if found != Format::Cloudtaskhub {
        survey.labels.clear();
        survey.description.clear();
    }
    Ok(())
}

/// Makes rows of the elements.
struct Reading<'a, 'b> {
    survey: &'a Survey,
    number: u64,
    take: &'a mut Take<'b>,
}

impl Hear for Reading<'_, '_> {
    fn wants(&mut self, field: &str) -> Wanted {
        match (self.survey.format, field) {
            (Format::Trello, "cards") | (Format::Github, "" | "items") | (Format::Cloudtaskhub, "tasks") => {
                Wanted::Elements
            }
            _ => Wanted::Nothing,
        }
    }

    fn element(&mut self, _: &str, element: Value) -> Result<(), Broken> {
        self.number += 1;
        let task = if element.is_object() {
            match self.survey.format {
                Format::Trello => self.survey.board.card(&element),
                Format::Github => github::issue(&element),
                Format::Cloudtaskhub | Format::Csv => ours(&element),
            }
        } else {
            Err(vec![FieldError::new("", "must be an object")])
        };
        (self.take)(Row {
            number: self.number,
            line: None,
            task,
        })
    }

    fn whole(&mut self, _: &str, _: Value) -> Result<(), Broken> {
        Ok(())
    }
}

pub(super) fn rows(text: impl Read, survey: &Survey, take: &mut Take<'_>) -> Result<(), Broken> {
    read(
        text,
        &mut Reading {
            survey,
            number: 0,
            take,
        },
    )
}

/// Reads fields of an element and notes those that have the wrong type.
pub(super) struct Fields<'a> {
    element: &'a Value,
    at: String,
    pub(super) wrong: Vec<FieldError>,
}

impl<'a> Fields<'a> {
    pub(super) fn of(element: &'a Value) -> Self {
        Self {
            element,
            at: String::new(),
            wrong: Vec::new(),
        }
    }

    /// The text of the first of `names` that is there; empty when none is, or null.
    pub(super) fn text(&mut self, names: &[&str]) -> String {
        let Some((name, value)) = self.find(names) else {
            return String::new();
        };
        match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => {
                let pointer = format!("{}/{name}", self.at);
                self.wrong.push(FieldError::new(pointer, "must be a text"));
                String::new()
            }
        }
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.element[name].as_bool().unwrap_or(false)
    }

    /// The texts of a list, either texts themselves or objects with one of `inner`.
    pub(super) fn texts(&mut self, name: &str, inner: &[&str]) -> Vec<String> {
        let mut texts = Vec::new();
        for element in self.list(name) {
            let text = element.as_str().or_else(|| {
                inner
                    .iter()
                    .find_map(|inner| element[inner].as_str().filter(|text| !text.is_empty()))
            });
            if let Some(text) = text {
                texts.push(text.to_owned());
            }
        }
        texts
    }

    /// The elements of a list; none when it is missing, null or a number (GitHub's REST API counts comments).
    pub(super) fn list(&mut self, name: &str) -> &'a [Value] {
        match &self.element[name] {
            Value::Array(list) => list,
            Value::Null | Value::Number(_) => &[],
            _ => {
                let pointer = format!("{}/{name}", self.at);
                self.wrong.push(FieldError::new(pointer, "must be a list"));
                &[]
            }
        }
    }

    fn find<'n>(&self, names: &[&'n str]) -> Option<(&'n str, &'a Value)> {
        names
            .iter()
            .map(|name| (*name, &self.element[*name]))
            .find(|(_, value)| !value.is_null())
    }
}

/// A task as we export it.
fn ours(element: &Value) -> Result<SourceTask, Vec<FieldError>> {
    let mut fields = Fields::of(element);
    let mut comments = Vec::new();
    for (place, comment) in fields.list("comments").iter().enumerate() {
        let mut inner = Fields {
            at: format!("/comments/{place}"),
            ..Fields::of(comment)
        };
        comments.push(SourceComment {
            author: inner.text(&["author"]),
            body: inner.text(&["body"]),
            created_at: inner.text(&["created_at"]),
        });
        fields.wrong.append(&mut inner.wrong);
    }
    let task = SourceTask {
        external_id: fields.text(&["id"]),
        title: fields.text(&["title"]),
        description: fields.text(&["description"]),
        status: fields.text(&["status"]),
        priority: fields.text(&["priority"]),
        due_at: fields.text(&["due_at"]),
        created_at: fields.text(&["created_at"]),
        completed_at: fields.text(&["completed_at"]),
        labels: fields.texts("labels", &[]),
        assignees: fields.texts("assignees", &[]),
        comments,
        passed_over: None,
    };
    if fields.wrong.is_empty() {
        Ok(task)
    } else {
        Err(fields.wrong)
    }
}
