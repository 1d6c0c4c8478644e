//! The pages in a real browser: no error on its console, nothing fetched, and the numbers that it shows are
//! those of the JSON. Without a browser the tests say that they are skipped; with `CI` set they fail.

mod common;

use common::sample;
use ringer_profile::{Diff, DiffOptions, ProfileFile, diff_html, html};
use serde_json::Value;
use std::fs;
use std::process::Command;
use tempfile::TempDir;

const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// Uses all that can be used on a page, and hands what it shows to the test.
const PROBE: &str = r#"<script>
addEventListener("load", () => {
  const out = { keys: {}, tables: {}, sorted: [], theme: [], wide: [] };
  for (const e of document.querySelectorAll("dd[data-key]")) out.keys[e.dataset.key] = e.textContent;
  const cells = (row) => [...row.cells].map((cell) => cell.textContent.trim());
  for (const t of document.querySelectorAll("table.sortable"))
    out.tables[t.id] = [...t.tBodies[0].rows].map(cells);
  for (const t of document.querySelectorAll("table.sortable")) {
    [...t.tHead.rows[0].cells].forEach((head, column) => {
      const button = head.querySelector("button");
      if (!button) return;
      for (const click of [1, 2]) {
        button.click();
        const down = head.getAttribute("aria-sort") === "descending";
        const numeric = head.classList.contains("n");
        const keys = [...t.tBodies[0].rows].map((r) => r.cells[column].dataset.v ?? r.cells[column].textContent.trim());
        const ok = keys.every((key, k) => k === 0 || (numeric ? (down ? -1 : 1) * (key - keys[k - 1]) >= 0
          : (down ? -1 : 1) * key.localeCompare(keys[k - 1]) >= 0));
        out.sorted.push(ok);
      }
    });
  }
  const toggle = document.querySelector(".toggle");
  const background = () => getComputedStyle(document.body).backgroundColor;
  out.theme = [background(), (toggle.click(), background()), (toggle.click(), background())];
  for (const input of document.querySelectorAll(".filter input")) {
    const rows = [...document.getElementById(input.dataset.table).tBodies[0].rows];
    input.value = "no such thing";
    input.dispatchEvent(new Event("input"));
    out.filtered = rows.filter((row) => !row.hidden).length;
    input.value = "";
    input.dispatchEvent(new Event("input"));
    out.unfiltered = rows.filter((row) => !row.hidden).length === rows.length;
  }
  for (const d of document.querySelectorAll("details")) d.open = true;
  const lanes = document.querySelector(".lanes");
  if (lanes) {
    const box = lanes.querySelector(".lane").getBoundingClientRect();
    lanes.dispatchEvent(new PointerEvent("pointermove", { clientX: box.left + box.width / 2, clientY: box.top + 5 }));
    out.under = lanes.querySelector(".lane-name[data-values] span").textContent;
    lanes.dispatchEvent(new PointerEvent("pointerleave"));
  }
  out.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  out.scripts = document.scripts.length;
  out.bold = [...document.querySelectorAll("b")].filter((b) => b.textContent.includes("operator")).length;
  out.fetched = performance.getEntriesByType("resource").map((entry) => entry.name);
  const pre = document.createElement("pre");
  pre.id = "probe";
  pre.textContent = encodeURIComponent(JSON.stringify(out));
  document.body.append(pre);
});
</script>"#;

fn browser() -> Option<&'static str> {
    let runs = |name: &&&str| {
        let output = Command::new(**name).arg("--version").output();
        output.is_ok_and(|output| output.status.success())
    };
    let found = BROWSERS.iter().find(runs).copied();
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "CI needs a browser: {BROWSERS:?}");
        eprintln!("skipped: no browser ({BROWSERS:?})");
    }
    found
}

/// What the probe found on `page` at a width; the browser's console had nothing to say.
fn probe(browser: &str, page: &str, width: u32) -> Value {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("page.html");
    fs::write(&path, page.replace("</body>", &format!("{PROBE}</body>"))).unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        .args(["--no-first-run", "--disable-extensions", "--enable-logging=stderr"])
        .args(["--virtual-time-budget=5000", "--dump-dom"])
        .arg(format!("--window-size={width},900"))
        .arg(format!("--user-data-dir={}", folder.path().join("user").display()))
        .arg(format!("file://{}", path.display()))
        .output()
        .expect("the browser starts");
    let said = String::from_utf8_lossy(&output.stderr);
    let console: Vec<&str> = said.lines().filter(|line| line.contains("CONSOLE")).collect();
    assert!(console.is_empty(), "the browser's console: {console:?}");
    let dom = String::from_utf8_lossy(&output.stdout);
    let found =
        dom.split_once("<pre id=\"probe\">").and_then(|(_, rest)| rest.split_once("</pre>"));
    let (text, _) = found.unwrap_or_else(|| panic!("the page's script ends: {said}"));
    serde_json::from_str(&decoded(text)).expect("the probe's JSON")
}

/// Text without `%41` and the like.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'%' {
            let digits = std::str::from_utf8(&tail[..2]).expect("two digits");
            bytes.push(u8::from_str_radix(digits, 16).expect("hexadecimal digits"));
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}

/// What a number on the page says, and how exactly.
fn shown(text: &str) -> (f64, f64) {
    let digits = text.replace(',', "");
    let behind = digits.split_once('.').map_or(0, |(_, behind)| behind.len() as i32);
    let value = digits.parse().unwrap_or_else(|_| panic!("a number: {text}"));
    (value, 0.5 * 10f64.powi(-behind) * 1.000_001)
}

fn assert_shows(text: &str, wanted: &Value, what: &str) {
    let (value, exact) = shown(text);
    let wanted = wanted.as_f64().unwrap_or_else(|| panic!("{what} is a number"));
    let exact = if text.contains('.') { exact } else { 0.0 };
    assert!((value - wanted).abs() <= exact, "{what}: the page has {text}, the JSON {wanted}");
}

fn assert_usable(found: &Value) {
    let sorted = found["sorted"].as_array().unwrap();
    assert!(!sorted.is_empty() && sorted.iter().all(|ok| ok == true), "every table sorts");
    let theme = &found["theme"];
    assert!(theme[0] != theme[1] && theme[0] == theme[2], "the button switches: {theme}");
    assert_eq!(found["overflow"], 0, "the page is as wide as the window");
    assert_eq!(found["fetched"], serde_json::json!([]), "nothing is fetched");
    assert_eq!(found["scripts"], 2, "the page's script and the probe's: no name became one");
}

/// The rows of a table on the page hold what a list of the JSON does.
fn assert_table(found: &Value, id: &str, list: &Value, columns: &[(usize, &str)]) {
    let rows = found["tables"][id].as_array().unwrap_or_else(|| panic!("the table {id}"));
    let list = list.as_array().unwrap();
    assert_eq!(rows.len(), list.len(), "{id}");
    for (row, entry) in rows.iter().zip(list) {
        for (column, key) in columns {
            let text = row[*column].as_str().unwrap();
            match &entry[*key] {
                Value::String(wanted) => assert!(wanted.ends_with(text), "{id}: {text}, {wanted}"),
                wanted => assert_shows(text, wanted, &format!("{id}.{key}")),
            }
        }
    }
}

/// A table's id, its list in the JSON, and which columns show which keys.
type Table = (&'static str, &'static str, &'static [(usize, &'static str)]);

fn assert_numbers(found: &Value, json: &Value) {
    let keys = found["keys"].as_object().unwrap();
    for (key, text) in keys {
        assert_shows(text.as_str().unwrap(), &json[key], key);
    }
    for (key, value) in json.as_object().unwrap() {
        let number = value.is_number() && key != "format";
        assert!(!number || keys.contains_key(key), "{key} is on the page");
    }
    let ledger: Vec<Value> = json["ledger"].as_array().unwrap().clone();
    let mut rows = found["tables"]["ledger-table"].as_array().unwrap().clone();
    let residual = rows.pop().unwrap();
    assert_shows(residual[1].as_str().unwrap(), &json["residual_seconds"], "residual");
    let used = ledger.iter().filter(|row| row["count"] != 0 || row["seconds"] != 0.0);
    let used: Vec<&Value> = used.collect();
    assert_eq!(rows.len(), used.len());
    for (row, wanted) in rows.iter().zip(used) {
        assert_eq!(row[0], wanted["name"]);
        assert_shows(row[1].as_str().unwrap(), &wanted["seconds"], "ledger");
        assert_shows(row[3].as_str().unwrap(), &wanted["count"], "ledger");
    }
    let tables: [Table; 6] = [
        (
            "symbols-table",
            "symbols",
            &[(0, "name"), (2, "seconds"), (4, "samples"), (6, "callouts")],
        ),
        (
            "pages-table",
            "pages",
            &[(0, "linear"), (3, "seconds"), (4, "samples"), (6, "host_bytes")],
        ),
        ("indirect-table", "indirect_sites", &[(1, "eip"), (4, "hits"), (5, "misses")]),
        ("callouts-table", "callout_sites", &[(1, "eip"), (3, "why"), (4, "count")]),
        ("faults-table", "fault_sites", &[(1, "eip"), (3, "kind"), (4, "count")]),
        ("invalidations-table", "invalidation_sites", &[(0, "page"), (4, "count"), (5, "blocks")]),
    ];
    for (id, key, columns) in tables {
        assert_table(found, id, &json[key], columns);
    }
}

#[test]
fn a_profile_is_shown_without_errors_and_its_numbers_are_the_jsons() {
    let Some(browser) = browser() else { return };
    let profile = sample();
    let page = html(&profile);
    let json = serde_json::to_value(&profile).unwrap();
    for width in [1280, 800] {
        let found = probe(browser, &page, width);
        assert_usable(&found);
        assert_numbers(&found, &json);
        assert_eq!((&found["filtered"], &found["unfiltered"]), (&0.into(), &true.into()));
        let under = found["under"].as_str().unwrap();
        assert!(under.ends_with(" at 1.25 s"), "the lane under the pointer: {under}");
    }
}

#[test]
fn a_profile_of_the_first_format_and_an_empty_one_are_shown() {
    let Some(browser) = browser() else { return };
    let mut profile = ProfileFile::default();
    profile.summary.engine = "bt".into();
    assert_eq!(probe(browser, &html(&profile), 1280)["overflow"], 0);
}

#[test]
fn a_comparison_is_shown_without_errors() {
    let Some(browser) = browser() else { return };
    let (a, mut b) = (sample(), sample());
    b.summary.ledger[3].seconds += 1.0;
    b.summary.seconds += 1.0;
    let diff = Diff::new(&[a], &[b], DiffOptions::default()).unwrap();
    let found = probe(browser, &diff_html(&diff), 1280);
    assert_usable(&found);
    let rows = found["tables"]["ledger-table"].as_array().unwrap();
    assert_eq!((&rows[0][0], &rows[0][3]), (&"dispatcher".into(), &"+1.0000".into()));
}

/// `RINGER_PROFILE` names the profile of a run (`scripts/profile-check.sh` makes one of Debian's boot).
#[test]
fn a_real_profile_is_shown_without_errors_and_its_numbers_are_the_jsons() {
    let Some(path) = std::env::var_os("RINGER_PROFILE") else { return };
    let Some(browser) = browser() else { return };
    let text = fs::read_to_string(&path).expect("the profile that RINGER_PROFILE names");
    let profile = ProfileFile::parse(text.as_bytes(), path.as_ref()).expect("a profile");
    let json: Value = serde_json::from_str(&text).expect("JSON");
    let page = html(&profile);
    for width in [1280, 800] {
        let found = probe(browser, &page, width);
        assert_usable(&found);
        assert_numbers(&found, &json);
    }
}
