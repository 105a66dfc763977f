//! Pages as a browser lays them out.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tokio::process::Command;

/// Widths of a telephone and of a desk, in pixels.
const WIDTHS: [u32; 2] = [500, 1280];

/// Put at a page's end: writes down what became of it.
const PROBE: &str = r#"<script>
addEventListener("load", () => {
const root = document.documentElement, plots = [...document.querySelectorAll("svg")];
const found = {
  wider: root.scrollWidth - root.clientWidth,
  scripts: document.scripts.length - 1,
  loaded: performance.getEntriesByType("resource").filter(e => !e.name.startsWith("data:")).length,
  broken: [...document.images].filter(image => !image.complete || image.naturalWidth === 0).length,
  empty: plots.filter(plot => plot.getBoundingClientRect().width < 100
    || plot.querySelectorAll("polyline, polygon, circle, line, rect").length < 4).length,
  unlabelled: plots.filter(plot => plot.querySelectorAll("text").length < 2).length,
};
root.innerHTML = "FOUND" + JSON.stringify(found) + "DNUOF";
});
</script>"#;

#[expect(clippy::print_stdout, reason = "a test says what it leaves out")]
fn skip(page: &Path) {
    println!("skipped: {} was not looked at; install chromium for that", page.display());
}

/// Opens a page in a headless browser, narrow and wide: nothing is wider than the window, no plot is empty
/// or without labels, every picture is there, and nothing is fetched or run.
///
/// # Panics
/// When that is not so. Without a browser nothing is looked at, which is said.
pub async fn look(page: &Path) {
    let Some(browser) = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| Path::new("/usr/bin").join(name).exists())
    else {
        return skip(page);
    };
    let probed = page.with_extension("probed.html");
    let text = fs::read_to_string(page).unwrap().replace("</body>", &format!("{PROBE}</body>"));
    assert!(text.contains("FOUND"), "{} has no end", page.display());
    fs::write(&probed, text).unwrap();
    for width in WIDTHS {
        let profile = tempfile::tempdir().unwrap();
        let out = Command::new(browser)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
            .arg(format!("--window-size={width},900"))
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("file://{}", probed.display()))
            .output()
            .await
            .unwrap();
        let dom = String::from_utf8_lossy(&out.stdout);
        let found = dom.split("FOUND").nth(1).and_then(|rest| rest.split("DNUOF").next());
        let found = found.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&out.stderr)));
        let found: Value = serde_json::from_str(found).unwrap();
        for (what, count) in found.as_object().unwrap() {
            assert!(count.as_i64() <= Some(0), "{} at {width}: {what} in {found}", page.display());
        }
    }
}
