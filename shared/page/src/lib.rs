//! Pages that people read: one HTML file each, with its plots inside, that fetches nothing.
//!
//! * [`page`]: the frame, the same for all.
//! * [`figure`]: a picture with its caption.
//! * [`plot`]: a picture as SVG text, drawn by `plotters`.

use maud::{DOCTYPE, Markup, PreEscaped, Render, html};
use plotters::prelude::{DrawingAreaErrorKind, DrawingBackend, RGBColor, SVGBackend};

/// What a plot shows.
pub const INK: RGBColor = RGBColor(31, 92, 153);
/// What it is to be compared with.
pub const ACCENT: RGBColor = RGBColor(200, 90, 40);

/// Readable in light and dark and on a telephone: what is too wide scrolls by itself. Plots keep a white
/// ground, which their colours are chosen for.
const STYLE: &str = "
:root { color-scheme: light dark; --ink: #222; --soft: #555; --line: #ddd; --ground: #fff; --bad: #fde8e0 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e4e4; --soft: #a8a8a8; --line: #444; --ground: #17191c; --bad: #4a2418 }
}
body { font: 15px/1.5 system-ui, sans-serif; max-width: 66rem; margin: 2rem auto; padding: 0 1rem;
  color: var(--ink); background: var(--ground); overflow-wrap: break-word }
table { display: block; overflow-x: auto; border-collapse: collapse; margin: .5rem 0 1.5rem }
th, td { padding: .2rem .8rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line) }
th:first-child, td:first-child { text-align: left }
figure { margin: 1rem 0 } figcaption, .note { color: var(--soft); font-size: 13px }
svg { max-width: 100%; height: auto; background: #fff }
code { font-size: 13px; overflow-wrap: anywhere }
";

/// Drawing text in memory: there is nothing that could fail but a size that does not fit, which is
/// fixed. A plot that cannot be drawn is left out.
pub type Drawn<'a> =
    Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

/// A whole page. `style` comes after the common style.
pub fn page(title: &str, style: &str, body: &Markup) -> String {
    let whole = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) (PreEscaped(style)) }
            }
            body { (body) }
        }
    };
    whole.into_string()
}

/// A plot with its caption.
pub fn figure(svg: String, caption: impl Render) -> Markup {
    html! { figure { (PreEscaped(svg)) figcaption { (caption) } } }
}

/// A plot of so many pixels across and down, as SVG text.
pub fn plot(size: (u32, u32), draw: impl FnOnce(SVGBackend<'_>) -> Drawn<'_>) -> String {
    let mut text = String::new();
    if let Err(error) = draw(SVGBackend::with_string(&mut text, size)) {
        tracing::warn!(%error, "a plot was left out");
        return String::new();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use plotters::prelude::IntoDrawingArea;

    #[test]
    fn what_is_told_is_escaped_and_plots_are_not() {
        let svg = plot((10, 10), |svg| svg.into_drawing_area().present());
        assert!(svg.starts_with("<svg"));
        let page = page("a<b", ".x { }", &figure(svg, "c<d"));
        assert!(page.contains("<title>a&lt;b</title>") && page.contains("c&lt;d"), "{page}");
        assert!(page.contains("<svg") && page.contains(".x { }"));
    }

    #[test]
    fn a_plot_that_cannot_be_drawn_is_left_out() {
        assert_eq!(plot((10, 10), |_| Err(DrawingAreaErrorKind::LayoutError)), "");
    }
}
