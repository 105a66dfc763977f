//! A comparison as a page: one HTML file with its tables and plots inside, and no images.

mod plots;

use agespan_page::figure;
use maud::{Markup, html};

use super::{Frechet, ImageSet, ImagesReport, PairedFigure};

/// The page of a comparison.
pub fn page(report: &ImagesReport) -> String {
    let body = html! {
        h1 { "How like two sets of images are" }
        (sets(report))
        @for warning in &report.warnings { p { b { "Mind: " } (warning) "." } }
        @if [&report.mse, &report.psnr, &report.ssim].iter().any(|figure| figure.is_some()) {
            h2 { "Pair by pair: what a reconstruction loses" }
            (pairs(report))
        }
        @if report.fid.is_some() || report.kid.is_some() || report.prc.is_some() {
            h2 { "Set by set: what a sampler draws" }
            (features(report))
        }
        @if let Some(fid) = &report.fid { (frechet(fid)) }
        (excluded("reference", &report.reference))
        (excluded("candidates", &report.candidate))
    };
    let title = format!("Agespan: {} beside {}", report.candidate.name, report.reference.name);
    agespan_page::page(&title, "", &body)
}

fn sets(report: &ImagesReport) -> Markup {
    html! {
        table {
            tr { th { "set" } th { "images" } th { "left out" } th { "content" } }
            @for (what, set) in [("reference", &report.reference), ("candidates", &report.candidate)] {
                tr {
                    td { (what) ": " code { (set.name) } } td { (set.count) }
                    td { (set.excluded.count) }
                    td { code { (short(set.content_hash.as_deref())) } }
                }
            }
        }
    }
}

fn short(hash: Option<&str>) -> &str {
    hash.map_or("", |hash| hash.get(..16).unwrap_or(hash))
}

fn pairs(report: &ImagesReport) -> Markup {
    let rows = [
        ("MSE, of 0 to 1", &report.mse, 5),
        ("PSNR in dB, MAX 1 on 0 to 1", &report.psnr, 2),
        ("SSIM, Gaussian window of 11 pixels", &report.ssim, 4),
    ];
    html! {
        table {
            tr { th { "metric" } th { "mean" } th { "deviation" } th { "pairs" } th { "equal" } }
            @for (name, found, digits) in &rows {
                @if let Some(found) = found {
                    tr {
                        td { (name) } td { b { (optional(found.mean, *digits)) } }
                        td { (format!("{:.digits$}", found.deviation)) }
                        td { (found.count) } td { (found.identical) }
                    }
                }
            }
        }
        @for (name, found, _) in &rows {
            @if let Some(found) = found.as_ref().filter(|found| found.count > 1) {
                (spread(name, found))
            }
        }
    }
}

fn spread(name: &str, found: &PairedFigure) -> Markup {
    figure(
        plots::quantiles(&found.quantiles, name),
        format!("{name}: from the least of {} pairs to the greatest.", found.count),
    )
}

fn features(report: &ImagesReport) -> Markup {
    html! {
        table {
            tr { th { "metric" } th { "value" } th { "" } th { "seen by" } }
            @if let Some(fid) = &report.fid {
                tr {
                    td { "FID" } td { b { (number(fid.value)) } }
                    td { "of " (fid.candidate_count) " candidates to " (fid.reference_count) }
                    td { code { (fid.extractor) } }
                }
                @if let Some(infinity) = &fid.infinity {
                    tr {
                        td { "FID∞" } td { b { (number(infinity.value)) } }
                        td { "of candidates without end" } td { code { (fid.extractor) } }
                    }
                }
                @if let Some(floor) = &fid.floor {
                    tr {
                        td { "floor" } td { (number(floor.value)) }
                        td { "FID of " (floor.count) " reference images to " (floor.count) " others" }
                        td { code { (fid.extractor) } }
                    }
                }
            }
            @if let Some(kid) = &report.kid {
                tr {
                    td { "KID" } td { b { (format!("{:.5}", kid.value)) } }
                    td {
                        "± " (format!("{:.5}", kid.deviation)) " over " (kid.subsets) " of "
                        (kid.size) " images"
                    }
                    td { code { (kid.extractor) } }
                }
            }
            @if let Some(prc) = &report.prc {
                @for (name, value) in [("precision", prc.precision), ("recall", prc.recall)] {
                    tr {
                        td { (name) } td { b { (format!("{:.1} %", 100.0 * value)) } }
                        td { (prc.neighbour) " neighbours" } td { code { (prc.extractor) } }
                    }
                }
            }
        }
        p.note { "Numbers that different networks saw cannot be compared." }
    }
}

fn frechet(fid: &Frechet) -> Markup {
    let Some(infinity) = &fid.infinity else { return html! {} };
    figure(
        plots::extrapolation(infinity, fid.floor.as_ref()),
        "FID over one divided by the number of candidates. Where the line meets the left edge is FID∞; \
         the other line is what two parts of the reference are apart.",
    )
}

fn excluded(what: &str, set: &ImageSet) -> Markup {
    let count = set.excluded.count;
    if count == 0 {
        return html! {};
    }
    html! {
        h2 { "Left out of the " (what) ": " (count) }
        table {
            tr { th { "file" } th { "reason" } th { "" } }
            @for file in &set.excluded.listed {
                tr { td { (file.path) } td { (file.reason) } td { (file.detail) } }
            }
        }
        @if count > set.excluded.listed.len() as u64 {
            p.note { "Only the first " (set.excluded.listed.len()) " are listed." }
        }
    }
}

fn optional(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "all equal".to_owned(), |value| format!("{value:.digits$}"))
}

fn number(value: f64) -> String {
    format!("{value:.3}")
}
