//! The published files for pipelines: each is YAML, and what it runs works, in every part of the matrix.

mod common;

use common::{Files, command, debug_exit, errors, flat};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use yaml_rust2::{Yaml, YamlLoader};

/// The tests of the suite.
const TESTS: usize = 9;

fn docs(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci").join(name);
    std::fs::read_to_string(path).expect("the file is there")
}

fn yaml(name: &str) -> Yaml {
    YamlLoader::load_from_str(&docs(name)).expect("YAML").remove(0)
}

/// A checkout with a suite in `roms`.
fn checkout() -> Files {
    let files = Files::new();
    std::fs::create_dir(files.path("roms")).expect("a folder");
    for name in ["a", "b", "c"] {
        files.write(&format!("roms/{name}.bin"), &flat(&debug_exit(0)));
    }
    files
}

/// Runs a script of the file as a forge would, in a copy of the checkout, and adds the tests that it ran to
/// `ran`.
fn run(script: &str, environment: &[(String, String)], ran: &mut Vec<String>) {
    let files = checkout();
    let ringer = PathBuf::from(env!("CARGO_BIN_EXE_ringer"));
    let tools = ringer.parent().expect("a folder").display().to_string();
    let path = format!("{tools}:{}", std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", script]).current_dir(files.dir()).env("PATH", path);
    shell.env("RINGER_CACHE_DIR", files.path("cache"));
    shell.envs(environment.iter().map(|(name, value)| (name, value)));
    let output = shell.output().expect("sh starts");
    assert!(output.status.success(), "{script}: {}", errors(&output));
    assert!(files.read("results.xml").contains("<testsuites "), "{script}");
    for line in files.read("results.jsonl").lines() {
        let event: serde_json::Value = serde_json::from_str(line).expect(line);
        if event["event"] == "test-finished" {
            assert_eq!(event["result"], "passed", "{event}");
            ran.push(event["test"]["name"].as_str().expect("a name").to_owned());
        }
    }
}

/// Every test has run once.
fn assert_whole(ran: &[String]) {
    let different: BTreeSet<&String> = ran.iter().collect();
    assert_eq!((ran.len(), different.len()), (TESTS, TESTS), "{ran:?}");
}

fn text(value: &Yaml) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value:?} is no text"))
}

#[test]
fn the_workflow_for_github_runs_the_whole_suite_in_its_parts() {
    let file = yaml("github.yml");
    let job = &file["jobs"]["roms"];
    let shards = job["strategy"]["matrix"]["shard"].as_vec().expect("a matrix");
    assert!(shards.len() > 1);
    let steps = job["steps"].as_vec().expect("steps");
    let scripts: Vec<&str> = steps.iter().filter_map(|step| step["run"].as_str()).collect();
    assert!(scripts.iter().any(|script| script.contains("ringer test")), "{scripts:?}");
    let mut ran = Vec::new();
    for shard in shards {
        let shard = shard.as_i64().expect("a number").to_string();
        let known = |text: &str| {
            let text = text.replace("${{ matrix.shard }}", &shard);
            text.replace("${{ strategy.job-total }}", &shards.len().to_string())
        };
        let pairs = job["env"].as_hash().expect("variables").iter();
        let environment: Vec<(String, String)> =
            pairs.map(|(name, value)| (text(name).to_owned(), known(text(value)))).collect();
        for script in &scripts {
            let script = known(script);
            assert!(!script.contains("${{"), "{script}");
            run(&script, &environment, &mut ran);
        }
    }
    assert_whole(&ran);
}

#[test]
fn the_pipeline_for_gitlab_runs_the_whole_suite_in_its_parts() {
    let file = yaml("gitlab-ci.yml");
    let job = &file["roms"];
    let parallel = job["parallel"].as_i64().expect("a number");
    assert!(parallel > 1);
    assert_eq!(text(&job["artifacts"]["reports"]["junit"]), "results.xml");
    let lines = job["script"].as_vec().expect("a script").iter().map(text);
    let script = lines.collect::<Vec<_>>().join("\n");
    let mut ran = Vec::new();
    for index in 1..=parallel {
        let pairs = job["variables"].as_hash().expect("variables").iter();
        let mut environment: Vec<(String, String)> =
            pairs.map(|(name, value)| (text(name).to_owned(), text(value).to_owned())).collect();
        environment.push(("CI_NODE_INDEX".to_owned(), index.to_string()));
        environment.push(("CI_NODE_TOTAL".to_owned(), parallel.to_string()));
        run(&script, &environment, &mut ran);
    }
    assert_whole(&ran);
}

#[test]
fn the_containers_command_is_one_that_ringer_has() {
    let file = docs("Containerfile");
    let line = file.lines().find_map(|line| line.strip_prefix("CMD ")).expect("a command");
    let words: Vec<String> = serde_json::from_str(line).expect("JSON");
    assert_eq!(words[..2], ["ringer", "test"]);
    let files = checkout();
    let output = command().arg(&words[1]).arg(files.path("roms")).output().expect("it starts");
    assert!(output.status.success(), "{}", errors(&output));
    // What it copies into the image is what the script leaves that packs it.
    let copied = file.lines().find_map(|line| line.strip_prefix("COPY ")).expect("a copy");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/package.sh");
    if let Ok(script) = std::fs::read_to_string(script) {
        assert!(script.contains("rootfs/usr/bin"), "{copied}");
    }
}
