//! A browser without a window, driven by its own protocol for that.

use crate::common::{Files, have};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use tungstenite::{Message, WebSocket};

const PATIENCE: Duration = Duration::from_secs(60);

/// A page in a browser.
pub struct Page {
    browser: Child,
    line: WebSocket<TcpStream>,
    session: Option<String>,
    number: u64,
    /// What its program said went wrong.
    pub complaints: Vec<Value>,
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.browser.kill();
        let _ = self.browser.wait();
    }
}

impl Page {
    /// Opens `url`; `None` without a browser.
    pub fn open(files: &Files, url: &str) -> Option<Self> {
        let mut browser = have("chromium")?;
        browser.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]);
        browser.args(["--no-first-run", "--disable-extensions", "--remote-debugging-port=0"]);
        browser.arg("--window-size=1000,800");
        browser.arg(format!("--user-data-dir={}", files.path("user").display()));
        browser.arg("about:blank").stdout(Stdio::null()).stderr(Stdio::piped());
        let mut browser = browser.spawn().expect("the browser starts");
        let said = BufReader::new(browser.stderr.take().expect("a pipe"));
        let mut said = said.lines();
        let address = said.by_ref().find_map(|line| {
            line.expect("text").strip_prefix("DevTools listening on ").map(str::to_owned)
        });
        // Its other words must go somewhere.
        std::thread::spawn(move || said.for_each(drop));
        let address = address.expect("the browser says where it listens");
        let host = address.strip_prefix("ws://").and_then(|rest| rest.split('/').next());
        let stream = TcpStream::connect(host.expect("an address")).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time");
        let (line, _) = tungstenite::client(&address, stream).expect("a handshake");
        let mut page = Self { browser, line, session: None, number: 0, complaints: Vec::new() };
        let target = page.call("Target.createTarget", json!({ "url": "about:blank" }));
        let id = &target["targetId"];
        let session =
            page.call("Target.attachToTarget", json!({ "targetId": id, "flatten": true }));
        page.session = session["sessionId"].as_str().map(str::to_owned);
        page.call("Runtime.enable", json!({}));
        page.call("Log.enable", json!({}));
        page.call("Page.enable", json!({}));
        page.call("Page.navigate", json!({ "url": url }));
        Some(page)
    }

    /// Calls a method; what it answers.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.number += 1;
        let mut message = json!({ "id": self.number, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.line.send(Message::Text(message.to_string().into())).expect("the browser listens");
        loop {
            let Message::Text(text) = self.line.read().expect("the browser answers") else {
                continue;
            };
            let message: Value = serde_json::from_str(&text).expect("JSON");
            let error = message["method"] == "Log.entryAdded"
                && message["params"]["entry"]["level"] == "error";
            if message["method"] == "Runtime.exceptionThrown" || error {
                self.complaints.push(message["params"].clone());
            }
            if message["id"] == self.number {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
        }
    }

    /// What `text` is in the page, in its own language.
    pub fn eval(&mut self, text: &str) -> Value {
        let params = json!({ "expression": text, "returnByValue": true, "awaitPromise": true });
        let result = self.call("Runtime.evaluate", params);
        assert!(result["exceptionDetails"].is_null(), "{text}: {result}");
        result["result"]["value"].clone()
    }

    /// Waits until `text` is true there.
    pub fn wait(&mut self, text: &str) {
        let begun = Instant::now();
        while self.eval(&format!("Boolean({text})")) != true {
            let all = self.eval("document.body?.innerText ?? ''");
            assert!(begun.elapsed() < PATIENCE, "{text}: {all}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Presses a key, or releases it.
    pub fn key(&mut self, code: &str, key: &str, number: u32, down: bool) {
        let kind = if down { "rawKeyDown" } else { "keyUp" };
        let params =
            json!({ "type": kind, "code": code, "key": key, "windowsVirtualKeyCode": number });
        self.call("Input.dispatchKeyEvent", params);
    }

    /// The pixels of the canvas: its size, and red, green and blue of each.
    pub fn pixels(&mut self) -> (usize, usize, Vec<u8>) {
        let value = self.eval(
            "(() => { const c = document.getElementById('screen');
                const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
                let text = c.width + ' ' + c.height + ' ';
                for (let n = 0; n < d.length; n++) if (n % 4 < 3) text += d[n].toString(16).padStart(2, '0');
                return text; })()",
        );
        let text = value.as_str().expect("a text");
        let mut parts = text.split(' ');
        let mut size = || parts.next().and_then(|n| n.parse().ok()).expect("a size");
        let (width, height) = (size(), size());
        let digits = parts.next().expect("pixels").as_bytes();
        let digit = |d: u8| if d < b'a' { d - b'0' } else { d - b'a' + 10 };
        (width, height, digits.chunks(2).map(|d| digit(d[0]) << 4 | digit(d[1])).collect())
    }
}
