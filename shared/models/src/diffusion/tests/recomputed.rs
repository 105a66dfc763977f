//! Going back through the network part by part.

use super::*;

/// Gradients of all parameters and of the texts.
fn gradients(
    unet: &Unet,
    texts: &Tensor,
    back: impl FnOnce(&Tensor) -> Tensor,
) -> Vec<(String, Tensor)> {
    for tensor in unet.variables().values() {
        let mut tensor = tensor.set_requires_grad(true);
        tensor.zero_grad();
    }
    let texts = texts.detach().set_requires_grad(true);
    // As of an encoder: the texts have a past.
    let prediction = back(&(&texts * 2.0));
    let named = unet.variables().iter().map(|(name, tensor)| (name.clone(), tensor.grad()));
    let all = [("texts".to_owned(), texts.grad()), ("prediction".to_owned(), prediction)];
    named.chain(all).map(|(name, tensor)| (name, tensor.detach().copy())).collect()
}

#[test]
fn gradients_are_those_of_the_plain_way_back() {
    // An odd size: on the way up it is looked up on the way down.
    for size in [8, 9] {
        let unet = Unet::new(UnetConfig::new(unet()).unwrap(), &Parameters::random(2, Device::Cpu));
        let unet = unet.unwrap();
        let noise = |name: &str, size: &[i64]| Noise::named(5, name).normal(size);
        let sample = noise("sample", &[2, 4, size, size]);
        let texts = noise("texts", &[2, 7, 16]);
        let times = Tensor::from_slice(&[3i64, 801]);
        let plain = gradients(&unet, &texts, |texts| {
            let prediction = unet.forward(&sample, &times, texts).unwrap();
            prediction.square().mean(Kind::Float).backward();
            prediction
        });
        let recomputed = gradients(&unet, &texts, |texts| {
            let pass = unet.forward_recomputed(&sample, &times, texts).unwrap();
            let prediction = pass.prediction().detach();
            pass.prediction().square().mean(Kind::Float).backward();
            pass.backward().unwrap();
            prediction
        });
        for ((name, plain), (_, recomputed)) in plain.iter().zip(&recomputed) {
            assert!(plain.abs().max().double_value(&[]) > 0.0, "{name} has no part in it");
            let difference = (plain - recomputed).abs().max().double_value(&[]);
            let scale = plain.abs().max().double_value(&[]);
            assert!(difference <= 1e-5 * scale, "{name}: {difference} of {scale}");
        }
    }
}
