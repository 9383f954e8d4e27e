//! Reading the rules of a search, and what it is sorted by, from JSON.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::Value as Json;

use super::super::error::ApiError;
use super::super::json::{Fields, wrong};
use super::super::params::query_value;
use crate::domain::nodes::{Field, Op, Pattern, Rule, Test, Value};

/// Rules within rules at most.
const MAX_DEPTH: usize = 16;
/// Rules in all at most.
const MAX_RULES: usize = 1000;
/// Characters of a pattern at most.
const MAX_PATTERN: usize = 4096;
/// Fields that an answer may be sorted by.
const MAX_SORT: usize = 8;

/// Reads rules.
pub struct Reader<'a> {
    zone: &'a TimeZone,
    rules: usize,
}

/// The field of a name.
///
/// # Errors
/// [`ApiError::Invalid`] naming a field that nodes do not have.
fn field(name: &str) -> Result<Field, ApiError> {
    Ok(match name {
        "projectId" => Field::Project,
        "repoName" => Field::Repo,
        "path" => Field::Path,
        "fullPath" => Field::FullPath,
        "name" => Field::Name,
        "folder" => Field::Folder,
        "size" => Field::Size,
        "sha256" => Field::Sha256,
        "md5" => Field::Md5,
        "createdBy" => Field::CreatedBy,
        "createdDate" => Field::CreatedDate,
        "lastModifiedBy" => Field::LastModifiedBy,
        "lastModifiedDate" => Field::LastModifiedDate,
        "expireDate" => Field::ExpireDate,
        "repoType" => Field::Always(Value::Text("GENERIC".to_owned())),
        "category" => Field::Always(Value::Text("LOCAL".to_owned())),
        // Upstream's clients ask that these be null.
        "deleted"
        | "archived"
        | "compressed"
        | "clusterNames"
        | "nodeNum"
        | "lastAccessDate"
        | "federatedSource"
        | "copyFromCredentialsKey"
        | "copyIntoCredentialsKey" => Field::Never,
        other => match other.strip_prefix("metadata.") {
            Some(key) if !key.is_empty() => Field::Metadata(key.to_owned()),
            _ => {
                return Err(wrong(
                    "field",
                    &format!("a field of nodes, and `{}` is none", cut(other)),
                ));
            }
        },
    })
}

/// The beginning of a client's text, fit for an error.
fn cut(text: &str) -> String {
    text.chars().take(80).collect()
}

impl<'a> Reader<'a> {
    /// Reads rules whose dates are in `zone`.
    pub fn new(zone: &'a TimeZone) -> Self {
        Self { zone, rules: 0 }
    }

    /// One rule, with all that are in it.
    ///
    /// # Errors
    /// [`ApiError`] naming what is wrong with it, or that it is too large.
    pub fn rule(&mut self, json: &Json, depth: usize) -> Result<Rule, ApiError> {
        self.rules += 1;
        if depth > MAX_DEPTH {
            return Err(wrong("rule", &format!("nested at most {MAX_DEPTH} deep")));
        }
        if self.rules > MAX_RULES {
            return Err(wrong("rule", &format!("made of at most {MAX_RULES} rules")));
        }
        let fields = Fields::of("rule", json)?;
        if fields.get("rules").is_none() {
            return self.test(&fields);
        }
        let list = fields.list("rules")?;
        if list.is_empty() && depth > 1 {
            return Err(ApiError::Empty("rules"));
        }
        let rules = list.iter().map(|json| self.rule(json, depth + 1));
        let rules = rules.collect::<Result<Vec<_>, _>>()?;
        let relation = fields.text("relation")?.unwrap_or("AND");
        match relation.to_ascii_uppercase().as_str() {
            "AND" => Ok(Rule::All(rules)),
            "OR" => Ok(Rule::Any(rules)),
            "NOR" => Ok(Rule::None(rules)),
            _ => Err(wrong("relation", "AND, OR or NOR")),
        }
    }

    fn test(&self, fields: &Fields) -> Result<Rule, ApiError> {
        let name = fields.required("field")?;
        let operation = fields.text("operation")?.unwrap_or("EQ");
        let field = field(name)?;
        let value = fields.get("value");
        let one = || self.value(name, &field, value.ok_or(ApiError::Missing("value"))?);
        let text = || match value {
            Some(Json::String(text)) if is_text(&field) => Ok(text.as_str()),
            Some(_) if is_text(&field) => Err(wrong(name, "compared with a text")),
            Some(_) => Err(wrong(name, "compared otherwise: it is no text")),
            None => Err(ApiError::Missing("value")),
        };
        let pattern = |any_case| {
            let text = text()?;
            match text.chars().count() {
                0..=MAX_PATTERN => Ok(Op::Matches(Pattern::new(text, any_case))),
                _ => Err(wrong(name, "matched with at most 4096 characters")),
            }
        };
        let op = match operation.to_ascii_uppercase().as_str() {
            "EQ" if value.is_none() => Op::Null,
            "NE" if value.is_none() => Op::NotNull,
            "EQ" => Op::In([one()?].into()),
            "NE" => Op::NotIn([one()?].into()),
            "LT" | "BEFORE" => Op::Less(one()?),
            "LTE" => Op::AtMost(one()?),
            "GT" | "AFTER" => Op::Greater(one()?),
            "GTE" => Op::AtLeast(one()?),
            "IN" => Op::In(self.values(name, &field, fields)?),
            "NIN" => Op::NotIn(self.values(name, &field, fields)?),
            "PREFIX" => Op::Prefix(text()?.to_owned()),
            "SUFFIX" => Op::Suffix(text()?.to_owned()),
            "MATCH" => pattern(false)?,
            "MATCH_I" => pattern(true)?,
            "NULL" => Op::Null,
            "NOT_NULL" => Op::NotNull,
            _ => {
                return Err(wrong(
                    "operation",
                    "EQ, NE, LT, LTE, GT, GTE, BEFORE, AFTER, IN, NIN, PREFIX, SUFFIX, MATCH, \
                     MATCH_I, NULL or NOT_NULL",
                ));
            }
        };
        Ok(Rule::Test(Test { field, op }))
    }

    fn values(
        &self,
        name: &str,
        field: &Field,
        fields: &Fields,
    ) -> Result<BTreeSet<Value>, ApiError> {
        if fields.get("value").is_none() {
            return Err(ApiError::Missing("value"));
        }
        let list = fields
            .list("value")
            .map_err(|_| wrong(name, "compared with a list"))?;
        list.iter()
            .map(|json| self.value(name, field, json))
            .collect()
    }

    /// A value to compare a field with.
    fn value(&self, name: &str, field: &Field, json: &Json) -> Result<Value, ApiError> {
        let scalar = match json {
            Json::String(text) => text.clone(),
            Json::Number(_) | Json::Bool(_) => json.to_string(),
            _ => {
                return Err(wrong(
                    name,
                    "compared with a text, a number or a truth value",
                ));
            }
        };
        let trimmed = scalar.trim();
        match field {
            Field::Folder => match trimmed.to_ascii_lowercase().as_str() {
                "true" => Ok(Value::Flag(true)),
                "false" => Ok(Value::Flag(false)),
                _ => Err(wrong(name, "compared with true or false")),
            },
            Field::Size => {
                let number = trimmed.parse();
                number
                    .map(Value::Number)
                    .map_err(|_| wrong(name, "compared with a whole number"))
            }
            Field::CreatedDate | Field::LastModifiedDate | Field::ExpireDate => {
                let ms = self.date_ms(trimmed);
                ms.map(Value::Number)
                    .ok_or_else(|| wrong(name, "compared with a date like 2020-07-27T16:02:31.394"))
            }
            // Folders are named with and without the slash behind them.
            Field::Path => {
                let text = scalar.trim_matches('/');
                Ok(Value::Text(match text.is_empty() {
                    true => "/".to_owned(),
                    false => format!("/{text}/"),
                }))
            }
            Field::FullPath if scalar.len() > 1 => {
                Ok(Value::Text(scalar.trim_end_matches('/').to_owned()))
            }
            _ => Ok(Value::Text(scalar)),
        }
    }

    /// Unix milliseconds of a date: a local one, one with its zone, or the milliseconds themselves.
    fn date_ms(&self, text: &str) -> Option<i128> {
        if let Ok(ms) = text.parse::<i64>() {
            return Some(i128::from(ms));
        }
        if let Ok(at) = text.parse::<Timestamp>() {
            return Some(i128::from(at.as_millisecond()));
        }
        let local: DateTime = text.parse().ok()?;
        let at = self.zone.to_ambiguous_timestamp(local).compatible().ok()?;
        Some(i128::from(at.as_millisecond()))
    }
}

fn is_text(field: &Field) -> bool {
    !matches!(
        field,
        Field::Folder
            | Field::Size
            | Field::CreatedDate
            | Field::LastModifiedDate
            | Field::ExpireDate
    )
}

/// Whether a direction is backwards.
fn backwards(direction: &str) -> Result<bool, ApiError> {
    match direction.trim().to_ascii_uppercase().as_str() {
        "" | "ASC" => Ok(false),
        "DESC" => Ok(true),
        _ => Err(wrong("direction", "ASC or DESC")),
    }
}

/// What a search is sorted by: some properties, all in one direction.
///
/// # Errors
/// [`ApiError::Invalid`] naming what is wrong.
pub fn sort_of_fields(sort: &Fields) -> Result<Vec<(Field, bool)>, ApiError> {
    let backwards = backwards(sort.text("direction")?.unwrap_or_default())?;
    let properties = sort.texts("properties")?.unwrap_or_default();
    if properties.len() > MAX_SORT {
        return Err(wrong("properties", "a list of at most 8 fields"));
    }
    let fields = properties.iter().map(|name| Ok((field(name)?, backwards)));
    fields.collect()
}

/// What a page is sorted by: folders first, then `sortProperty`, each with its `direction`. Nothing
/// for what is the order of the tree anyway.
///
/// # Errors
/// [`ApiError::Invalid`] naming what is wrong.
pub fn sort_of_query(query: &str) -> Result<Vec<(Field, bool)>, ApiError> {
    let properties = query_value(query, "sortProperty").unwrap_or_default();
    let directions = query_value(query, "direction").unwrap_or_default();
    let mut directions = directions.split(',').map(backwards);
    let mut last = false;
    let mut sort = vec![(Field::Folder, true)];
    for property in properties.split(',').map(str::trim) {
        last = directions.next().unwrap_or(Ok(last))?;
        match property {
            "" | "folder" => {}
            property if sort.len() < MAX_SORT => sort.push((field(property)?, last)),
            _ => return Err(wrong("sortProperty", "a list of at most 8 fields")),
        }
    }
    Ok(if sort.len() > 1 { sort } else { Vec::new() })
}
