//! The string that was planted in a command line, looked for everywhere it must not be.

use crate::installation::Installation;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use engine::state::StateStores as _;
use engine::state::rocks::RocksStores;
use engine::task::TaskId;
use std::fs;
use std::path::Path;
use topics::declared::SIGNALS;

const PLANTED: &str = "planted-not-a-secret";

/// Fails if it stands in any topic of ours, in what the program said, or in a file of state or checkpoints.
pub fn assert_told_nowhere(site: &Installation, told: &[String]) {
    let forms = forms();
    let find = |bytes: &[u8]| forms.iter().any(|form| bytes.windows(form.len()).any(|window| window == form));
    let mut raw = 0;
    let names: Vec<String> =
        site.log().topics().expect("the log can be read").into_iter().map(|topic| topic.spec.name).collect();
    for name in names {
        for record in site.records(&name).into_iter().flatten() {
            let mut parts = vec![record.key.unwrap_or_default(), record.value.unwrap_or_default()];
            for (header, value) in record.headers {
                parts.extend([header.into_bytes().into(), value]);
            }
            let stands = parts.iter().any(|part| find(part));
            if topics::find(&name).is_none() {
                raw += usize::from(stands);
            } else {
                assert!(!stands, "it stands in {name} at offset {}", record.offset);
            }
        }
    }
    assert!(raw > 0, "it does not even stand in the raw topics: this search finds nothing");
    for text in told {
        assert!(!find(text.as_bytes()), "the program has said it:\n{text}");
    }

    let stores = RocksStores::new(&site.place("state"), 8 << 20);
    let mut entries = 0;
    for partition in 0..4 {
        let task = TaskId { job: "detect".to_owned(), topic: SIGNALS.name.to_owned(), partition };
        let store = stores.open(&task).expect("the state can be opened");
        let mut look = |key: &[u8], value: &[u8]| {
            entries += 1;
            assert!(!find(key) && !find(value), "it stands in the state of {task}");
        };
        store.snapshot().and_then(|snapshot| snapshot.entries(&mut look)).expect("the state can be read");
    }
    assert!(entries > 0, "there is no state to look into");
    for folder in ["state", "checkpoints"] {
        for_each_file(&site.place(folder), &mut |path, bytes| {
            assert!(!find(bytes), "it stands in {}", path.display());
        });
    }
}

/// As it is, in hexadecimal digits, and in base64 however it lies among the bytes before it.
fn forms() -> Vec<Vec<u8>> {
    let hexadecimal = PLANTED.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut forms = vec![PLANTED.as_bytes().to_vec(), hexadecimal.into_bytes()];
    for before in 0..3 {
        let encoded = STANDARD_NO_PAD.encode([&vec![0; before][..], PLANTED.as_bytes()].concat());
        // The first and the last digits also depend on the neighbours.
        forms.push(encoded.as_bytes()[4..encoded.len() - 2].to_vec());
    }
    forms
}

fn for_each_file(folder: &Path, look: &mut dyn FnMut(&Path, &[u8])) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            for_each_file(&path, look);
        } else {
            look(&path, &fs::read(&path).expect("a file can be read"));
        }
    }
}
