//! A comparison of images in the protocol's words.

use agespan_proto::evaluator::v1 as proto;

use crate::images::{
    Exclusion, Floor, Frechet, ImageSet, ImagesReport, Infinity, Kernel, Neighbours, PairedFigure,
};

pub(super) fn report(report: ImagesReport) -> proto::ImagesReport {
    proto::ImagesReport {
        reference: Some(set(report.reference)),
        candidate: Some(set(report.candidate)),
        mse: report.mse.map(paired),
        psnr: report.psnr.map(paired),
        ssim: report.ssim.map(paired),
        fid: report.fid.map(frechet),
        kid: report.kid.map(kernel),
        prc: report.prc.map(neighbours),
        warnings: report.warnings,
    }
}

fn set(set: ImageSet) -> proto::ImageSet {
    proto::ImageSet {
        name: set.name,
        content_hash: set.content_hash.unwrap_or_default(),
        count: set.count,
        excluded_count: set.excluded.count,
        excluded: set.excluded.listed.into_iter().map(excluded).collect(),
    }
}

fn excluded(file: Exclusion) -> proto::ExcludedImage {
    let Exclusion { path, reason, detail } = file;
    proto::ExcludedImage { path, reason, detail }
}

fn paired(figure: PairedFigure) -> proto::PairedFigure {
    let PairedFigure { mean, deviation, count, identical, quantiles } = figure;
    proto::PairedFigure { mean, deviation, count, identical, quantiles }
}

fn frechet(found: Frechet) -> proto::FrechetDistance {
    proto::FrechetDistance {
        extractor: found.extractor,
        features: found.features,
        value: found.value,
        reference_count: found.reference_count,
        candidate_count: found.candidate_count,
        infinity: found.infinity.map(infinity),
        floor: found.floor.map(|Floor { value, count }| proto::DistanceFloor { value, count }),
    }
}

fn infinity(found: Infinity) -> proto::InfiniteDistance {
    let point = |(count, value)| proto::DistancePoint { count, value };
    let points = found.points.into_iter().map(point).collect();
    proto::InfiniteDistance { value: found.value, slope: found.slope, points }
}

fn kernel(found: Kernel) -> proto::KernelDistance {
    let Kernel { extractor, value, deviation, subsets, size } = found;
    proto::KernelDistance { extractor, value, deviation, subsets, size }
}

fn neighbours(found: Neighbours) -> proto::PrecisionRecall {
    proto::PrecisionRecall {
        extractor: found.extractor,
        precision: found.precision,
        recall: found.recall,
        neighbour: found.neighbour,
        reference_count: found.reference_count,
        candidate_count: found.candidate_count,
    }
}
