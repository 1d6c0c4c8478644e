//! Compares what a run did with what its description expects.

use crate::report::RunReport;
use crate::spec::{End, Spec};

/// Characters of unexpected output that a message shows.
const SHOWN: usize = 400;

/// What was wrong, if anything.
pub fn judge(spec: &Spec, report: &RunReport, serial: &[u8]) -> Option<String> {
    let mut faults = Vec::new();
    let end = spec.end();
    if report.end != end.name() {
        faults.push(format!("ended by {}, not by {}: {}", report.end, end.name(), report.detail));
    } else if end == End::DebugExit {
        let wanted = spec.debug_exit.unwrap_or(0);
        if report.value != Some(wanted) {
            let value = report.value.unwrap_or_default();
            faults.push(format!("debug-exit value {value:#x}, not {wanted:#x}"));
        }
    }
    let text = String::from_utf8_lossy(serial);
    if let Some(wanted) = &spec.serial
        && wanted.as_bytes() != serial
    {
        faults.push(format!("serial is {}, not {}", quoted(&text), quoted(wanted)));
    }
    let mut rest: &str = &text;
    for wanted in &spec.serial_contains {
        match rest.split_once(wanted.as_str()) {
            Some((_, after)) => rest = after,
            None => {
                let there = quoted(&text);
                faults.push(format!("serial lacks {}: {there}", quoted(wanted)));
                break;
            }
        }
    }
    if let Some(wanted) = &spec.post
        && *wanted != report.post
    {
        faults.push(format!("POST codes {:02x?}, not {wanted:02x?}", report.post));
    }
    // A failing ROM says on the console why; show it unless a message has it already.
    if !faults.is_empty() && spec.serial.is_none() && spec.serial_contains.is_empty() {
        faults.push(format!("serial was {}", quoted(&text)));
    }
    (!faults.is_empty()).then(|| faults.join("; "))
}

/// The text in quotes with escapes, only its end if it is long.
fn quoted(text: &str) -> String {
    let skip = text.chars().count().saturating_sub(SHOWN);
    let tail: String = text.chars().skip(skip).collect();
    format!("{}{tail:?}", if skip > 0 { "…" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(end: &str, value: Option<u32>) -> RunReport {
        RunReport {
            end: end.to_owned(),
            status: 0,
            value,
            detail: "so it was".to_owned(),
            post: vec![1, 2],
            instructions: 0,
            digest: String::new(),
            sections: std::collections::BTreeMap::new(),
        }
    }

    fn fault(spec: &str, report: &RunReport, serial: &str) -> Option<String> {
        judge(&Spec::parse(spec).unwrap(), report, serial.as_bytes())
    }

    #[test]
    fn an_expected_run_passes() {
        let ok = report("debug-exit", Some(3));
        let spec = "debug-exit = 3\nserial = \"PASS\\r\\n\"\nserial-contains = ['A', 'S']\n\
                    post = [1, 2]";
        assert_eq!(fault(spec, &ok, "PASS\r\n"), None);
        assert_eq!(fault("end = 'triple-fault'", &report("triple-fault", None), ""), None);
    }

    #[test]
    fn every_difference_is_named() {
        let ok = report("debug-exit", Some(0));
        let told = fault("debug-exit = 1", &ok, "").unwrap();
        assert!(told.contains("0x0, not 0x1"), "{told}");
        let told = fault("", &report("timeout", None), "stuck").unwrap();
        assert!(told.contains("timeout") && told.contains("stuck"), "{told}");
        let told = fault("serial = 'PASS'", &ok, "PASSED").unwrap();
        assert!(told.contains("\"PASSED\", not \"PASS\""), "{told}");
        let told = fault("serial-contains = ['b', 'a']", &ok, "ab").unwrap();
        assert!(told.contains("lacks \"a\""), "{told}");
        let told = fault("post = [1]", &ok, "").unwrap();
        assert!(told.contains("[01, 02], not [01]"), "{told}");
    }
}
