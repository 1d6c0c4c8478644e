//! The page: one file, with its style and its program in it.

use super::answer::answer;

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The answer that is the page, titled `name`; `nonce` is random and marks what is ours on it.
pub(crate) fn page(name: &str, nonce: &str) -> Vec<u8> {
    let title: String = name.chars().filter(|c| !"<>&\"'".contains(*c)).collect();
    let page = PAGE.replace("TITLE", &title).replace("NONCE", nonce);
    let page = page.replace("/* STYLE */", STYLE).replace("/* SCRIPT */", SCRIPT);
    let policy = format!(
        "Content-Security-Policy: default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; \
         img-src 'self' data: blob:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'\r\n"
    );
    answer("200 OK", "text/html; charset=utf-8", &policy, page.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_fetched_and_all_of_ours_is_marked() {
        let page = String::from_utf8(page("<Ringer>", "abc123")).unwrap();
        assert!(page.contains("<title>Ringer</title>"));
        assert_eq!(page.matches("href=\"").count(), page.matches("href=\"data:,\"").count());
        assert_eq!(page.matches("nonce=\"abc123\"").count(), 2, "style and program");
        for part in ["NONCE", "/* STYLE */", "/* SCRIPT */", "src=\"", "https:", "@import"] {
            assert!(!page.contains(part), "{part}");
        }
    }
}
