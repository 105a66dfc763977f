//! `agespan evaluate images`.

use std::path::Path;

use agespan_client::proto::evaluator::v1 as proto;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::arguments::{Images, Metric};
use crate::commands::{Session, evaluate};
use crate::show;

/// What can be refused before anything is started.
pub(crate) fn check(images: &Images) -> Result<()> {
    let candidate = images.candidate.iter().map(|set| ("candidate", set));
    let autoencoder = images.reconstructed_by.iter().map(|set| ("reconstructed-by", set));
    for (flag, set) in
        [("reference", &images.reference)].into_iter().chain(candidate).chain(autoencoder)
    {
        if !is_resource(set) && !Path::new(set).exists() {
            bail!("--{flag}: there is no {set}; give a folder, a zip or a tar");
        }
    }
    let of_pairs = |metric: &Metric| matches!(metric, Metric::Mse | Metric::Psnr | Metric::Ssim);
    let paired = images.paired || images.reconstructed_by.is_some();
    if !paired && images.metrics.iter().any(of_pairs) {
        bail!("mse, psnr and ssim compare pairs: add --paired, or leave them out");
    }
    Ok(())
}

/// Compares, and shows what was found.
pub(crate) async fn run(session: &Session, images: &Images) -> Result<()> {
    check(images)?;
    let request = request(images)?;
    let answer = session.client.evaluator().evaluate_images(request).await?.into_inner();
    let name = session.follow("comparing", answer.job).await?;
    let request = proto::GetReportRequest { name, include_html: true };
    let answer = session.client.evaluator().get_report(request).await?.into_inner();
    let report = answer.report.unwrap_or_default().images.unwrap_or_default();
    let json = to_json(&report);
    if session.json {
        println!("{json}");
    } else {
        show_report(&report);
    }
    match &images.out {
        Some(folder) => evaluate::write(folder, &json, &answer.html),
        None => Ok(()),
    }
}

fn is_resource(set: &str) -> bool {
    let named = set.starts_with("datasets/") || set.starts_with("jobs/");
    named && !Path::new(set).exists()
}

fn request(images: &Images) -> Result<proto::EvaluateImagesRequest> {
    let set = |set: &str| if is_resource(set) { Ok(set.to_owned()) } else { absolute(set) };
    let extractor = &images.extractor;
    let autoencoder = images.reconstructed_by.as_deref().map(absolute).transpose()?;
    // A name has neither a folder nor an ending.
    let is_file = extractor.contains(['/', '.']);
    Ok(proto::EvaluateImagesRequest {
        reference: set(&images.reference)?,
        candidate: images.candidate.as_deref().map(set).transpose()?.unwrap_or_default(),
        reconstructed_by: autoencoder.unwrap_or_default(),
        reference_split: evaluate::to_proto(images.reference_split).into(),
        candidate_split: evaluate::to_proto(images.candidate_split).into(),
        paired: images.paired,
        metrics: images.metrics.iter().map(|&asked| metric(asked).into()).collect(),
        extractor: if is_file { absolute(extractor)? } else { extractor.clone() },
        ..Default::default()
    })
}

fn absolute(path: &str) -> Result<String> {
    let absolute = std::path::absolute(path).with_context(|| format!("cannot find {path}"))?;
    let text = absolute.to_str().with_context(|| format!("{path} is not UTF-8; rename it"))?;
    Ok(text.to_owned())
}

fn metric(metric: Metric) -> proto::ImageMetric {
    match metric {
        Metric::Mse => proto::ImageMetric::Mse,
        Metric::Psnr => proto::ImageMetric::Psnr,
        Metric::Ssim => proto::ImageMetric::Ssim,
        Metric::Fid => proto::ImageMetric::Fid,
        Metric::Kid => proto::ImageMetric::Kid,
        Metric::Prc => proto::ImageMetric::Prc,
    }
}

fn show_report(report: &proto::ImagesReport) {
    let mut table = show::table(&["metric", "value", "of", "seen by"]);
    let pairs = [("MSE", &report.mse, 5), ("PSNR, dB", &report.psnr, 2), ("SSIM", &report.ssim, 4)];
    for (name, figure, digits) in pairs {
        let Some(figure) = figure else { continue };
        let mean = figure.mean.map(|mean| format!("{mean:.digits$}"));
        let of = format!("{} pairs, {} equal", figure.count, figure.identical);
        table.add_row([name.to_owned(), mean.unwrap_or("none".to_owned()), of, String::new()]);
    }
    if let Some(fid) = &report.fid {
        let extractor = &fid.extractor;
        let mut row = |name: &str, value: f64, of: String| {
            table.add_row([name.to_owned(), format!("{value:.3}"), of, extractor.clone()]);
        };
        let of = format!("{} to {} images", fid.candidate_count, fid.reference_count);
        row("FID", fid.value, of);
        if let Some(infinity) = &fid.infinity {
            row("FID∞", infinity.value, "candidates without end".to_owned());
        }
        if let Some(floor) = &fid.floor {
            row("floor", floor.value, format!("{0} to {0} of the reference", floor.count));
        }
    }
    if let Some(kid) = &report.kid {
        let value = format!("{:.5} ± {:.5}", kid.value, kid.deviation);
        let of = format!("{} subsets of {}", kid.subsets, kid.size);
        table.add_row(["KID".to_owned(), value, of, kid.extractor.clone()]);
    }
    if let Some(prc) = &report.prc {
        for (name, value) in [("precision", prc.precision), ("recall", prc.recall)] {
            let of = format!("{} and {} images", prc.candidate_count, prc.reference_count);
            table.add_row([name.to_owned(), show::percent(value), of, prc.extractor.clone()]);
        }
    }
    println!("{table}");
    for (what, set) in [("reference", &report.reference), ("candidates", &report.candidate)] {
        let Some(set) = set else { continue };
        if let Some(first) = set.excluded.first() {
            println!(
                "{} of the {what} were left out, the first {}: {}",
                set.excluded_count, first.path, first.detail
            );
        }
    }
    report.warnings.iter().for_each(|warning| println!("mind: {warning}"));
}

/// One object keyed by metric; what was not asked for is not in it.
fn to_json(report: &proto::ImagesReport) -> Value {
    let mut json = json!({
        "reference": report.reference.as_ref().map(set),
        "candidate": report.candidate.as_ref().map(set),
        "warnings": report.warnings,
    });
    let figures = [
        ("mse", report.mse.as_ref().map(paired)),
        ("psnr", report.psnr.as_ref().map(paired)),
        ("ssim", report.ssim.as_ref().map(paired)),
        ("fid", report.fid.as_ref().map(frechet)),
        (
            "kid",
            report.kid.as_ref().map(|kid| {
                json!({
                    "value": kid.value, "deviation": kid.deviation, "extractor": kid.extractor,
                    "subsets": kid.subsets, "size": kid.size,
                })
            }),
        ),
        (
            "prc",
            report.prc.as_ref().map(|prc| {
                json!({
                    "precision": prc.precision, "recall": prc.recall, "extractor": prc.extractor,
                    "neighbour": prc.neighbour, "reference_count": prc.reference_count,
                    "candidate_count": prc.candidate_count,
                })
            }),
        ),
    ];
    for (name, figure) in figures {
        if let Some(figure) = figure {
            json[name] = figure;
        }
    }
    json
}

fn set(set: &proto::ImageSet) -> Value {
    let excluded = set
        .excluded
        .iter()
        .map(|file| json!({"path": file.path, "reason": file.reason, "detail": file.detail}));
    json!({
        "name": set.name, "content_hash": set.content_hash, "count": set.count,
        "excluded_count": set.excluded_count, "excluded": excluded.collect::<Vec<_>>(),
    })
}

fn paired(figure: &proto::PairedFigure) -> Value {
    json!({
        "value": figure.mean, "deviation": figure.deviation, "count": figure.count,
        "identical": figure.identical, "quantiles": figure.quantiles,
    })
}

fn frechet(fid: &proto::FrechetDistance) -> Value {
    let infinity = fid.infinity.as_ref().map(|infinity| {
        let points = infinity.points.iter().map(|point| json!([point.count, point.value]));
        json!({
            "value": infinity.value, "slope": infinity.slope,
            "points": points.collect::<Vec<_>>(),
        })
    });
    let floor = fid.floor.as_ref().map(|floor| json!({"value": floor.value, "count": floor.count}));
    json!({
        "value": fid.value, "extractor": fid.extractor, "features": fid.features,
        "reference_count": fid.reference_count, "candidate_count": fid.candidate_count,
        "infinity": infinity, "floor": floor,
    })
}
