//! The whole calculation, on the thread that it is called on.

use std::ops::ControlFlow;

use super::engine::Engine;
use super::seen::Look;
use super::set::Reader;
use super::{
    CompareError, Extractor, ImageSet, ImagesReport, Metric, Part, Parts, Seen, Set, Side, figures,
    paired,
};

/// A report, and what was seen in the reference, if that was looked at.
#[derive(Debug)]
pub struct Compared {
    /// What was found.
    pub report: ImagesReport,
    /// For the next comparison with the same reference.
    pub seen: Option<Seen>,
}

/// What is known before images are looked at.
pub struct Before<'a> {
    /// What an earlier comparison saw in the same reference by the same extractor.
    pub reference: Option<Seen>,
    /// Parts of both sets.
    pub parts: &'a dyn Parts,
}

/// Compares two sets. `extractor` is needed for metrics of features. `watch` is told how many files were
/// gone through, of how many (0 when that is not known), and says whether to go on.
///
/// # Errors
/// A [`CompareError`]. Files that cannot be read are none: they are listed in the report.
pub fn compare(
    reference: &Set,
    candidate: &Set,
    metrics: &[Metric],
    extractor: Option<&Extractor>,
    before: Before<'_>,
    watch: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
) -> Result<Compared, CompareError> {
    let by_pair = metrics.iter().any(|metric| metric.is_paired());
    let by_features = metrics.iter().any(|metric| !metric.is_paired());
    let total = total(reference, candidate, by_pair, by_features, before.reference.is_some());
    let mut done = 0;
    let mut watch = |more: u64| {
        done += more;
        watch(done, total)
    };
    let mut report = empty(reference, candidate);
    if by_pair {
        pairs(&mut report, [reference, candidate], metrics, &mut watch)?;
    }
    let mut kept = None;
    if by_features {
        let extractor = extractor.ok_or(CompareError::NoExtractor)?;
        let engine = &load(extractor)?;
        let look = |set, side| Look { set, side, extractor, engine };
        let of_reference = match before.reference {
            Some(seen) => seen,
            None => look(reference, Side::Reference).all(before.parts, &mut watch)?,
        };
        let of_candidate = look(candidate, Side::Candidates).all(before.parts, &mut watch)?;
        features(&mut report, extractor, &of_reference, &of_candidate, metrics)?;
        kept = Some(of_reference);
    }
    Ok(Compared { report, seen: kept })
}

fn load(extractor: &Extractor) -> Result<Engine, CompareError> {
    Engine::load(extractor).map_err(|source| CompareError::Extractor {
        extractor: extractor.to_string(),
        source: Box::new(source),
    })
}

/// Looks at one part of a set, for a comparison that somebody else does.
///
/// # Errors
/// As of [`compare`].
pub fn look_at_part(
    set: &Set,
    side: Side,
    extractor: &Extractor,
    number: u64,
    size: u64,
    watch: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<Part, CompareError> {
    let engine = &load(extractor)?;
    Look { set, side, extractor, engine }.part(&mut Reader::new(set), number, size, watch)
}

/// Files to go through in all; 0 when that is not known.
fn total(reference: &Set, candidate: &Set, by_pair: bool, by_features: bool, seen: bool) -> u64 {
    let (Some(reference), Some(candidate)) = (reference.count, candidate.count) else { return 0 };
    let of_reference = u64::from(by_pair) + u64::from(by_features && !seen);
    let of_candidate = u64::from(by_pair) + u64::from(by_features);
    reference * of_reference + candidate * of_candidate
}

fn empty(reference: &Set, candidate: &Set) -> ImagesReport {
    let set = |set: &Set| ImageSet {
        name: set.name.clone(),
        content_hash: set.content_hash.clone(),
        count: 0,
        excluded: Default::default(),
    };
    ImagesReport {
        reference: set(reference),
        candidate: set(candidate),
        mse: None,
        psnr: None,
        ssim: None,
        fid: None,
        kid: None,
        prc: None,
        warnings: Vec::new(),
    }
}

fn pairs(
    report: &mut ImagesReport,
    sets: [&Set; 2],
    metrics: &[Metric],
    watch: &mut dyn FnMut(u64) -> ControlFlow<()>,
) -> Result<(), CompareError> {
    let found = paired::pair(sets, metrics, watch)?;
    for (set, excluded) in
        [&mut report.reference, &mut report.candidate].into_iter().zip(found.excluded)
    {
        set.count = found.mse.len() as u64;
        set.excluded = excluded;
    }
    let (ratios, identical) = paired::ratios(&found.mse);
    let asked = |metric| metrics.contains(&metric);
    report.psnr = asked(Metric::Psnr).then(|| paired::figure(ratios, identical));
    report.ssim = asked(Metric::Ssim).then(|| paired::figure(found.ssim, identical));
    report.mse = asked(Metric::Mse).then(|| paired::figure(found.mse, identical));
    Ok(())
}

fn features(
    report: &mut ImagesReport,
    extractor: &Extractor,
    reference: &Seen,
    candidate: &Seen,
    metrics: &[Metric],
) -> Result<(), CompareError> {
    for (set, seen) in [(&mut report.reference, reference), (&mut report.candidate, candidate)] {
        set.count = seen.gaussian.count as u64;
        set.excluded = seen.excluded.clone();
    }
    let asked = |metric| metrics.contains(&metric);
    let mut kernel = asked(Metric::Kid);
    if asked(Metric::Fid) {
        let warning = figures::warning(reference, candidate);
        // A distance that is not to be trusted does not come alone.
        kernel |= warning.is_some();
        report.warnings.extend(warning);
        report.fid = Some(figures::frechet(extractor, reference, candidate)?);
    }
    if kernel {
        report.kid = Some(figures::kernel(extractor, reference, candidate)?);
    }
    if asked(Metric::Prc) {
        report.prc = Some(figures::neighbours(extractor, reference, candidate)?);
    }
    Ok(())
}
