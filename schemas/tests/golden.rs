//! Golden bytes: what each published version looks like on a topic, and what today's types read from it.
//!
//! `BELLBUOY_REGENERATE_GOLDEN=1 cargo test -p schemas --test golden` writes the files of the newest version of each
//! schema and appends to `fingerprints.txt`; it never touches an older version. Read the difference before committing.

use schemas::{
    AnomalyRecord, Command, CommandResult, Control, DeadLetter, IncidentRecord, Notification, ObjectRecord, Published,
    Record, SchemaError, SchemaName, Signal, list,
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn golden_bytes_of_every_version_decode_into_todays_types() {
    regenerate_if_asked();
    for published in list() {
        for case in cases(published) {
            let (bytes, json) = (read(&case.file("bin")), read(&case.file("json")));
            let stored: Value = serde_json::from_slice(&json).unwrap();
            let decoded = to_json(published.name, &bytes).unwrap();
            assert!(covers(&decoded, &stored), "{}: decodes to {decoded:#}", case.file("bin").display());
            if is_newest(published) {
                assert_eq!(decoded, stored, "{}", case.file("json").display());
            }
        }
    }
}

#[test]
fn todays_types_encode_to_the_golden_bytes_of_the_newest_version() {
    regenerate_if_asked();
    for published in list().iter().filter(|p| is_newest(p)) {
        for case in cases(published) {
            let json = String::from_utf8(read(&case.file("json"))).unwrap();
            let bytes = to_bytes(published.name, &json).unwrap();
            assert_eq!(bytes, read(&case.file("bin")), "{}", case.file("bin").display());
        }
    }
}

/// A golden value is made from the schema alone, so a field or symbol that only one side knows is found here.
#[test]
fn schemas_and_types_agree_on_every_field_branch_and_symbol() {
    for published in list().iter().filter(|p| is_newest(p)) {
        for case in cases(published) {
            let made = serde_json::to_string(&case.value).unwrap();
            let bytes = to_bytes(published.name, &made).unwrap();
            assert_eq!(to_json(published.name, &bytes).unwrap(), case.value, "{}", case.stem);
        }
        for (enumeration, symbols, at) in enumerations(published) {
            for symbol in symbols {
                let mut value = cases(published).swap_remove(at.case).value;
                *value.pointer_mut(&at.pointer).unwrap() = Value::String(symbol.clone());
                let bytes = to_bytes(published.name, &value.to_string());
                let bytes = bytes.unwrap_or_else(|error| panic!("{enumeration}::{symbol}: {error}"));
                assert_eq!(to_json(published.name, &bytes).unwrap(), value, "{enumeration}::{symbol}");
            }
        }
    }
}

#[test]
fn two_implementations_agree_on_the_golden_bytes() {
    regenerate_if_asked();
    for published in list() {
        let schema = apache_avro::Schema::parse_str(published.text).unwrap();
        let reader = apache_avro::reader::datum::GenericDatumReader::builder(&schema).build().unwrap();
        for case in cases(published) {
            let bytes = read(&case.file("bin"));
            let mut datum = &bytes[10..];
            reader.read_value(&mut datum).unwrap();
            assert!(datum.is_empty(), "{}", case.file("bin").display());
        }
    }
}

/// One golden value: `<schema>/v<version>[-<branch>]`.
struct Case {
    stem: String,
    value: Value,
}

impl Case {
    fn file(&self, extension: &str) -> PathBuf {
        golden().join(format!("{}.{extension}", self.stem))
    }
}

/// One value for a schema, or one for each branch of its `body`, every field filled with something of its own.
fn cases(published: &Published) -> Vec<Case> {
    let schema: Value = serde_json::from_str(published.text).unwrap();
    let stem = format!("{}/v{}", published.name, published.version);
    let body = schema["fields"].as_array().unwrap().iter().position(|field| field["name"] == "body");
    let Some(body) = body else {
        return vec![Case { stem, value: Filler::default().fill(&schema) }];
    };
    let branches = schema["fields"][body]["type"].as_array().unwrap().len();
    (0..branches)
        .map(|branch| {
            let mut filler = Filler { branch, ..Filler::default() };
            let value = filler.fill(&schema);
            let name = value["body"].as_object().unwrap().keys().next().unwrap();
            Case { stem: format!("{stem}-{}", snake_case(name)), value }
        })
        .collect()
}

/// Makes a value from a schema, in the form the types have in JSON.
#[derive(Default)]
struct Filler<'a> {
    named: BTreeMap<&'a str, &'a Value>,
    branch: usize,
    made: i64,
}

impl<'a> Filler<'a> {
    fn fill(&mut self, schema: &'a Value) -> Value {
        self.learn(schema);
        self.value("", schema)
    }

    fn learn(&mut self, schema: &'a Value) {
        match schema {
            Value::Array(parts) => parts.iter().for_each(|part| self.learn(part)),
            Value::Object(parts) => {
                let is_definition = parts.contains_key("fields") || parts.contains_key("symbols");
                if let Some(name) = schema["name"].as_str().filter(|_| is_definition) {
                    self.named.insert(name, schema);
                }
                parts.values().for_each(|part| self.learn(part));
            }
            _ => {}
        }
    }

    fn value(&mut self, field: &str, schema: &'a Value) -> Value {
        self.made += 1;
        match schema {
            Value::String(kind) => match kind.as_str() {
                "string" => format!("{field} {} é", self.made).into(),
                "bytes" => vec![0, self.made as u8, 0xFF].into(),
                "boolean" => true.into(),
                "int" => (self.made as i32 * if self.made % 2 == 0 { 1 } else { -70_001 }).into(),
                "long" => (self.made * if self.made % 2 == 0 { 1 } else { -1_000_000_000_003 }).into(),
                "double" => (self.made as f64 + 0.125).into(),
                name => self.value(field, self.named[name]),
            },
            Value::Array(branches) if branches[0] == "null" => self.value(field, &branches[1]),
            Value::Array(branches) => {
                let branch = &branches[self.branch];
                let name = branch.as_str().or(branch["name"].as_str()).unwrap();
                Value::Object(Map::from_iter([(name.to_owned(), self.value(field, branch))]))
            }
            _ => match schema["type"].as_str().unwrap() {
                "array" => (0..2).map(|_| self.value(field, &schema["items"])).collect(),
                "enum" => {
                    let symbols = schema["symbols"].as_array().unwrap();
                    symbols[self.made as usize % symbols.len()].clone()
                }
                "record" => {
                    let fields = schema["fields"].as_array().unwrap().iter();
                    fields
                        .map(|field| {
                            let name = field["name"].as_str().unwrap();
                            (name.to_owned(), self.value(name, &field["type"]))
                        })
                        .collect()
                }
                other => unreachable!("no schema of ours has a {other}"),
            },
        }
    }
}

/// Where in the golden values an enumeration occurs.
struct At {
    case: usize,
    pointer: String,
}

/// Every enumeration of a schema, its symbols, and the first place it occurs at.
fn enumerations(published: &Published) -> Vec<(String, Vec<String>, At)> {
    let schema: Value = serde_json::from_str(published.text).unwrap();
    let mut filler = Filler::default();
    filler.learn(&schema);
    let enumerations = filler.named.values().filter(|named| named["type"] == "enum");
    enumerations
        .map(|named| {
            let symbols: Vec<String> = serde_json::from_value(named["symbols"].clone()).unwrap();
            let name = named["name"].as_str().unwrap().to_owned();
            let at = place(&schema, published, &filler, &name);
            (name, symbols, at)
        })
        .collect()
}

fn place(schema: &Value, published: &Published, filler: &Filler<'_>, wanted: &str) -> At {
    for case in 0..cases(published).len() {
        if let Some(pointer) = find(schema, filler, case, wanted, "") {
            return At { case, pointer };
        }
    }
    panic!("{}: {wanted} is named but never used", published.name)
}

fn find(schema: &Value, filler: &Filler<'_>, branch: usize, wanted: &str, pointer: &str) -> Option<String> {
    match schema {
        Value::String(name) => filler.named.get(name.as_str()).and_then(|s| find(s, filler, branch, wanted, pointer)),
        Value::Array(branches) if branches[0] == "null" => find(&branches[1], filler, branch, wanted, pointer),
        Value::Array(branches) => {
            let one = &branches[branch];
            let name = one.as_str().or(one["name"].as_str()).unwrap();
            find(one, filler, branch, wanted, &format!("{pointer}/{name}"))
        }
        _ if schema["name"] == wanted => Some(pointer.to_owned()),
        _ if schema["type"] == "array" => find(&schema["items"], filler, branch, wanted, &format!("{pointer}/0")),
        _ => schema["fields"].as_array()?.iter().find_map(|field| {
            let name = field["name"].as_str().unwrap();
            find(&field["type"], filler, branch, wanted, &format!("{pointer}/{name}"))
        }),
    }
}

fn to_json(name: SchemaName, bytes: &[u8]) -> Result<Value, SchemaError> {
    let value = match name {
        SchemaName::Signal => serde_json::to_value(Signal::decode(bytes)?),
        SchemaName::Anomaly => serde_json::to_value(AnomalyRecord::decode(bytes)?),
        SchemaName::Incident => serde_json::to_value(IncidentRecord::decode(bytes)?),
        SchemaName::Command => serde_json::to_value(Command::decode(bytes)?),
        SchemaName::Result => serde_json::to_value(CommandResult::decode(bytes)?),
        SchemaName::Notification => serde_json::to_value(Notification::decode(bytes)?),
        SchemaName::Control => serde_json::to_value(Control::decode(bytes)?),
        SchemaName::Object => serde_json::to_value(ObjectRecord::decode(bytes)?),
        SchemaName::DeadLetter => serde_json::to_value(DeadLetter::decode(bytes)?),
    };
    Ok(value.unwrap())
}

fn to_bytes(name: SchemaName, json: &str) -> Result<Vec<u8>, SchemaError> {
    match name {
        SchemaName::Signal => serde_json::from_str::<Signal<'_>>(json).unwrap().encode(),
        SchemaName::Anomaly => serde_json::from_str::<AnomalyRecord<'_>>(json).unwrap().encode(),
        SchemaName::Incident => serde_json::from_str::<IncidentRecord<'_>>(json).unwrap().encode(),
        SchemaName::Command => serde_json::from_str::<Command<'_>>(json).unwrap().encode(),
        SchemaName::Result => serde_json::from_str::<CommandResult<'_>>(json).unwrap().encode(),
        SchemaName::Notification => serde_json::from_str::<Notification<'_>>(json).unwrap().encode(),
        SchemaName::Control => serde_json::from_str::<Control<'_>>(json).unwrap().encode(),
        SchemaName::Object => serde_json::from_str::<ObjectRecord<'_>>(json).unwrap().encode(),
        SchemaName::DeadLetter => serde_json::from_str::<DeadLetter<'_>>(json).unwrap().encode(),
    }
}

/// Whether everything stored is in what was decoded; fields added since may come on top.
fn covers(decoded: &Value, stored: &Value) -> bool {
    match (decoded, stored) {
        (Value::Object(decoded), Value::Object(stored)) => {
            stored.iter().all(|(name, value)| decoded.get(name).is_some_and(|field| covers(field, value)))
        }
        (Value::Array(decoded), Value::Array(stored)) => {
            decoded.len() == stored.len() && decoded.iter().zip(stored).all(|(d, s)| covers(d, s))
        }
        _ => decoded == stored,
    }
}

fn is_newest(published: &Published) -> bool {
    list().iter().all(|other| other.name != published.name || other.version <= published.version)
}

fn regenerate_if_asked() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        if std::env::var_os("BELLBUOY_REGENERATE_GOLDEN").is_none_or(|value| value != "1") {
            return;
        }
        for published in list().iter().filter(|p| is_newest(p)) {
            for case in cases(published) {
                fs::create_dir_all(case.file("bin").parent().unwrap()).unwrap();
                let bytes = to_bytes(published.name, &case.value.to_string()).unwrap();
                fs::write(case.file("bin"), bytes).unwrap();
                fs::write(case.file("json"), format!("{:#}\n", case.value)).unwrap();
            }
        }
        let file = golden().join("fingerprints.txt");
        let mut pinned = String::from_utf8(read(&file)).unwrap();
        for line in schemas::registry::pins().lines() {
            let subject: String = line.split_inclusive(' ').take(2).collect();
            if !pinned.lines().any(|pin| pin.starts_with(&subject)) {
                pinned += &format!("{line}\n");
            }
        }
        fs::write(file, pinned).unwrap();
    });
}

fn golden() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/golden"))
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for (index, letter) in name.chars().enumerate() {
        if index > 0 && letter.is_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
